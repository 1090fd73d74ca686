"""Tells whether objects may share memory, so that copying one to the other may overwrite bytes not yet read."""

from __future__ import annotations

import ctypes

from ..ir.ops import Op
from ..ir.types import Region
from ..ir.values import Value, plain
from .values import Ref


def apart(target: Ref, source: Ref) -> bool:
    """Whether two arrays certainly share no bytes."""
    if target.base is source.base:
        low, high = sorted((target, source), key=lambda ref: ref.offset)
        return low.offset + ctypes.sizeof(low.ctype) <= high.offset
    first, second = _root(target.base), _root(source.base)
    if first is second:
        return False
    if (target.ptr.region is Region.PACKET) is not (source.ptr.region is Region.PACKET):
        return True
    known = (Op.ALLOCA, Op.CALL, Op.VIEW, Op.CTX, Op.MAPVALUE)
    return first.op in known and second.op in known and Op.ALLOCA in (first.op, second.op)


def _root(base: Value) -> Value:
    while base.op is Op.PTRADD:
        base = base.args[0]
    return base


def in_other_map(first: Ref, second: Ref) -> bool:
    """Whether both are values of maps, but of different maps."""
    pointers = first.ptr, second.ptr
    found = all(_root(ref.base).op in (Op.CALL, Op.MAPVALUE) for ref in (first, second))
    return found and all(p.region is Region.VALUE for p in pointers) and pointers[0].spec is not pointers[1].spec


def torn(target: Ref, source: Ref, size: int) -> bool:
    """Whether a forward copy of ``size`` bytes may overwrite bytes that it has not read yet, because the target begins
    within the source."""
    distance = _distance(target, source)
    if distance is not None:
        return 0 < distance < size
    if target.ptr.region is not source.ptr.region or in_other_map(target, source):
        return False
    return not (_alike(target, source) or apart(target, source))


def _distance(target: Ref, source: Ref) -> int | None:
    """How many bytes the target lies behind the source; None if unknown. For two entries of one map: if they are the
    same entry."""
    first, second = target.base, source.base
    if first is second:
        return target.offset - source.offset
    if first.op is second.op is Op.VIEW and first.attr[2] and second.attr[2]:
        return int(target.offset + first.attr[1] - source.offset - second.attr[1])
    entries = first.op in (Op.CALL, Op.MAPVALUE) and second.op in (Op.CALL, Op.MAPVALUE)
    return target.offset - source.offset if entries and target.ptr.region is Region.VALUE else None


def _alike(target: Ref, source: Ref) -> bool:
    """Whether both are the same field of items of one array, so that they are identical or share no byte."""
    same = target.offset == source.offset and target.ctype is source.ctype
    strides = _strides(target.base), _strides(source.base)
    return same and strides[0] == strides[1] and None not in strides[0] and _root(target.base) is _root(source.base)


def _strides(base: Value) -> list[int | None]:
    """The item sizes of the run-time indices on the way to a pointer."""
    found: list[int | None] = []
    while base.op is Op.PTRADD:
        way = plain(base.args[1])
        known = way.op is Op.MUL and way.args[1].op is Op.CONST
        found.append(int(way.args[1].attr) if known else None)
        base = base.args[0]
    return found
