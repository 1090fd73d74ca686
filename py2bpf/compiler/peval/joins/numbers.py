"""Joins integers: constants and run-time integers become one phi."""

from __future__ import annotations

from ...ir.types import I64, U64, Int
from ...ir.values import Value
from .. import arith, block_ends, integers
from ..plans import Slot
from ..values import Abstract, Const, OptionalInt, RuntimeInt
from .join import Header, Join, Meeting


def number(value: Abstract) -> Value | None:
    """The IR value of an integer that fits 64 bits; None for anything else."""
    if isinstance(value, RuntimeInt):
        return value.ir
    return integers.constant(value.obj) if isinstance(value, Const) and arith.fits(value) else None


class Numbers(Join):
    def merge(self, meeting: Meeting, values: list[Abstract]) -> Abstract | None:
        numbers = []
        for value in values:
            if (found := number(value)) is None:
                return None
            numbers.append(found)
        return RuntimeInt(meeting.phi(numbers), arith.booleans(values))

    def open(self, loop: Header, slot: Slot, value: Abstract) -> Abstract | None:
        wanted, found = loop.wanted(slot), number(value)
        if found is None or isinstance(wanted, OptionalInt):
            return None
        kind = wanted if isinstance(wanted, Int) else arith.int_type(found)
        boolean = None if loop.is_mixed(slot) else value.boolean
        return RuntimeInt(loop.phi(block_ends.cast(loop.edge, found, kind)), boolean)

    def close(self, loop: Header, slot: Slot, mine: Abstract, back: Abstract) -> bool:
        found = number(back)
        if found is None or not isinstance(mine, RuntimeInt):
            return False
        kind = arith.int_type(mine.ir)
        if kind == I64 and arith.int_type(found) == U64:
            loop.replan(slot, U64)
        if mine.boolean is not None and back.boolean is not mine.boolean:
            loop.mix(slot)
        mine.ir.args.append(block_ends.cast(loop.edge, found, kind))
        return True
