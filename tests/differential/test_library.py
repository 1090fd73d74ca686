"""Functions of the standard library, tables and ranges on run-time values: CPython and the kernel agree."""

from __future__ import annotations

import itertools
import random

import pytest
from runner import Case

pytestmark = pytest.mark.kernel

EDGES = [0, 1, 2, 5, 6, 7, 49, 50, 51, 255, 256, 0xFFFF, 0x10000, 0xFFFFFFFF, 1 << 32, (1 << 63) - 1]
SIGNED = [*EDGES, -1, -2, -5, -300, -(1 << 31), -(1 << 63)]

CASES = {
    "operators": "OUT[0] = operator.add(a & 255, 3) * operator.floordiv(a, 7)\n"
    "return operator.lt(a, 5) + 2 * operator.not_(a) + 4 * operator.truth(a) + 8 * operator.contains((5, 50), a)",
    "operators that raise": "return operator.mod(100, a)",
    "round": "return round(a) == a",
    "dict": "return {5: 7, 50: 8, -1: 9}[a]",
    "dict with booleans and floats": "return {True: 7, 2.0: 8, 'x': 9, 2.5: 1}[a]",
    "dict of large numbers": "OUT[0] = {0: (1 << 64) - 1, 1: 1 << 63}[a]\nreturn 1",
    "dict.get": "OUT[0] = {5: 7, 50: 8}.get(a, -3)\nOUT[1] = TABLE.get(a, a)\nreturn 0 if TABLE.get(a) is None else 1",
    "dict made in the program": "d = {1: a, 2: a * 3 & 255}\nd[5] = 9\nreturn d.get(a & 7, 100) + d.get(3, 1)",
    "dict in a condition": "return 1 if a in TABLE else 2",
    "tuples in order": "OUT[0] = ((a, 1) < (5, b)) + 2 * ((a, b) <= (5, b)) + 4 * ((1, a, b) > (1, b))\n"
    "return (1 if (a, b) < (b, a) else 2) + 4 * ((a,) >= (a, 1))",
    "length of a range": "OUT[0] = len(range(a & 1023))\nOUT[1] = len(range(b & 63, a & 1023, 7))\n"
    "return len(range(a & 63, b & 63, -3))",
    "sum of a range": "OUT[0] = sum(range(a & 1023))\nOUT[1] = sum(range(b & 63, a & 1023, 7), 5)\n"
    "return sum(range(a & 63, b & 63, -3))",
    "sum of a wide range": "return 1 if sum(range(-(a & 0xffff) * 9, a & 0xffff, 11)) % 1000 == b & 511 else 2",
    "range backwards": "n = 0\nfor i in reversed(range(a & 15, b & 15)):\n    n = n * 3 + i & 0xffffff\n"
    "for i in reversed(range(a & 31)):\n    n += i * i\nreturn n",
    "any and all": "OUT[0] = any(a == n for n in (1, 5, 50)) + 2 * all(a > n for n in (1, 5) if n < b)\n"
    "OUT[1] = any(TABLE[n] == a & 7 for n in TABLE) + 2 * all(a & 1 << n for n in range(3))\n"
    "return 1 if not any(n > 3 and n == a for n in (b & 7, 7)) else 2",
    "generators over a loop at run time": "OUT[0] = sum(i * i for i in range(a & 63))\n"
    "OUT[1] = sum((i for i in range(a & 63) if i & 2), b & 7)\n"
    "return all(i < 40 for i in range(a & 63)) + 2 * any(i * 3 == b for i in range(a & 63))",
    "min and max of generators": "OUT[0] = min(n * a & 255 for n in (3, 5, 7))\n"
    "OUT[1] = max(n for n in (3, 50, 7) if n > a & 63)\nreturn max(i * 7 & 31 for i in range(a & 63))",
    "tuples of generators": "x = a & 15\ny = b & 15\nreturn tuple(n * x for n in (1, y))[1]"
    " + list(n for n in (5, 6, 7) if n > 5)[0]",
    "generators of generators": "return sum(any(n == a for n in (m, 5)) for m in (5, 50, 1))",
    "a generator sees late variables": "n = 1\ng = (n + i for i in (1, 2))\nn = a & 7\nreturn sum(g)",
    "equal numbers of other types": "OUT[0] = (a == 50.0) + 2 * (a in (5.0, 2.5)) + 4 * (a == Fraction(7))\n"
    "OUT[1] = (a != 1e300) + 2 * ([a, 1] == [5, 1])\n"
    "return (1 if a in {5.0: 1, 7: 2} else 2) + ({5.0: 3}.get(a) is None) + (a == [5]) + (a == float('inf'))",
    "decorated twice": "return COMPOSED(a & 0xffff) + COMPOSED(3)",
    "None in a loop": "best = None\nfor i in range(a & 63):\n    if best is None or i * 7 & 31 > best:\n"
    "        best = i * 7 & 31\n    elif i == b & 63:\n        best = None\nreturn 99 if best is None else best",
    "namedtuple": "p = Point(a, y=5)\nq = Point(1, 2) if a < 6 else p\nx, y = p\n"
    "OUT[0] = p.x + q.y + len(p) + x\nreturn (p == (a, 5)) + 2 * (p == q) + p[1] + q.swapped().y",
    "namedtuple in a loop": "p = Point(0, 1)\nfor i in range(a & 7):\n    p = Point(p.y, p.x + p.y)\nreturn p.x",
}
PRELUDE = """import operator
from typing import NamedTuple
TABLE = {5: 7, 50: 8, 7: 0}
from fractions import Fraction
def again(function):
    def wrapper(x):
        return function(x) * 2 + 1
    return wrapper
@again
@again
def COMPOSED(x):
    return x + 1
class Point(NamedTuple):
    x: int
    y: int = 3
    def swapped(self):
        return Point(self.y, self.x)
"""


@pytest.mark.parametrize("body", CASES.values(), ids=list(CASES))
def test_agrees(body: str) -> None:
    lines = ["a = A[0]", "b = B[0]", *body.splitlines()]
    source = PRELUDE + "def program(ctx):\n" + "".join(f"    {line}\n" for line in lines)
    checked = 0
    pairs = list(itertools.product(SIGNED, SIGNED))
    with Case(source, {"A": "i64", "B": "i64"}, 2) as case:
        for a, b in [(5, 50), (50, 5), *random.Random(7).sample(pairs, 120)]:
            checked += case.check({"A": a, "B": b})
    assert checked > 30
