"""Tests at the end of a block that is complete: of values that paths bring to a join."""

from __future__ import annotations

from ..ir.ops import Op
from ..ir.types import I64, Ptr
from ..ir.values import Block, Value, const


def is_zero(block: Block, value: Value) -> Value:
    """Whether it is 0, or null."""
    return put(block, Op.EQ, value, const(0))


def is_not_zero(block: Block, value: Value) -> Value:
    """Whether it isn't 0, or null."""
    if value.op is Op.CONST and not isinstance(value.type, Ptr):
        return const(int(bool(value.attr)))
    return put(block, Op.NE, value, const(0))


def put(block: Block, op: Op, *args: Value) -> Value:
    """One operation before the block's last instruction."""
    made = Value(op, list(args), I64, None, block.end.span)
    block.body.insert(len(block.body) - 1, made)
    return made
