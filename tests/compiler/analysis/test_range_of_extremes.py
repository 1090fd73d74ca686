"""The ranges of min() and max(), which are selections by a comparison of the selected values."""

from __future__ import annotations

import itertools

import pytest

from py2bpf.compiler.analysis.intervals import compute
from py2bpf.compiler.ir.ops import Op
from py2bpf.compiler.ir.types import I64
from py2bpf.compiler.ir.values import Value, const

SMALL, LARGE = Value(Op.LOAD, [], I64, (0, 1, False)), Value(Op.LOAD, [], I64, (0, 1, False))
RANGES = {SMALL: (-5, 10), LARGE: (3, 100)}


def of(value: Value) -> tuple[int, int]:
    return (value.attr, value.attr) if value.op is Op.CONST else RANGES.get(value, (0, 1))


@pytest.mark.parametrize("op", [Op.LT, Op.LE, Op.GT, Op.GE, Op.EQ, Op.SLT])
@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("left,right", [(SMALL, LARGE), (LARGE, SMALL), (SMALL, const(4)), (const(50), LARGE)])
def test_holds_every_value(op: Op, swapped: bool, left: Value, right: Value) -> None:
    chosen = [right, left] if swapped else [left, right]
    low, high = compute(Value(Op.SELECT, [Value(op, [left, right], I64), *chosen], I64), of)
    truth = {Op.LT: int.__lt__, Op.LE: int.__le__, Op.GT: int.__gt__, Op.GE: int.__ge__, Op.EQ: int.__eq__}
    compared = truth.get(op, int.__lt__)
    found = set()
    for a, b in itertools.product(*(range(of(v)[0], of(v)[1] + 1) for v in (left, right))):
        numbers = {left: a, right: b}
        found.add(numbers[chosen[0]] if compared(a, b) else numbers[chosen[1]])
    assert low <= min(found) and max(found) <= high
    if op in (Op.LT, Op.LE, Op.GT, Op.GE):
        assert (low, high) == (min(found), max(found))
