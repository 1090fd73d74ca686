"""Every operator over every combination of operand types, at the boundaries, in the kernel against CPython."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Iterable

import pytest
from oracle import MASK
from runner import TYPES, Cells

pytestmark = [pytest.mark.kernel, pytest.mark.filterwarnings("ignore::py2bpf.exception.MixedSigns")]

_EDGES = [0, 1, 2, 3, 7, 8, 10, 31, 32, 63, 64, 65, 100, 127, 128, 255, 256, 1000, 32767, 32768, 65535, 65536]
_EDGES += [(1 << n) + d for n in (31, 32, 33, 62, 63, 64) for d in (-1, 0, 1)] + [0x0123_4567_89AB_CDEF, 10**18 + 7]
NUMBERS = sorted({number for edge in _EDGES for number in (edge, -edge)})
CONSTANTS = [
    0, 1, -1, 2, -2, 3, 7, -7, 8, -8, 10, 63, 64, 255, 256, -256, (1 << 31) - 1, 1 << 31, -(1 << 31), -(1 << 31) - 1,
    (1 << 32) - 1, 1 << 32, (1 << 62) + 1, (1 << 63) - 1, -(1 << 63), -(1 << 63) + 1, 1 << 63,
    (1 << 64) - 2, (1 << 64) - 1,
]  # fmt: skip

COMPARISONS = ["<", "<=", "==", "!=", ">", ">="]
TOTAL = [
    "{a} + {b}", "{a} - {b}", "{a} * {b}", "{a} & {b}", "{a} | {b}", "{a} ^ {b}", "min({a}, {b})", "max({a}, {b})",
    *(f"({{a}} {op} {{b}})" for op in COMPARISONS),
    *(f"1 if {{a}} {op} {{b}} else 2" for op in COMPARISONS),
    *(f"1 if not {{a}} {op} {{b}} else 2" for op in COMPARISONS),
    "1 if {a} and {b} else 2", "1 if {a} or {b} else 2", "1 if {a} & {b} else 2", "1 if {a} - {b} else 2",
    "(0 < {a}) & ({b} < 5)", "1 if 0 <= {a} < {b} else 2", "sum(({a}, {b}))",
]  # fmt: skip
DIVISIONS = ["{a} // {b}", "{a} % {b}", "divmod({a}, {b})[0]", "divmod({a}, {b})[1]", "1 if {a} % {b} == 0 else 2"]
SHIFTS = ["{a} << {b}", "{a} >> {b}", "1 if {a} >> {b} & 1 else 2"]
POWERS = ["{a} ** {b}", "pow({a}, {b})"]
UNARY = [
    "-a", "+a", "~a", "not a", "abs(a)", "int(a)", "bool(a)", "a.bit_length()", "a.bit_count()", "1 if a else 2",
    "1 if not a else 2", "1 if not not a else 2", "int(a > 3)", "-(-a)", "~~a", "abs(-a)", "abs(a) % 7", "-a // 3",
    "(a > 0) - (a < 0)", "(a > 0) + True", "bool(a) * 10", "min(a, 5, -3, a)", "max(-1, a, 7)", "min((a, 1))",
    "pow(a, 2)", "a and 5", "a or 5", "-1 if a is None else 1", "(a << 8 >> 8)", "(a & 0xff) << 56",
    "a == True", "a != False", "5 < a < 50", "0 <= a <= 255 != 3", "a in (1, 2, -1)", "a not in (0, 64)",
    "a in range(1, 200, 7)", "a in range(200, -300, -3)", "a in range(5, a, 3)",
    "a in range(-(1 << 63), (1 << 63) - 1, 5)", "(b := a & 15) * b", "1 if a == a else 2", "a - a", "a ^ a",
    "sum((a & 1, a & 2, 4))", "any((a == 1, a == 2))", "all((a > 1, a < 70))", "divmod(a, 10)[0] + divmod(a, 10)[1]",
]  # fmt: skip


def values_of(kind: str, numbers: Iterable[int] = NUMBERS) -> list[int]:
    """The numbers that the type holds, and its own bounds."""
    holds = TYPES[kind]
    bits = 8 * ctypes.sizeof(holds)
    bounds = {(1 << bits) - 1, 1 << (bits - 1), (1 << (bits - 1)) - 1, -(1 << (bits - 1))}
    return sorted(n for n in {*numbers, *bounds} if holds(n).value == n)


def run(templates: list[str], a_kind: str, b_kind: str) -> int:
    with Cells([text.format(a="a", b="b") for text in templates], {"A": a_kind, "B": b_kind}) as cells:
        pairs = itertools.product(values_of(a_kind), values_of(b_kind))
        return sum(cells.check({"A": a, "B": b}) for a, b in sparse(list(pairs)))


def sparse(pairs: list[tuple[int, int]], most: int = 500) -> list[tuple[int, int]]:
    """All pairs where they are few, else every n-th of them, n chosen so that all rows and columns are met."""
    step = -(-len(pairs) // most)
    return pairs[:: step | 1]


@pytest.mark.parametrize("b", TYPES)
@pytest.mark.parametrize("a", TYPES)
@pytest.mark.parametrize("templates", [TOTAL, DIVISIONS, SHIFTS, POWERS], ids=["total", "division", "shift", "power"])
def test_two_operands(templates: list[str], a: str, b: str) -> None:
    assert run(templates, a, b) > 20


@pytest.mark.filterwarnings("ignore::py2bpf.exception.NeverTrue")  # of a number that is asked for None
@pytest.mark.parametrize("kind", TYPES)
def test_one_operand(kind: str) -> None:
    with Cells(UNARY, {"A": kind}) as cells:
        assert sum(cells.check({"A": a}) for a in values_of(kind)) > 200


def _texts(constant: int) -> list[list[str]]:
    """Programs with the constant on either side: those that always end, those that the operand may end."""
    c = f"({constant})"
    first = [text.format(a="a", b=c) for text in TOTAL] + [text.format(a=c, b="a") for text in TOTAL]
    if constant:
        first += [text.format(a="a", b=c) for text in DIVISIONS]
    if constant >= 0:
        first += [text.format(a="a", b=c) for text in SHIFTS + POWERS]
    return [first, *([text.format(a=c, b="a") for text in group] for group in (DIVISIONS, SHIFTS, POWERS))]


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("constant", CONSTANTS)
def test_constant_operand(kind: str, constant: int) -> None:
    near = {constant + d for d in (-1, 0, 1)} | {-constant, constant * 2, constant // 2, constant * 3 + 1}
    values = values_of(kind, {*NUMBERS[::3], 0, 1, -1, *(n for n in near if -(1 << 63) <= n <= MASK)})
    checked = 0
    for texts in _texts(constant):
        with Cells(texts, {"A": kind}) as cells:
            checked += sum(cells.check({"A": a}) for a in values)
    assert checked > 50


@pytest.mark.parametrize("text", ["a // 0", "a % 0", "divmod(a, 0)[0]", "a << -1", "a >> -1", "1 // (a * 0)"])
@pytest.mark.parametrize("kind", ["i64", "u64", "u8"])
def test_always_raises(kind: str, text: str) -> None:
    with Cells(["a & 1", text, "a & 2"], {"A": kind}) as cells:
        assert cells.check({"A": 3}) == 3
