"""What is known at one place of a function, and how two such states become one where paths meet."""

from __future__ import annotations

import types
from typing import Any, Final

from ...exception import InternalCompilerError
from ..ir.ops import Op
from ..ir.types import I64, U64, Int, Ptr, Region, join_ints
from ..ir.values import Block, Value, const
from . import arith, constant_texts, integers, records, variables
from .describe import differ
from .values import (
    Abstract,
    AugmentedAttr,
    AugmentedItem,
    CellId,
    Closure,
    Const,
    Counter,
    DictView,
    Items,
    KernelRef,
    Map,
    Mixed,
    Numbered,
    OneOf,
    Option,
    RangeOf,
    Ref,
    Run,
    Stored,
    TupleOf,
    Unbound,
    Variable,
    Walk,
    Zipped,
)

_BY_FIELDS: Final = (RangeOf, Counter, Items, Walk, Numbered, Zipped, AugmentedItem, AugmentedAttr, Stored, DictView)
"""Where all fields merge, the value does."""

Heap = dict[int, Any]


class State:
    """``stack`` and ``locals`` belong to the frame that runs; ``cells`` and ``heap`` (lists, dicts and what they
    hold) to the whole program, since calls change them."""

    __slots__ = ("cells", "heap", "locals", "stack")

    def __init__(
        self, stack: list[Abstract], locals: dict[str, Abstract], cells: dict[CellId, Abstract], heap: Heap
    ) -> None:
        self.stack = stack
        self.locals = locals
        self.cells = cells
        self.heap = heap

    def pop(self, count: int) -> list[Abstract]:
        """Takes the top ``count`` values off the stack."""
        if not count:
            return []
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def copy(self) -> State:
        return State(self.stack.copy(), self.locals.copy(), self.cells.copy(), self.heap.copy())


_SIMPLE = (int, str, bytes, bool, float, type(None))


def same(a: Abstract, b: Abstract) -> bool:
    """Whether two values are surely one."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, Const):
        assert isinstance(b, Const)
        if a.obj is b.obj:
            return True
        if type(a.obj) is not type(b.obj):
            return False
        if isinstance(a.obj, tuple):
            return len(a.obj) == len(b.obj) and all(same(Const(x), Const(y)) for x, y in zip(a.obj, b.obj, strict=True))
        return type(a.obj) in _SIMPLE and bool(a.obj == b.obj)
    if isinstance(a, Map):
        assert isinstance(b, Map)
        return a.obj is b.obj
    return all(_same_field(getattr(a, name), getattr(b, name)) for name in _fields(a))


def _fields(value: Abstract) -> tuple[str, ...]:
    names: tuple[str, ...] = type(value).__slots__
    return names


def _same_field(a: Any, b: Any) -> bool:
    if isinstance(a, Abstract):
        return isinstance(b, Abstract) and same(a, b)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(_same_field(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, Value) and isinstance(b, Value):
        return a is b or (a.op is Op.CONST and b.op is Op.CONST and a.attr == b.attr and a.type == b.type)
    return a is b or (isinstance(a, _SIMPLE) and type(a) is type(b) and bool(a == b))


class Merger:
    """Merges the values that come over the edges into ``target``, making phis there."""

    def __init__(self, target: Block) -> None:
        self.target = target

    def states(self, states: list[State]) -> State:
        first = states[0]
        if len(states) == 1:
            return first
        depth = len(first.stack)
        if any(len(state.stack) != depth for state in states):
            raise InternalCompilerError("peval", "paths meet with stacks of different depth")
        stack = [self._slot([state.stack[i] for state in states]) for i in range(depth)]
        return State(
            stack,
            self.tables([state.locals for state in states]),
            self.tables([state.cells for state in states]),
            self.heaps([state.heap for state in states]),
        )

    def tables(self, tables: list[dict[Any, Abstract]]) -> dict[Any, Abstract]:
        """Variables by name; one that is missing on a path can't be used afterwards."""
        first = tables[0]
        if all(table == first for table in tables[1:]):
            return first.copy()
        merged = {}
        for name in dict.fromkeys(name for table in tables for name in table):
            values = [table.get(name) for table in tables]
            merged[name] = self.values([v or Unbound("it is assigned on some paths only") for v in values])
        return merged

    def heaps(self, heaps: list[Heap]) -> Heap:
        """Objects made in the program; one that only some paths know is not reachable after the merge."""
        first, *rest = heaps
        merged: Heap = first.copy()
        for ident in dict.fromkeys(ident for heap in rest for ident in _unlike(first, heap)):
            versions = [heap.get(ident) for heap in heaps]
            if any(version is None for version in versions):
                del merged[ident]
            else:
                merged[ident] = self._object(versions)
        return merged

    def _object(self, versions: list[Any]) -> Any:
        if (unusable := next((v for v in versions if isinstance(v, Unbound)), None)) is not None:
            return unusable
        if isinstance(versions[0], Abstract):
            merged = self.values(versions)
            uneven = Unbound("more items are taken from it on one path than on another")
            return uneven if isinstance(merged, Unbound) else merged
        if isinstance(versions[0], dict):
            if any(list(version) != list(versions[0]) for version in versions[1:]):
                return Unbound("the dict has different keys on the paths that meet here")
            return {key: self.values([version[key] for version in versions]) for key in versions[0]}
        if any(len(v) != len(versions[0]) for v in versions[1:]):
            return Unbound("the list has different lengths on the paths that meet here")
        return tuple(self.values(list(items)) for items in zip(*versions, strict=True))

    def _slot(self, values: list[Abstract]) -> Abstract:
        """One value of the stack; of several types where that must be."""
        merged = self.values(values)
        if not isinstance(merged, Unbound) or any(isinstance(v, Unbound) and not isinstance(v, Mixed) for v in values):
            return merged
        if all(merged is value for value in values):
            return merged
        ways = [(pred, variables.read_at(pred, v)) for pred, v in zip(self.target.preds, values, strict=True)]
        truths = [truth for pred, value in ways if (truth := value.truth_at(pred)) is not None]
        truth = self.phi(truths) if len(truths) == len(ways) else None
        return Mixed(merged.why, truth, self.phi([value.none_at(pred) for pred, value in ways]))

    def values(self, values: list[Abstract]) -> Abstract:
        """One value for all paths; an Unbound, which says why, where there is none."""
        first = values[0]
        if all(same(first, other) for other in values[1:]):
            return first
        for value in values:
            if isinstance(value, Unbound):
                return Unbound(value.why)
        if any(isinstance(value, Variable) for value in values):
            if (variable := variables.joined(values)) is not None:
                return variable
            values = [variables.read_at(pred, value) for pred, value in zip(self.target.preds, values, strict=True)]
            first = values[0]
        for merge in (self._ints, self._texts, self._refs, self._kernel_refs, self._options, self._sequences,
                      self._fields):  # fmt: skip
            merged = merge(values)
            if merged is not None:
                return merged
        other = next(value for value in values if not same(first, value))
        here, there = differ(first, other)
        apart = "; call each on its own path" if _is_function(first) and _is_function(other) else ""
        return Unbound(f"it is {here} on one path and {there} on another{apart}")

    def _ints(self, values: list[Abstract]) -> Abstract | None:
        if not all(isinstance(v, (Run, Const)) and arith.fits(v) for v in values):
            return None
        return Run(self.phi([_ir(v) for v in values]), arith.booleans(values))

    def phi(self, args: list[Value]) -> Value:
        """A phi of integers, u64 if one of them is."""
        kind = I64
        for arg in args:
            assert isinstance(arg.type, Int)
            kind = join_ints(kind, arg.type)
        phi = Value(Op.PHI, [cast_at(pred, arg, kind) for pred, arg in zip(self.target.preds, args, strict=True)], kind)
        self.target.phis.append(phi)
        return phi

    def _texts(self, values: list[Abstract]) -> Abstract | None:
        """Constant bytes on each path."""
        known = constant_texts.known(values)
        if known is None:
            return None
        return OneOf(self.phi([constant_texts.number(value, known) for value in values]), known)

    def _refs(self, values: list[Abstract]) -> Abstract | None:
        refs = [v for v in values if isinstance(v, Ref)]
        others = [v for v in values if not isinstance(v, Ref) and not _is_none(v)]
        if not refs or not all(constant_texts.fit(refs, v) for v in others):
            return None
        if any(ref.ctype is not refs[0].ctype for ref in refs):
            return None
        if len({ref.ptr.region is Region.PACKET for ref in refs}) > 1:
            return Unbound("it is in the packet on one path, and a copy on another")
        apart = records.why_apart(refs)
        if apart:
            return Unbound(apart)
        values = [constant_texts.place(pred, v.obj, refs[0].ctype) if isinstance(v, Const) and not _is_none(v) else v
                  for pred, v in zip(self.target.preds, values, strict=True)]  # fmt: skip
        refs = [v for v in values if isinstance(v, Ref)]
        kind = join_pointers(refs, nullable=len(refs) < len(values))
        args = [point_at(pred, v) for pred, v in zip(self.target.preds, values, strict=True)]
        phi = Value(Op.PHI, args, kind)
        self.target.phis.append(phi)
        return Ref(phi, 0, refs[0].ctype, join_texts(refs), any(ref.copied for ref in refs))

    def _kernel_refs(self, values: list[Abstract]) -> Abstract | None:
        refs = [v for v in values if isinstance(v, KernelRef)]
        if not refs or any(not isinstance(v, KernelRef) and not _is_none(v) for v in values):
            return None
        if any(ref.shape is not refs[0].shape for ref in refs):
            return None
        args = [kernel_address_at(pred, v) for pred, v in zip(self.target.preds, values, strict=True)]
        phi = Value(Op.PHI, args, U64)
        self.target.phis.append(phi)
        return KernelRef(phi, 0, refs[0].shape, len(refs) < len(values) or any(ref.pointer for ref in refs))

    def _options(self, values: list[Abstract]) -> Abstract | None:
        parts = [option(value) for value in values]
        if any(part is None for part in parts):
            return None
        present = self.phi([part[0] for part in parts if part])
        boolean = arith.booleans(value for value in values if not _is_none(value))
        return Option(present, self.phi([part[1] for part in parts if part]), boolean)

    def _sequences(self, values: list[Abstract]) -> Abstract | None:
        sequences = [_items(value) for value in values]
        if any(items is None or len(items) != len(sequences[0] or ()) for items in sequences):
            return None
        classes = {_class(value) for value in values}
        items = tuple(self.values([items[i] for items in sequences if items]) for i in range(len(sequences[0] or ())))
        return TupleOf(items, classes.pop() if len(classes) == 1 else tuple)

    def _fields(self, values: list[Abstract]) -> Abstract | None:
        first = values[0]
        if not isinstance(first, _BY_FIELDS):
            return None
        if any(type(value) is not type(first) for value in values):
            return None
        fields: list[Any] = []
        for name in _fields(first):
            parts = [getattr(value, name) for value in values]
            if isinstance(parts[0], Abstract):
                merged = self.values(parts)
                if isinstance(merged, Unbound):
                    return merged
                fields.append(merged)
            elif all(_same_field(parts[0], part) for part in parts[1:]):
                fields.append(parts[0])
            else:
                return None
        return type(first)(*fields)


def _is_function(value: Abstract) -> bool:
    return isinstance(value, Closure) or (isinstance(value, Const) and isinstance(value.obj, types.FunctionType))


def _ir(value: Abstract) -> Value:
    if isinstance(value, Run):
        return value.ir
    assert isinstance(value, Const)
    return integers.constant(value.obj)


def _is_none(value: Abstract) -> bool:
    return isinstance(value, Const) and value.obj is None


def option(value: Abstract) -> tuple[Value, Value] | None:
    """An integer or None as (whether it's there, the integer); None for anything else."""
    if isinstance(value, Option):
        present = value.present
        if isinstance(present.type, Ptr):
            return None
        return present, value.value
    if isinstance(value, Run):
        return const(1), value.ir
    if isinstance(value, Const):
        if value.obj is None:
            return const(0), const(0)
        if arith.fits(value):
            return const(1), integers.constant(value.obj)
    return None


def option_at(block: Block, value: Abstract) -> tuple[Value, Value] | None:
    """``option``, also where a pointer tells whether the integer is there; computed at the end of ``block``."""
    value = variables.read_at(block, value)
    if not isinstance(value, Option) or not isinstance(value.present.type, Ptr):
        return option(value)
    present = Value(Op.NE, [value.present, const(0)], I64, None, value.present.span)
    block.body.insert(len(block.body) - 1, present)
    return present, value.value


def _class(value: Abstract) -> Any:
    return value.cls if isinstance(value, TupleOf) else type(value.obj) if isinstance(value, Const) else tuple


def _items(value: Abstract) -> tuple[Abstract, ...] | None:
    if isinstance(value, TupleOf):
        return value.items
    if isinstance(value, Const) and isinstance(value.obj, tuple):
        return tuple(map(Const, tuple.__iter__(value.obj)))
    return None


def _unlike(first: Heap, other: Heap) -> list[Any]:
    """Which objects another heap hasn't, or has otherwise. Unrolled loops make thousands, nearly all alike."""
    return [ident for ident, version in first.items() if other.get(ident) is not version]


def join_texts(refs: list[Ref]) -> bool | None:
    """Whether all are text, or none is; None where some are."""
    return refs[0].text if all(ref.text is refs[0].text for ref in refs) else None


def join_pointers(refs: list[Ref], nullable: bool) -> Ptr:
    """The type of a pointer that is one of these."""
    first = refs[0].ptr
    nullable = nullable or any(ref.ptr.nullable for ref in refs)
    if all(ref.ptr.region is first.region and ref.ptr.spec is first.spec for ref in refs):
        return Ptr(first.region, nullable, first.spec)
    shared = next((r.ptr for r in refs if r.ptr.region is Region.VALUE), None)  # may be shared: keep adds atomic
    return Ptr(Region.VALUE, nullable, shared.spec) if shared else Ptr(Region.MEM, nullable)


def cast_at(block: Block, value: Value, kind: Int) -> Value:
    """The integer as ``kind``, computed at the end of ``block``."""
    if value.type == kind:
        return value
    if value.op is Op.CONST:
        copy = const(value.attr & ((1 << 64) - 1) if kind == Int(False) else value.attr)
        copy.type = kind
        if value.attr < 0:
            copy.span = block.end.span  # marks it for the warning MixedSigns
        return copy
    cast = Value(Op.CAST, [value], kind, None, value.span)
    block.body.insert(len(block.body) - 1, cast)
    return cast


def point_at(block: Block, value: Abstract) -> Value:
    """The object's address (0 for None) as one value, computed at the end of ``block``."""
    if not isinstance(value, Ref):
        return const(0)
    if not value.offset:
        return value.base
    pointer = Value(
        Op.PTRADD, [value.base, const(value.offset)], Ptr(value.ptr.region, False, value.ptr.spec), None,
        value.base.span,
    )  # fmt: skip
    block.body.insert(len(block.body) - 1, pointer)
    return pointer


def kernel_address_at(block: Block, value: Abstract) -> Value:
    """The address of an object in the kernel's memory (0 for None), computed at the end of ``block``."""
    if not isinstance(value, KernelRef):
        return cast_at(block, const(0), U64)
    if not value.offset:
        return cast_at(block, value.address, U64)
    total = Value(Op.ADD, [value.address, const(value.offset)], U64, None, value.address.span)
    block.body.insert(len(block.body) - 1, total)
    return total
