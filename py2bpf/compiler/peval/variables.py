"""Local and cell variables whose address a program takes. They are in memory while their function runs, so that later
reads see writes through the address.
"""

from __future__ import annotations

from typing import Final

from ..ir.ops import Op
from ..ir.types import I64, U64
from ..ir.values import Block, Value
from . import arith
from .builder import Builder
from .values import Abstract, Const, RuntimeInt, Variable

SIZE: Final = 8


def assigned(b: Builder, slot: Value | None, value: Abstract) -> Abstract:
    """The abstract value of a variable after an assignment; ``slot`` is its place, if it has one."""
    if slot is None or not is_number(value):
        return value
    ir = arith.to_ir(b, value)
    b.store(slot, 0, SIZE, ir)
    return Variable(slot, arith.int_type(ir).signed)


def is_number(value: Abstract) -> bool:
    return isinstance(value, RuntimeInt) or (isinstance(value, Const) and isinstance(value.obj, int))


def read(b: Builder, value: Abstract) -> Abstract:
    """The value of a variable that holds ``value``."""
    return RuntimeInt(b.load(value.slot, 0, SIZE, value.signed)) if isinstance(value, Variable) else value


def read_at(block: Block, value: Abstract) -> Abstract:
    """``read`` at the end of ``block``."""
    if not isinstance(value, Variable):
        return value
    attr = (0, SIZE, value.signed)
    load = Value(Op.LOAD, [value.slot], I64 if value.signed else U64, attr, block.end.span)
    block.body.insert(len(block.body) - 1, load)
    return RuntimeInt(load)


def joined(values: list[Abstract]) -> Variable | None:
    """The variable where paths meet, if it is a number on all of them; unsigned if it is so on one of them."""
    variables = [value for value in values if isinstance(value, Variable)]
    if len(variables) < len(values) or any(each.slot is not variables[0].slot for each in variables):
        return None
    return Variable(variables[0].slot, all(each.signed for each in variables))
