"""Loops that run at run time: the phis of variables at the header, and their values on the ways back."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NoReturn

from ...exception import InternalCompilerError, Span, UnsupportedSyntax
from ..bytecode.canonical import Loop
from ..ir.ops import Op as IrOp
from ..ir.types import U64, Int
from ..ir.values import Block, Function, Value, connect
from . import counters, variables
from .decisions import Restart
from .describe import differ
from .frames import Frame
from .joins import JOINS
from .plans import LoopAt, Plans, RunTime, Slot, Wanted
from .state import State
from .values import UNASSIGNED, Abstract, Const, Counter, NoValue, Variable

_NO_LIST: Final = (
    "use a ctypes array or a map, or loop over constants",
    "sum(), min(), max(), any() and all() need no list: leave the brackets out, sum(x for x in range(n))",
)


class RunTimeLoop:
    """A loop's header with a phi for whatever the body may change.

    The phis have the types of the values on entry, unless the plan knows better from an earlier attempt. A way back
    with a value that does not fit changes the plan and starts another attempt.
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

    def enter(self, fn: Function, frame: Frame, loop: Loop, state: State) -> State:
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
            state.locals[name] = NoValue("only the loop assigns it, and the loop may run zero times")
        stored = self.plan.cells | {frame.cell_ids[name] for name in loop.stored if name in frame.cell_ids}
        for ident in state.cells:  # in the order of the dict: a set's order differs from process to process
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
        """The value at the loop's header of a variable that may change: a phi, if a phi can hold it."""
        phi = self.open(slot, value)
        if not isinstance(phi, NoValue) or phi is value:
            self.slots.append((slot, phi))
        return phi

    def go_back(self, state: State) -> None:
        """A way back: gives every phi its argument, or changes the plan if a value doesn't fit."""
        block = self.block
        for slot, header in self.slots:
            back = self._slot_value(state, slot)
            self.close(slot, header, back)
        self._check_cells(state)
        for ident, items in self.state.heap.items():
            if state.heap.get(ident) is not items:
                raise UnsupportedSyntax(0, "a list or dict changes in a loop that runs at run time",
                                        hints=_NO_LIST)  # fmt: skip
        for phi in block.phis:
            if len(phi.args) != len(block.preds):
                raise InternalCompilerError("peval", "a loop's phi has no value on a back edge", self.span)

    def _check_cells(self, state: State) -> None:
        """Finds cells that functions called in the loop have changed."""
        slots = {slot for slot, _ in self.slots}
        for ident, value in self.state.cells.items():
            if ("cell", ident) not in slots and not value.same(state.cells.get(ident, UNASSIGNED)):
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

    # what joins ask and do

    @property
    def edge(self) -> Block:
        return self.block.preds[-1]

    def wanted(self, slot: Slot) -> Wanted | None:
        return self.plan.types.get(slot)

    def is_mixed(self, slot: Slot) -> bool:
        return slot in self.plan.mixed

    def phi(self, initial: Value) -> Value:
        phi = Value(IrOp.PHI, [initial], initial.type, None, self.span)
        self.block.phis.append(phi)
        return phi

    def open(self, slot: Slot, value: Abstract) -> Abstract:
        """The value of a variable at the header: a phi, or a value that needs none."""
        wanted = self.wanted(slot)
        if isinstance(wanted, str):
            return NoValue(wanted)
        if isinstance(value, Variable):
            if wanted is None or isinstance(wanted, Int):
                return Variable(value.slot, value.signed and wanted != U64)
            value = variables.read_at(self.edge, value)
        found = (join.open(self, slot, value) for join in JOINS)
        return next((each for each in found if each is not None), value)

    def close(self, slot: Slot, mine: Abstract, back: Abstract) -> None:
        if isinstance(mine, Variable) and isinstance(back, Variable):
            if mine.signed and not back.signed:
                self.replan(slot, U64)
            return
        back = variables.read_at(self.edge, back)
        if any(join.close(self, slot, mine, back) for join in JOINS):
            return
        if not mine.same(back) and not isinstance(mine, NoValue):
            before, after = differ(mine, back)
            self.replan(slot, f"it is {before} before the loop and {after} in it")

    def replan(self, slot: Slot, wanted: Wanted) -> NoReturn:
        self._change(self.plan.holding(slot, wanted), f"{_named(slot)} changes its type in it")

    def mix(self, slot: Slot) -> NoReturn:
        self._change(self.plan.mixing(slot), f"{_named(slot)} is a bool on some paths only")

    def _change(self, plan: RunTime, why: str) -> NoReturn:
        """Starts another attempt with another plan."""
        self.plans[self.at] = plan
        raise Restart(f"a loop gets another header: {why}")


def _named(slot: Slot) -> str:
    kind, name, *_ = slot
    return str(name) if kind == "local" else str(name[1]) if kind == "cell" else "its counter"
