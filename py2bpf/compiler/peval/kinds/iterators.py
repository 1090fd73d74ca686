"""Ranges with run-time bounds, and iterators."""

from __future__ import annotations

from typing import Final

from ...ir.ops import Op
from ...ir.values import Value
from .. import arith, ranges, sequence_items
from ..kind import Kind, Kinds, Object
from ..machine import Machine
from ..state import State
from ..values import Abstract, Counter, Ended, Items, IteratorRef, Numbered, RangeOf, Walk, Zipped


class RangeKind(Kind[RangeOf]):
    def truth(self, ev: Machine, state: State, value: RangeOf) -> Value:
        if ranges.has_turns(value):
            return arith.to_bool(ev.b, ranges.count(ev.b, value))
        op = Op.LT if value.step > 0 else Op.GT
        return ev.b.compare(op, arith.to_ir(ev.b, value.start), arith.to_ir(ev.b, value.stop))

    def length(self, ev: Machine, state: State, value: RangeOf) -> Abstract:
        return arith.from_ir(ranges.length(ev.b, value))

    def item(self, ev: Machine, state: State, value: RangeOf, key: Abstract) -> Abstract:
        return sequence_items.of_range(ev, value, key)


KINDS: Final[Kinds] = {
    RangeOf: RangeKind(),
    Counter: Object(),
    Ended: Object(),
    Items: Object(),
    IteratorRef: Object(),
    Numbered: Object(),
    Walk: Object(),
    Zipped: Object(),
}
