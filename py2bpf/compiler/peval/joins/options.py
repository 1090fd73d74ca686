"""Joins integers that may be None: one phi tells whether the integer is present, another holds it."""

from __future__ import annotations

from ...ir.ops import Op
from ...ir.types import I64, Ptr
from ...ir.values import Block, Value, const
from .. import arith, block_ends
from ..plans import Slot
from ..values import Abstract, OptionalInt, RuntimeInt, Variable, is_none
from .join import Header, Join, Meeting
from .numbers import number

Parts = tuple[Value, Value]


def _parts(value: Abstract) -> Parts | None:
    """An integer or None as (present, integer); None for anything else, and if ``present`` is a pointer."""
    if isinstance(value, OptionalInt):
        return None if isinstance(value.present.type, Ptr) else (value.present, value.value)
    if is_none(value):
        return const(0), const(0)
    found = number(value)
    return None if found is None else (const(1), found)


def _parts_at(block: Block, value: Abstract) -> Parts | None:
    """``_parts`` at the end of ``block``, also if ``present`` is a pointer."""
    if not isinstance(value, OptionalInt) or not isinstance(value.present.type, Ptr):
        return _parts(value)
    present = block_ends.put(block, Op.NE, value.present, const(0))
    present.span = value.present.span
    return present, value.value


def _may_be(value: Abstract) -> bool:
    """Whether the value is an integer or None."""
    return arith.fits(value) or isinstance(value, Variable) or is_none(value)


class Options(Join):
    def merge(self, meeting: Meeting, values: list[Abstract]) -> Abstract | None:
        parts = []
        for value in values:
            if (found := _parts(value)) is None:
                return None
            parts.append(found)
        present = meeting.phi([there for there, _ in parts])
        boolean = arith.booleans(value for value in values if not is_none(value))
        return OptionalInt(present, meeting.phi([which for _, which in parts]), boolean)

    def open(self, loop: Header, slot: Slot, value: Abstract) -> Abstract | None:
        wanted = loop.wanted(slot)
        if not isinstance(value, OptionalInt) and not isinstance(wanted, OptionalInt):
            return None
        parts = _parts_at(loop.edge, value)
        if parts is None:
            return value
        known = (wanted if is_none(value) and isinstance(wanted, OptionalInt) else value).boolean
        inner = loop.open((*slot, "value"), arith.number(parts[1], known))
        assert isinstance(inner, RuntimeInt)
        return OptionalInt(loop.phi(block_ends.cast(loop.edge, parts[0], I64)), inner.ir, inner.boolean)

    def close(self, loop: Header, slot: Slot, mine: Abstract, back: Abstract) -> bool:
        if isinstance(mine, OptionalInt) and (parts := _parts_at(loop.edge, back)) is not None:
            mine.present.args.append(block_ends.cast(loop.edge, parts[0], I64))
            known = mine.boolean if is_none(back) else back.boolean
            loop.close((*slot, "value"), RuntimeInt(mine.value, mine.boolean), arith.number(parts[1], known))
            return True
        if not mine.same(back) and _may_be(mine) and _may_be(back):
            loop.replan(slot, OptionalInt(const(0), const(0), (back if is_none(mine) else mine).boolean))
        return False
