"""Ranges of numbers: every rule by trying all numbers of small ranges, and how narrow the ranges are."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from py2bpf.compiler.analysis.intervals import FULL, compute
from py2bpf.compiler.analysis.value_ranges import Ranges
from py2bpf.compiler.analysis.verifier_view import verifier_sees
from py2bpf.compiler.ir import fold
from py2bpf.compiler.ir.ops import INFO, Op
from py2bpf.compiler.ir.types import I64, U64, Int
from py2bpf.compiler.ir.values import Block, Value, const
from py2bpf.uapi.helpers import HELPERS

SMALL = [(-6, -2), (-3, 4), (0, 0), (0, 6), (2, 5), (3, 3), (-1, -1), (60, 66)]
BINARY = [op for op in fold._BINARY if not INFO[op].compare]
HULLS = [Op.ADD, Op.SUB, Op.MUL]
"""Operations whose range is exactly from the least result to the largest."""
COMPARISONS = [op for op in Op if op in INFO and INFO[op].compare]


def number(type: Int = I64) -> Value:
    """A number without a known range."""
    return Value(Op.ATOMIC, [], type)


def range_of(op: Op, *args: tuple[int, int], attr: Any = None, type: Int = I64) -> tuple[int, int]:
    values = [number() for _ in args]
    return compute(Value(op, values, type, attr), dict(zip(values, args, strict=True)).__getitem__)


def results(op: Op, *args: tuple[int, int], type: Int = I64) -> set[int]:
    """The results of the operation for all numbers in the ranges, as 64 bits."""
    tuples = itertools.product(*(range(low, high + 1) for low, high in args))
    found = [fold._constant(op, list(numbers), None) for numbers in tuples]
    return {fold.wrap(int(result), type) for result in found if result is not None}


@pytest.mark.parametrize("op", BINARY)
def test_hold_every_result(op: Op) -> None:
    for left, right in itertools.product(SMALL, SMALL):
        found = results(op, left, right)
        if found and (op not in (Op.MUL, Op.LSHIFT, Op.SHL) or max(map(abs, (*left, *right))) < 60):
            low, high = range_of(op, left, right)
            assert low <= min(found) and max(found) <= high, (left, right)
            assert op not in HULLS or (low, high) == (min(found), max(found))


NARROW: dict[str, tuple[tuple[int, int], tuple[int, int]]] = {
    "floordiv of both signs": (range_of(Op.FLOORDIV, (-9, 9), (2, 5)), (-5, 4)),
    "floordiv by what may be 0": (range_of(Op.FLOORDIV, (0, 9), (0, 5)), FULL[True]),
    "udiv": (range_of(Op.UDIV, (1, 9), (2, 5)), (0, 4)),
    "udiv of what may be negative": (range_of(Op.UDIV, (-1, 9), (2, 5)), FULL[True]),
    "mod": (range_of(Op.MOD, (-9, 9), (2, 5)), (0, 4)),
    "mod of less": (range_of(Op.MOD, (0, 3), (2, 9)), (0, 3)),
    "mod by what is negative": (range_of(Op.MOD, (-9, 9), (-5, -2)), (-4, 0)),
    "umod": (range_of(Op.UMOD, (0, 9), (2, 5)), (0, 4)),
    "umod by what is negative": (range_of(Op.UMOD, (0, 9), (-5, -2)), FULL[True]),
    "umod of what may be negative": (range_of(Op.UMOD, (-1, 9), (2, 5)), FULL[True]),
    "and": (range_of(Op.AND, (-9, 9), (0, 6)), (0, 6)),
    "and of two masks": (range_of(Op.AND, (0, 5), (0, 6)), (0, 5)),
    "and of what may be negative": (range_of(Op.AND, (-9, 9), (-1, 6)), FULL[True]),
    "or": (range_of(Op.OR, (2, 4), (3, 3)), (3, 7)),
    "xor": (range_of(Op.XOR, (2, 4), (3, 3)), (0, 7)),
    "or of what may be negative": (range_of(Op.OR, (-1, 4), (3, 3)), FULL[True]),
    "lshift": (range_of(Op.LSHIFT, (-3, 3), (0, 2)), (-12, 12)),
    "lshift by too much": (range_of(Op.SHL, (1, 1), (0, 64)), FULL[True]),
    "lshift by less than nothing": (range_of(Op.LSHIFT, (1, 1), (-1, 2)), FULL[True]),
    "lshift out of the type": (range_of(Op.LSHIFT, (1, 1), (0, 63)), FULL[True]),
    "rshift": (range_of(Op.RSHIFT, (-9, 9), (1, 2)), (-5, 4)),
    "rshift by all": (range_of(Op.RSHIFT, (-9, 9), (64, 1000)), (-1, 0)),
    "lshr": (range_of(Op.LSHR, (4, 9), (1, 2)), (1, 4)),
    "lshr of what may be negative": (range_of(Op.LSHR, (-1, 9), (1, 2)), FULL[True]),
    "ashr": (range_of(Op.ASHR, (-9, 9), (1, 2)), (-5, 4)),
    "ashr by too much": (range_of(Op.ASHR, (-9, 9), (1, 64)), FULL[True]),
    "neg": (range_of(Op.NEG, (-9, 5)), (-5, 9)),
    "a sum out of the type": (range_of(Op.ADD, (-1, 5), (0, 0), type=U64), FULL[False]),
    "cast": (range_of(Op.CAST, (0, 5), type=U64), (0, 5)),
    "cast of what may be negative": (range_of(Op.CAST, (-1, 5), type=U64), FULL[False]),
    "trunc of more": (range_of(Op.TRUNC, (0, 256), attr=(1, False)), (0, 255)),
    "trunc of what fits": (range_of(Op.TRUNC, (3, 255), attr=(1, False)), (3, 255)),
    "trunc with a sign": (range_of(Op.TRUNC, (-129, 0), attr=(1, True)), (-128, 127)),
    "bswap": (range_of(Op.BSWAP, (5, 6), attr=2), (0, 65535)),
    "load": (range_of(Op.LOAD, attr=(0, 2, True)), (-32768, 32767)),
    "packet": (range_of(Op.PACKET, attr=(2, 0)), (0, 65535)),
    "extent": (range_of(Op.EXTENT, attr=("data_end", "data")), (0, (1 << 31) - 1)),
    "call of 32 bits": (range_of(Op.CALL, attr=HELPERS["get_prandom_u32"]), (0, (1 << 32) - 1)),
    "call of 64 bits": (range_of(Op.CALL, attr=HELPERS["ktime_get_ns"], type=U64), FULL[False]),
    "comparison": (range_of(Op.ULT, (5, 6), (7, 8)), (0, 1)),
    "select": (range_of(Op.SELECT, (0, 1), (3, 5), (-2, 4)), (-2, 5)),
}  # fmt: skip


@pytest.mark.parametrize("row", NARROW)
def test_are_as_narrow_as_can_be(row: str) -> None:
    found, wanted = NARROW[row]
    assert found == wanted


LEAST, MOST = FULL[True]


@pytest.mark.parametrize(("step", "wanted"), [(1, (5, MOST)), (-1, (LEAST, 5)), (0, (LEAST, 5))])
@pytest.mark.parametrize("hidden", [False, True])
def test_counter_stays_on_its_side_of_the_start(step: int, wanted: tuple[int, int], hidden: bool) -> None:
    phi = Value(Op.PHI, [const(5)], I64)
    moved = Value(Op.ADD, [phi, const(step)], I64)
    phi.args += [phi, Value(Op.HIDE, [moved, number()], I64) if hidden else moved]
    assert compute(phi, Ranges().of) == wanted


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("holds", [False, True])
@pytest.mark.parametrize("op", COMPARISONS)
def test_comparisons_narrow_to_what_fits(op: Op, holds: bool, swapped: bool) -> None:
    exact = op in (Op.EQ, Op.NE, Op.LT, Op.LE, Op.GT, Op.GE, Op.SLT, Op.SLE, Op.SGT, Op.SGE)
    for before, limit in itertools.product([(-6, 6), (0, 6), (-6, 0)], [-7, -6, -1, 0, 3, 6, 7]):
        ranges, x = Ranges(), number()
        ranges.base[x] = before
        ranges.assume(Value(op, [const(limit), x] if swapped else [x, const(limit)], I64), holds)
        numbers = [n for n in range(before[0], before[1] + 1)
                   if bool(fold._constant(op, [limit, n] if swapped else [n, limit], None)) == holds]  # fmt: skip
        if numbers:
            low, high = ranges.of(x)
            assert low <= min(numbers) and max(numbers) <= high
            if exact or (before[0] >= 0 and limit >= 0):
                assert (low, high) == (min(numbers), max(numbers)), (before, limit)


def test_conditions_narrow_through_what_they_are_made_of() -> None:
    ranges, x = Ranges(), number()
    ranges.base[x] = (0, 100)
    as_u64 = Value(Op.CAST, [x], U64)
    ranges.note(as_u64)
    small, large = Value(Op.LT, [as_u64, const(10)], I64), Value(Op.GT, [x, const(2)], I64)
    ranges.assume(Value(Op.NE, [Value(Op.AND, [small, large], I64), const(0)], I64), True)
    assert ranges.of(x) == (3, 9) and ranges.of(as_u64) == (0, 9)
    ranges.assume(Value(Op.OR, [Value(Op.GT, [x, const(7)], I64), Value(Op.LT, [x, const(5)], I64)], I64), False)
    assert ranges.of(x) == (5, 7)


BITS = {(Op.AND, True): (1, 2), (Op.AND, False): (0, 2), (Op.OR, True): (0, 2), (Op.OR, False): (0, 0)}


@pytest.mark.parametrize(("op", "holds"), BITS)
def test_numbers_are_0_or_not_by_what_is_known_of_their_bits(op: Op, holds: bool) -> None:
    ranges, x, y = Ranges(), number(), number()
    ranges.base[x] = ranges.base[y] = (0, 2)
    ranges.assume(Value(op, [x, y], I64), holds)
    assert ranges.of(x) == ranges.of(y) == BITS[op, holds]


def test_a_cast_of_what_may_be_negative_narrows_nothing() -> None:
    ranges, x = Ranges(), number()
    ranges.base[x] = (-5, 100)
    as_u64 = Value(Op.CAST, [x], U64)
    ranges.assume(Value(Op.LT, [as_u64, const(10)], I64), True)
    assert ranges.of(x) == (-5, 100) and ranges.of(as_u64) == (0, 9)


def after_a_comparison_with(other: Value) -> tuple[Value, Ranges]:
    """A number below another one."""
    ranges, x = Ranges(), Value(Op.LOAD, [], I64, (0, 8, True))
    ranges.enter(Block(), None)
    ranges.base[other] = (0, 10)
    ranges.assume(Value(Op.LT, [x, other], I64), True)
    return x, ranges


CALL = Value(Op.CALL, [], I64, HELPERS["ktime_get_ns"])
FIELD = Value(Op.LOAD, [], I64, (0, 1, False))
SEEN: dict[str, tuple[Value, bool]] = {
    "a field": (FIELD, True),
    "a call": (CALL, False),
    "what is computed of a call": (Value(Op.ADD, [CALL, const(1)], I64), False),
    "a call behind a mask": (Value(Op.AND, [CALL, const(7)], I64), True),
    "a comparison of a call": (Value(Op.LT, [CALL, const(7)], I64), True),
    "a shift by a constant": (Value(Op.ASHR, [FIELD, const(7)], I64), True),
    **{f"a {op.value} by a field": (Value(op, [FIELD, FIELD], I64), False)
       for op in (Op.LSHIFT, Op.RSHIFT, Op.SHL, Op.LSHR, Op.ASHR)},
}  # fmt: skip


@pytest.mark.parametrize("row", SEEN)
def test_what_the_verifier_sees(row: str) -> None:
    value, seen = SEEN[row]
    ranges = Ranges()
    for each in (*value.args, value):
        if each.op is not Op.CONST:
            ranges.note(each)
    assert verifier_sees(value, ranges) == seen
    assert not verifier_sees(value, ranges, hidden={FIELD, CALL, value})


@pytest.mark.parametrize(("other", "seen"), [(FIELD, True), (CALL, False)])
def test_what_is_compared_with_the_unseen_is_doubtful(other: Value, seen: bool) -> None:
    x, ranges = after_a_comparison_with(other)
    assert ranges.of(x)[1] == 9 and verifier_sees(x, ranges) == seen
