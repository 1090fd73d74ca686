"""Operations inserted at the end of a completed block, on values that paths bring to a join."""

from __future__ import annotations

from ..ir.ops import Op
from ..ir.types import I64, Int, Ptr, Type
from ..ir.values import Block, Value, const


def is_zero(block: Block, value: Value) -> Value:
    """Whether the value is 0, or null."""
    return put(block, Op.EQ, value, const(0))


def is_not_zero(block: Block, value: Value) -> Value:
    """Whether the value is neither 0 nor null."""
    if value.op is Op.CONST and not isinstance(value.type, Ptr):
        return const(int(bool(value.attr)))
    return put(block, Op.NE, value, const(0))


def put(block: Block, op: Op, *args: Value) -> Value:
    """One operation before the block's last instruction."""
    return _insert(block, Value(op, list(args), I64, None, block.end.span))


def cast(block: Block, value: Value, kind: Int) -> Value:
    """The integer as ``kind``."""
    if value.type == kind:
        return value
    if value.op is Op.CONST:
        copy = const(value.attr & ((1 << 64) - 1) if kind == Int(False) else value.attr)
        copy.type = kind
        if value.attr < 0:
            copy.span = block.end.span  # marks it for the warning MixedSigns
        return copy
    return _insert(block, Value(Op.CAST, [value], kind, None, value.span))


def offset(block: Block, op: Op, base: Value, distance: int, kind: Type) -> Value:
    """The address ``distance`` bytes behind ``base``: an addition ``op`` with the type ``kind``."""
    return _insert(block, Value(op, [base, const(distance)], kind, None, base.span))


def _insert(block: Block, made: Value) -> Value:
    block.body.insert(len(block.body) - 1, made)
    return made
