"""Folded constant operations have the same results as the machine's, for all types of numbers."""

from __future__ import annotations

import itertools

import pytest

from py2bpf.compiler.ir.fold import fold
from py2bpf.compiler.ir.ops import INFO, Op
from py2bpf.compiler.ir.types import I64, U64, Int
from py2bpf.compiler.ir.values import Value, const

NUMBERS = [0, 1, 2, 7, 63, 64, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
"""As 64 bits."""
MASK = (1 << 64) - 1


def signed(bits: int) -> int:
    return bits - (1 << 64) if bits >> 63 else bits


UNSIGNED = {
    Op.ADD: lambda a, b: a + b, Op.SUB: lambda a, b: a - b, Op.MUL: lambda a, b: a * b, Op.AND: lambda a, b: a & b,
    Op.OR: lambda a, b: a | b, Op.XOR: lambda a, b: a ^ b, Op.EQ: lambda a, b: a == b, Op.NE: lambda a, b: a != b,
    Op.UDIV: lambda a, b: a // b if b else 0, Op.UMOD: lambda a, b: a % b if b else a,
    Op.SHL: lambda a, b: a << b % 64, Op.LSHR: lambda a, b: a >> b % 64,
    Op.ASHR: lambda a, b: signed(a) >> b % 64,
    Op.ULT: lambda a, b: a < b, Op.ULE: lambda a, b: a <= b, Op.UGT: lambda a, b: a > b, Op.UGE: lambda a, b: a >= b,
}  # fmt: skip
SIGNED = {
    Op.SLT: lambda a, b: a < b, Op.SLE: lambda a, b: a <= b, Op.SGT: lambda a, b: a > b, Op.SGE: lambda a, b: a >= b,
}  # fmt: skip


def typed(bits: int, type: Int) -> Value:
    value = const(signed(bits) if type.signed else bits)
    value.type = type
    return value


@pytest.mark.parametrize("type", [I64, U64], ids=str)
@pytest.mark.parametrize("op", [*UNSIGNED, *SIGNED])
def test_raw_operations(op: Op, type: Int) -> None:
    for a, b in itertools.product(NUMBERS, NUMBERS):
        found = fold(op, [typed(a, type), typed(b, type)], type, None)
        wanted = UNSIGNED[op](a, b) if op in UNSIGNED else SIGNED[op](signed(a), signed(b))
        assert found is not None and found.attr & MASK == wanted & MASK, (a, b)
        assert found.type == (I64 if INFO[op].compare else type)


def test_all_raw_operations_of_two_numbers_are_tried() -> None:
    raw = {op for op in Op if op in INFO and INFO[op].pure and INFO[op].arity == 2 and not INFO[op].exact}
    assert raw - {Op.PTRADD} == set(UNSIGNED) | set(SIGNED)
