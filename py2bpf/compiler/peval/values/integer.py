"""Integers that only run time knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...ir.ops import Op
from ...ir.values import Block, Value, const
from .. import block_ends
from ..builder import Builder
from .base import Abstract


@dataclass(slots=True, eq=False)
class RuntimeInt(Abstract):
    """An integer (i64 or u64) that the program computes. ``boolean``: whether in Python it is a bool, and so 0 or 1;
    None where that depends on the path that the program took."""

    words = "an integer known at run time only"

    ir: Value
    boolean: bool | None = False

    def python_class(self) -> Any:
        return bool if self.boolean else int

    def is_int(self) -> bool:
        return True

    def integer(self, b: Builder) -> Value | None:
        return self.ir

    def subprogram_key(self) -> tuple[Any, ...] | None:
        return (self.ir.type, self.boolean)

    def truth_at(self, block: Block) -> Value | None:
        return block_ends.is_not_zero(block, self.ir)


@dataclass(slots=True, eq=False)
class OptionalInt(Abstract):
    """An integer or None: ``value`` where ``present`` is not 0. ``boolean``: as a RuntimeInt's, where it isn't None."""

    words = "an integer or None"

    present: Value
    value: Value
    boolean: bool | None = False

    def python_class(self) -> Any:
        return bool if self.boolean else int

    def is_int(self) -> bool:
        return True

    def integer(self, b: Builder) -> Value | None:
        b.guard(b.compare(Op.NE, self.present, const(0)), "TypeError", none=True)
        return self.value

    def null_where_none(self) -> Value | None:
        return self.present

    def truth_at(self, block: Block) -> Value | None:
        there, number = block_ends.is_not_zero(block, self.present), block_ends.is_not_zero(block, self.value)
        return block_ends.put(block, Op.AND, there, number)


@dataclass(slots=True, eq=False)
class NumberClass(Abstract):
    """``number.__class__`` of an integer of run time: int or bool, which nobody knows."""

    words = "the class of an integer known at run time only"
