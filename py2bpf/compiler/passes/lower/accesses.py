"""Lowers stores, views of packets and look-ups in arrays.

%2 = and i64 %1, 65535
store %0, %2, offset=0, bytes=2   ->   store %0, %1, offset=0, bytes=2   (which cuts off as well)
"""

from __future__ import annotations

from typing import Final

from ....uapi.map_types import kind_of
from ...ir.fold import wrap
from ...ir.ops import Op
from ...ir.types import I64, PACKET_REACH, Ptr
from ...ir.values import Value, const
from .lowering import Lowering, Rules


def lower_store(here: Lowering, value: Value) -> Value:
    """Drops a mask of bits that the store cuts off anyway."""
    size = value.attr[1]
    stored = value.args[1]
    while stored.op is Op.AND and stored.args[1].op is Op.CONST and _keeps(stored.args[1].attr, size):
        stored = stored.args[0]
    if stored.op is Op.CONST:
        number = wrap(stored.attr, I64)
        stored = const(number if size == 8 else number & ((1 << 8 * size) - 1))
    value.args[1] = stored
    return value


def _keeps(mask: int, size: int) -> bool:
    low = (1 << 8 * size) - 1
    return mask & low == low


def lower_view(here: Lowering, value: Value) -> Value:
    """Moves the constant part of the offset into the attribute, and notes there whether the verifier will see itself
    that the whole offset is in its reach."""
    size, start, _ = value.attr
    if len(value.args) == 1:
        return value
    offset = value.args[1]
    low, high = here.ranges.of(offset)
    limit = PACKET_REACH - size
    if high < 0 or low > limit:
        return const(0)
    if offset.op is Op.CONST:
        value.args, value.attr = value.args[:1], (size, offset.attr, True)
        return value
    if low < 0 or high > limit or not here.sees(offset, counters=True):
        return value
    while offset.op is Op.ADD:
        inner, number = offset.args if offset.args[1].op is Op.CONST else offset.args[::-1]
        if number.op is not Op.CONST or number.attr < 0 or here.ranges.of(inner)[0] < 0:
            break
        offset, start = inner, start + number.attr
    value.args[1], value.attr = offset, (size, start, True)
    return value


def lower_call(here: Lowering, value: Value) -> Value:
    """Notes a look-up in an array that certainly finds something, even if the verifier doesn't know."""
    kind = value.type
    spec = kind.spec if isinstance(kind, Ptr) and value.attr.name == "map_lookup_elem" else None
    if spec is not None and kind_of(spec.kind).indexed:
        store = next((v for v in reversed(here.body) if value.args[1] in v.args), None)
        if store is not None and store.op is Op.STORE and store.attr == (0, 4):
            low, high = here.ranges.of(store.args[1])
            if low >= 0 and high < spec.max_entries:
                here.found.add(value)
    return value


RULES: Final[Rules] = {
    Op.STORE: lower_store,
    Op.VIEW: lower_view,
    Op.CALL: lower_call,
}
