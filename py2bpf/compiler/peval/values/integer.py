"""Integers that are known at run time only."""

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
    """An integer (i64 or u64) that the program computes. ``boolean``: whether it is a bool in Python, and so 0 or 1;
    None if that depends on the path that the program took."""

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
    """An integer or None: ``value`` if ``present`` is not 0. ``boolean``: as in RuntimeInt, for the integer."""

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
    """``number.__class__`` of a run-time integer, where the compiler doesn't know whether it is int or bool."""

    words = "the class of an integer known at run time only"
