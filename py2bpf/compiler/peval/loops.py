"""Loops that run at run time: which variables become phis at the header, and what the back edges give them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, NoReturn

from ...exception import InternalCompilerError, Span, UnsupportedSyntax
from ..bytecode.canonical import Loop
from ..ir.ops import Op as IrOp
from ..ir.types import I64, U64, Int
from ..ir.values import Block, Function, Value, connect, const
from . import arith, counters, integers, memory, records, variables
from .decisions import Restart
from .describe import differ
from .frames import Frame
from .plans import LoopAt, Plans, RunTime, Slot, Wanted
from .state import State, cast_at, join_pointers, join_texts, kernel_address_at, option_at, point_at, same
from .values import UNASSIGNED, Abstract, Const, Counter, KernelRef, Option, Ref, Run, TupleOf, Unbound, Variable, wrap

_NO_LIST: Final = (
    "use a ctypes array or a map, or loop over constants",
    "sum(), min(), max(), any() and all() need no list: leave the brackets out, sum(x for x in range(n))",
)


class RunTimeLoop:
    """A loop's header with a phi for whatever the body may change.

    The phis' types are those of the values on entry, unless the plan knows better from an earlier attempt; a
    back edge that does not fit changes the plan and restarts the evaluation.
    """

    __slots__ = ("at", "block", "plan", "plans", "slots", "span", "state")

    def __init__(self, block: Block, plans: Plans, at: LoopAt, span: Span | None) -> None:
        plan = plans[at]
        assert isinstance(plan, RunTime)
        self.block = block
        self.plans = plans
        self.at = at
        self.plan = plan
        self.span = span
        self.slots: list[tuple[Slot, Abstract]] = []
        self.state = State([], {}, {}, {})

    def open(self, fn: Function, frame: Frame, loop: Loop, state: State) -> State:
        """The state at the header, made from the one on entry."""
        state = state.copy()
        if len(self.block.preds) > 1:
            self._funnel(fn)
        for name in sorted(loop.stored & state.locals.keys()):
            state.locals[name] = self._slot(("local", name), state.locals[name])
        variable = frame.loop_variable(loop, state)
        if variable is not None and variable not in state.locals:
            first = Variable(frame.slots[variable], True) if variable in frame.slots else Const(0)
            state.locals[variable] = self._slot(("local", variable), first)
        for name in sorted(loop.stored - state.locals.keys()):
            state.locals[name] = Unbound("only the loop assigns it, and the loop may run zero times")
        stored = self.plan.cells | {frame.cell_ids[name] for name in loop.stored if name in frame.cell_ids}
        for ident in state.cells:  # in its order: a set's differs from process to process
            if ident in stored:
                state.cells[ident] = self._slot(("cell", ident), state.cells[ident])
        if frame.is_for(loop):
            counter = state.stack[-1]
            assert isinstance(counter, Counter)
            counter = counters.at_run_time(counter)
            current = self._slot(("stack", len(state.stack) - 1), counter.current)
            state.stack[-1] = replace(counter, current=current)
        self.state = state.copy()
        return state

    def _funnel(self, fn: Function) -> None:
        """Gives the loop one entry edge, so that a phi has one initial value."""
        entry, block = Block(), self.block
        entry.preds, entry.phis = block.preds, block.phis
        block.preds, block.phis = [], []
        for pred in entry.preds:
            pred.end.attr = tuple(entry if target is block else target for target in pred.end.attr)
        fn.blocks.insert(len(fn.blocks) - 1, entry)
        connect(entry, IrOp.JUMP, [], (block,), self.span)

    def _slot(self, slot: Slot, value: Abstract) -> Abstract:
        """The value at the loop's header: a phi for what may change, if a phi can hold it."""
        phi = self._header_phi(slot, value)
        if not isinstance(phi, Unbound) or phi is value:
            self.slots.append((slot, phi))
        return phi

    def _header_phi(self, slot: Slot, value: Abstract) -> Abstract:
        pred = self.block.preds[0]
        wanted = self.plan.types.get(slot)
        if isinstance(wanted, str):
            return Unbound(wanted)
        if isinstance(value, Variable):
            if wanted is None or isinstance(wanted, Int):
                return Variable(value.slot, value.signed and wanted != U64)
            value = variables.read_at(pred, value)
        if isinstance(value, Option) or isinstance(wanted, Option):
            return self._option_phi(slot, value, pred, wanted)
        if arith.fits(value) and isinstance(value, (Run, Const)):
            ir = value.ir if isinstance(value, Run) else integers.constant(int(value.obj))
            kind = wanted if isinstance(wanted, Int) else arith.int_type(ir)
            return Run(self._phi(cast_at(pred, ir, kind)), self._boolean(slot, value))
        if isinstance(value, Ref) or (isinstance(value, Const) and value.obj is None and isinstance(wanted, Ref)):
            model = wanted if isinstance(wanted, Ref) else value
            assert isinstance(model, Ref)
            if records.is_record(model):
                return Unbound(records.CARRIED)
            phi = self._phi(point_at(pred, value))
            phi.type = model.ptr if isinstance(wanted, Ref) else join_pointers([model], False)
            return Ref(phi, 0, model.ctype, model.text, model.copied)
        none = isinstance(value, Const) and value.obj is None
        if isinstance(value, KernelRef) or (none and isinstance(wanted, KernelRef)):
            like = wanted if isinstance(wanted, KernelRef) else value
            assert isinstance(like, KernelRef)
            return KernelRef(self._phi(kernel_address_at(pred, value)), 0, like.shape, like.pointer)
        if isinstance(value, Const) and isinstance(wanted, TupleOf):
            value = TupleOf(tuple(wrap(item) for item in value.obj), type(value.obj))
        if isinstance(value, TupleOf):
            items = tuple(self._header_phi((*slot, i), item) for i, item in enumerate(value.items))
            return TupleOf(items, value.cls)
        return value

    def _option_phi(self, slot: Slot, value: Abstract, pred: Block, wanted: Any) -> Abstract:
        """An integer or None: whether it's there, and which."""
        parts = option_at(pred, value)
        if parts is None:
            return value
        known = (wanted if _is_none(value) and isinstance(wanted, Option) else value).boolean
        number = self._header_phi((*slot, "value"), arith.number(parts[1], known))
        assert isinstance(number, Run)
        return Option(self._phi(cast_at(pred, parts[0], I64)), number.ir, number.boolean)

    def _boolean(self, slot: Slot, value: Abstract) -> bool | None:
        return None if slot in self.plan.mixed else value.boolean

    def _phi(self, initial: Value) -> Value:
        phi = Value(IrOp.PHI, [initial], initial.type, None, self.span)
        self.block.phis.append(phi)
        return phi

    def close(self, state: State) -> None:
        """A back edge: gives every phi its argument, or changes the plan where none fits."""
        block = self.block
        pred = block.preds[-1]
        for slot, header in self.slots:
            back = self._slot_value(state, slot)
            self._back(slot, header, back, pred)
        self._check_cells(state)
        for ident, items in self.state.heap.items():
            if state.heap.get(ident) is not items:
                raise UnsupportedSyntax(0, "a list or dict changes in a loop that runs at run time",
                                        hints=_NO_LIST)  # fmt: skip
        for phi in block.phis:
            if len(phi.args) != len(block.preds):
                raise InternalCompilerError("peval", "a loop's phi has no value on a back edge", self.span)

    def _check_cells(self, state: State) -> None:
        """A function called in the loop may change variables of ours."""
        slots = {slot for slot, _ in self.slots}
        for ident, value in self.state.cells.items():
            if ("cell", ident) not in slots and not same(value, state.cells.get(ident, UNASSIGNED)):
                if ident in self.plan.cells:
                    continue  # no phi can hold it: it is unusable from the header on
                self._change(self.plan.carrying(ident), f"{ident[1]} changes in functions that it calls")

    @staticmethod
    def _slot_value(state: State, slot: Slot) -> Abstract:
        kind, name, *_ = slot
        if kind == "local":
            return state.locals.get(name, UNASSIGNED)
        if kind == "cell":
            return state.cells.get(name, UNASSIGNED)
        value = state.stack[name]
        assert isinstance(value, Counter)
        return value.current

    def _back(self, slot: Slot, header: Abstract, back: Abstract, pred: Block) -> None:
        if isinstance(header, Variable) and isinstance(back, Variable):
            if header.signed and not back.signed:
                self._replan(slot, U64)
            return
        back = variables.read_at(pred, back)
        if isinstance(header, Run) and arith.fits(back) and isinstance(back, (Run, Const)):
            ir = back.ir if isinstance(back, Run) else integers.constant(int(back.obj))
            kind = arith.int_type(header.ir)
            if kind == I64 and arith.int_type(ir) == U64:
                self._replan(slot, U64)
            if header.boolean is not None and back.boolean is not header.boolean:
                self._change(self.plan.mixing(slot), f"{_named(slot)} is a bool on some paths only")
            header.ir.args.append(cast_at(pred, ir, kind))
        elif isinstance(header, Ref) and (isinstance(back, Ref) or (isinstance(back, Const) and back.obj is None)):
            if isinstance(back, Ref) and memory.in_packet(back) is not memory.in_packet(header):
                self._replan(slot, "it is in the packet on one path, and a copy on another")
            if isinstance(back, Ref) and records.is_record(back):
                self._replan(slot, records.CARRIED)
            if isinstance(back, Ref) and back.ctype is not header.ctype:
                self._replan(slot, f"it is {header.describe()} before the loop and {back.describe()} in it")
            refs = [header, back] if isinstance(back, Ref) else [header]
            kind_ = join_pointers(refs, nullable=not isinstance(back, Ref))
            found = Ref(Value(IrOp.PHI, [], kind_), 0, header.ctype, join_texts(refs), any(ref.copied for ref in refs))
            if (kind_, found.text, found.copied) != (header.ptr, header.text, header.copied):
                self._replan(slot, found)
            header.base.args.append(point_at(pred, back))
        elif isinstance(header, KernelRef) and _kernel_like(header, back):
            pointer = not isinstance(back, KernelRef) or back.pointer
            if pointer and not header.pointer:
                self._replan(slot, KernelRef(const(0), 0, header.shape, True))
            header.address.args.append(kernel_address_at(pred, back))
        elif isinstance(header, Const) and header.obj is None and isinstance(back, KernelRef):
            self._replan(slot, KernelRef(const(0), 0, back.shape, True))
        elif isinstance(header, TupleOf) and _like(header, back):
            for i, mine in enumerate(header.items):
                self._back((*slot, i), mine, _items(back)[i], pred)
        elif isinstance(header, Option) and (parts := option_at(pred, back)) is not None:
            header.present.args.append(cast_at(pred, parts[0], I64))
            known = header.boolean if _is_none(back) else back.boolean
            self._back((*slot, "value"), Run(header.value, header.boolean), arith.number(parts[1], known), pred)
        elif not same(header, back) and _optional(header) and _optional(back):
            self._replan(slot, Option(const(0), const(0), (back if _is_none(header) else header).boolean))
        elif isinstance(header, Const) and _like(header, back) and not same(header, back):
            self._replan(slot, TupleOf(()))
        elif isinstance(header, Const) and header.obj is None and isinstance(back, Ref):
            if records.is_record(back):
                self._replan(slot, records.CARRIED)
            kind_ = join_pointers([back], nullable=True)
            self._replan(slot, Ref(Value(IrOp.PHI, [], kind_), 0, back.ctype, back.text, back.copied))
        elif not same(header, back) and not isinstance(header, Unbound):
            before, after = differ(header, back)
            self._replan(slot, f"it is {before} before the loop and {after} in it")

    def _replan(self, slot: Slot, wanted: Wanted) -> NoReturn:
        self._change(self.plan.holding(slot, wanted), f"{_named(slot)} changes its type in it")

    def _change(self, plan: RunTime, why: str) -> NoReturn:
        """All begins again with another plan."""
        self.plans[self.at] = plan
        raise Restart(f"a loop gets another header: {why}")


def _named(slot: Slot) -> str:
    kind, name, *_ = slot
    return str(name) if kind == "local" else str(name[1]) if kind == "cell" else "its counter"


def _is_none(value: Abstract) -> bool:
    return isinstance(value, Const) and value.obj is None


def _optional(value: Abstract) -> bool:
    """Whether the value is an integer or None."""
    return arith.fits(value) or isinstance(value, Variable) or (isinstance(value, Const) and value.obj is None)


def _kernel_like(header: KernelRef, back: Abstract) -> bool:
    """Whether both are objects of one kernel type, or the second is None."""
    if isinstance(back, KernelRef):
        return back.shape is header.shape
    return isinstance(back, Const) and back.obj is None


def _items(value: Abstract) -> tuple[Abstract, ...]:
    if isinstance(value, TupleOf):
        return value.items
    return tuple(wrap(item) for item in value.obj) if isinstance(value, Const) and isinstance(value.obj, tuple) else ()


def _like(header: Abstract, back: Abstract) -> bool:
    """Whether both are tuples of one class and length."""
    if not isinstance(back, (Const, TupleOf)):
        return False
    return _class(header) is _class(back) and len(_items(header)) == len(_items(back)) > 0


def _class(value: Abstract) -> Any:
    return value.cls if isinstance(value, TupleOf) else type(value.obj) if isinstance(value, Const) else None
