"""Ranges with run-time bounds, and iterators."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from ....exception import TypeMismatch
from ...ir.ops import Op
from ...ir.values import Value
from .. import arith, counters, identity, iterators, kind, memory, ranges, searches, sequence_items, sequences
from ..builder import Builder
from ..kind import Kind, Kinds, Object, V
from ..machine import Machine
from ..state import State
from ..values import (
    Abstract,
    Const,
    Counter,
    Ended,
    Items,
    IteratorRef,
    Numbered,
    RangeOf,
    Walk,
    Zipped,
)

Step = tuple[Abstract, Abstract | None]
_ALONE: Final = ("iterate over the range alone: for i in range(n)",)


class RangeKind(Kind[RangeOf]):
    def truth(self, ev: Machine, state: State, value: RangeOf) -> Value:
        if ranges.has_turns(value):
            return arith.to_bool(ev.b, ranges.count(ev.b, value))
        op = Op.LT if value.step > 0 else Op.GT
        return ev.b.compare(op, arith.to_ir(ev.b, value.start), arith.to_ir(ev.b, value.stop))

    def length(self, ev: Machine, state: State, value: RangeOf) -> Abstract:
        return arith.from_ir(ranges.length(ev.b, value))

    def identical(self, ev: Machine, value: RangeOf, other: Abstract) -> Value | None:
        return identity.made_anew(value, other, range)

    def contains(self, ev: Machine, state: State, value: RangeOf, item: Abstract) -> Value:
        return ranges.contains(ev.b, value, arith.to_ir(ev.b, item))

    def item(self, ev: Machine, state: State, value: RangeOf, key: Abstract) -> Abstract:
        return sequence_items.of_range(ev, value, key)

    def iterator(self, b: Builder, state: State, value: RangeOf) -> Abstract:
        return counters.of_range(b, value)

    def ends_at_run_time(self, state: State, value: RangeOf) -> bool:
        return True

    def beside(self, b: Builder, state: State, value: RangeOf) -> Counter | None:
        return counters.counted(b, value)


class IteratorKind(Object[V]):
    """A kind of iterator, as next() accepts."""

    is_iterator = True

    def contains(self, ev: Machine, state: State, value: V, item: Abstract) -> Value:
        return searches.through(ev, state, value, item)

    def items(self, b: Builder, state: State, value: V) -> Iterator[Abstract] | None:
        return iterators.rest(b, state, value)

    def iterator(self, b: Builder, state: State, value: V) -> Abstract:
        return value

    def backwards(self, b: Builder, state: State, value: V) -> Abstract | None:
        return None


class EndedKind(IteratorKind[Ended]):
    def step(self, b: Builder, state: State, value: Ended) -> Step:
        return value, None


class ItemsKind(IteratorKind[Items]):
    def step(self, b: Builder, state: State, value: Items) -> Step:
        if value.position == len(value.items):
            return iterators.ENDED, None
        return Items(value.items, value.position + 1), value.items[value.position]


class CounterKind(IteratorKind[Counter]):
    def step(self, b: Builder, state: State, value: Counter) -> Step:
        if counters.counter_items(value) is None:
            raise TypeMismatch(0, f"the length of {value.describe()} is not known while compiling", hints=_ALONE)
        current, stop = value.current, value.stop
        assert isinstance(current, Const) and isinstance(stop, Const)
        if not range(current.obj, stop.obj, value.step):
            return iterators.ENDED, None
        following = replace(value, current=Const(current.obj + value.step))
        if value.array is not None:
            return following, memory.load(b, memory.element(value.array, current.obj))
        assert isinstance(value.base, Const)
        return following, Const(value.base.obj + value.scale * current.obj)


class WalkKind(IteratorKind[Walk]):
    def step(self, b: Builder, state: State, value: Walk) -> Step:
        contents = kind.of(value.source).walked(state, value.source)
        if value.size is not None and len(contents) != value.size:
            b.exit("RuntimeError")  # the dictionary changed size during iteration
        if not 0 <= value.position < len(contents):
            return iterators.ENDED, None
        return replace(value, position=value.position + value.step), iterators.arrived(b, contents[value.position])


class NumberedKind(IteratorKind[Numbered]):
    def step(self, b: Builder, state: State, value: Numbered) -> Step:
        inner, item = iterators.advance(b, state, value.inner)
        if item is None:
            return iterators.ENDED, None
        return Numbered(inner, arith.plus_one(b, value.number)), sequences.tuple_of([value.number, item])


class ZippedKind(IteratorKind[Zipped]):
    def step(self, b: Builder, state: State, value: Zipped) -> Step:
        inners, row = list(value.inners), []
        for i, inner in enumerate(inners):
            inners[i], item = iterators.advance(b, state, inner)
            if item is None:
                if value.strict and (i or not _all_end(b, state, inners[1:])):
                    b.exit("ValueError")
                return replace(value, inners=tuple(inners)), None
            row.append(item)
        if not row:
            return iterators.ENDED, None
        return replace(value, inners=tuple(inners)), sequences.tuple_of(row)


def _all_end(b: Builder, state: State, inners: list[Abstract]) -> bool:
    """Whether none of the iterators has another item."""
    return all(iterators.advance(b, state, inner)[1] is None for inner in inners)


class IteratorRefKind(IteratorKind[IteratorRef]):
    def as_object(self, b: Builder, state: State, value: IteratorRef) -> Any:
        items = iterators.rest(b, state.copy(), value)  # of a copy, since the call may not happen
        return iter([kind.of(item).as_object(b, state, item) for item in items])

    def step(self, b: Builder, state: State, value: IteratorRef) -> Step:
        state.heap[value.ident], item = iterators.advance(b, state, iterators.heap_object(state, value))
        return value, item

    def iterator(self, b: Builder, state: State, value: IteratorRef) -> Abstract:
        return self.beside(b, state, value) or value

    def ends_at_run_time(self, state: State, value: IteratorRef) -> bool:
        inside = state.heap.get(value.ident)
        return isinstance(inside, Counter) and bool(inside.parts)

    def beside(self, b: Builder, state: State, value: IteratorRef) -> Counter | None:
        """Hands a counter that was made before to the loop, so that nothing else can use it afterwards."""
        if not self.ends_at_run_time(state, value):
            return None
        taken: Counter = iterators.heap_object(state, value)
        iterators.lose(state, value, "a loop")
        return taken


KINDS: Final[Kinds] = {
    RangeOf: RangeKind(),
    Counter: CounterKind(),
    Ended: EndedKind(),
    Items: ItemsKind(),
    IteratorRef: IteratorRefKind(),
    Numbered: NumberedKind(),
    Walk: WalkKind(),
    Zipped: ZippedKind(),
}
