"""Random functions: expressions and statements whose types are known, so that paths never merge i64 with u64.

Everything is drawn from a hypothesis ``draw`` function; the text is a whole source for runner.Case.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

INPUTS = {"A": "i64", "B": "u64", "C": "i32", "D": "u8", "E": "u32", "F": "i16"}
SIGNED_INPUTS = ["a", "c", "d", "e", "f"]
UNSIGNED_INPUTS = ["b"]
OUTPUTS = 4
CONSTANTS = [0, 1, 2, 3, 5, 7, 8, 10, 15, 16, 31, 63, 64, 100, 255, 256, 1000, 65535]
CONSTANTS += [1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1]
FUZZING = "PY2BPF_FUZZ" in os.environ
NESTED_TRIPS = 24
"""How often the body of a nested loop may run: the verifier follows every path through every iteration."""
FIELDS = ["i8", "u16", "i32", "u64", "b3", "s5", "i64", "u8", "i16", "row", "u32"]
COMPARISONS = ["<", "<=", "==", "!=", ">", ">="]

HELPERS = '''
def clamp(x, low=0, high=255):
    if x < low:
        return low
    if x > high:
        return high
    return x

def mix(x, y, *, times=2):
    total = x & 0xffff
    for i in range(times):
        total = total * 3 + (y & 0xff) + i
    return total

def scale(factor):
    def scaled(x):
        return (x & 0xffffff) * factor
    return scaled

triple = scale(3)
'''


class Expressions:
    """Draws expressions of a given type over the variables in scope."""

    def __init__(self, draw: Callable[[Any], Any]) -> None:
        self.draw = draw
        self.signed = list(SIGNED_INPUTS)
        self.unsigned = list(UNSIGNED_INPUTS)
        self.temporaries = 0

    def pick(self, options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def constant(self) -> str:
        number = self.pick(CONSTANTS)
        return f"({-number})" if self.draw(st.booleans()) and self.draw(st.booleans()) else str(number)

    def small(self, depth: int) -> str:
        """A shift count or the like: mostly in range."""
        if self.draw(st.integers(0, 2)):
            return str(self.pick([0, 1, 3, 7, 8, 16, 31, 32, 33, 48, 63]))
        return f"({self.int(depth)} & {self.pick([7, 15, 63, 127])})"

    def int(self, depth: int) -> str:
        """A signed expression."""
        if depth <= 0:
            return self.pick(self.signed) if self.draw(st.integers(0, 2)) else self.constant()
        form = self.pick(_SIGNED_FORMS)
        return form(self, depth - 1)

    def unsigned_int(self, depth: int) -> str:
        """A u64 expression."""
        if depth <= 0:
            return self.pick(self.unsigned)
        return self.pick(_UNSIGNED_FORMS)(self, depth - 1)

    def any_int(self, depth: int) -> str:
        return self.unsigned_int(depth) if self.draw(st.integers(0, 3)) == 0 else self.int(depth)

    def condition(self, depth: int) -> str:
        form = self.draw(st.integers(0, 8))
        if depth <= 0 or form < 3:
            return f"{self.any_int(depth - 1)} {self.pick(COMPARISONS)} {self.any_int(depth - 1)}"
        depth -= 1
        if form == 3:
            return f"({self.condition(depth)}) and ({self.condition(depth)})"
        if form == 4:
            return f"({self.condition(depth)}) or ({self.condition(depth)})"
        if form == 5:
            return f"not ({self.condition(depth)})"
        if form == 6:
            first, second, third = (self.any_int(depth - 1) for _ in range(3))
            return f"{first} {self.pick(COMPARISONS)} {second} {self.pick(COMPARISONS)} {third}"
        if form == 7:
            return f"{self.any_int(depth)} & {self.pick([1, 4, 255, 1 << 33])}"
        return f"{self.int(depth)} in ({self.constant()}, {self.constant()}, {self.int(0)})"

    def walrus(self, depth: int) -> str:
        value = self.int(depth)
        self.temporaries += 1
        name = f"w{self.temporaries}"
        return f"(({name} := {value}) + ({name} & {self.pick([1, 255, 4095])}))"


def _binary(op: str) -> Callable[[Expressions, int], str]:
    return lambda e, depth: f"({e.int(depth)} {op} {e.int(depth)})"


def _narrow(op: str) -> Callable[[Expressions, int], str]:
    """An operation on masked operands, which stays in its type."""
    return lambda e, depth: f"(({e.int(depth)} & {e.pick([255, 0xFFFF, 0xFFFFFFF])}) {op} ({e.int(depth)} & 0xffff))"


_SIGNED_FORMS: list[Callable[[Expressions, int], str]] = [
    *map(_binary, ["+", "-", "*", "&", "|", "^", "//", "%"]),
    *map(_narrow, ["+", "-", "*", "*", "//", "%"]),
    lambda e, depth: f"({e.int(depth)} >> {e.small(depth)})",
    lambda e, depth: f"(({e.int(depth)} & 0xffff) << ({e.int(depth)} & 31))",
    lambda e, depth: f"({e.int(depth)} << {e.small(depth)})",
    lambda e, depth: f"({e.int(depth)} // {e.pick([2, 3, 7, 16, 1000, -3, -8])})",
    lambda e, depth: f"({e.int(depth)} % {e.pick([2, 3, 7, 16, 1000, -3, -8])})",
    lambda e, depth: f"(-{e.int(depth)})",
    lambda e, depth: f"(~{e.int(depth)})",
    lambda e, depth: f"abs({e.int(depth)})",
    lambda e, depth: f"min({e.int(depth)}, {e.int(depth)})",
    lambda e, depth: f"max({e.int(depth)}, {e.int(depth)}, {e.constant()})",
    lambda e, depth: f"({e.int(depth)} if {e.condition(depth)} else {e.int(depth)})",
    lambda e, depth: f"({e.int(depth)} and {e.int(depth)})",
    lambda e, depth: f"({e.int(depth)} or {e.int(depth)})",
    lambda e, depth: f"bool({e.condition(depth)})",
    lambda e, depth: f"({e.int(depth)} >> ({e.unsigned_int(depth)} & 63))",
    lambda e, depth: f"({e.any_int(depth)}).bit_length()",
    lambda e, depth: f"({e.any_int(depth)}).bit_count()",
    lambda e, depth: f"(({e.int(depth)} & 15) ** {e.pick([0, 1, 2, 3, 5])})",
    lambda e, depth: f"divmod({e.int(depth)}, {e.pick([3, 10, -7])})[{e.pick([0, 1])}]",
    lambda e, depth: f"sum(({e.int(depth)}, {e.int(depth)}))",
    lambda e, depth: f"clamp({e.int(depth)})",
    lambda e, depth: f"clamp({e.int(depth)}, high={e.constant()}, low=-5)",
    lambda e, depth: f"mix({e.int(depth)}, {e.int(depth)}, times={e.pick([0, 1, 3])})",
    lambda e, depth: f"triple({e.int(depth)})",
    lambda e, depth: f"(lambda x, y=3: x ^ y)({e.int(depth)})",
    Expressions.walrus,
]
_UNSIGNED_FORMS: list[Callable[[Expressions, int], str]] = [
    *(
        lambda e, depth, op=op: f"({e.unsigned_int(depth)} {op} {e.any_int(depth)})"
        for op in ["+", "-", "*", "&", "|", "^", "//", "%"]
    ),
    lambda e, depth: f"({e.int(depth)} & {e.unsigned_int(depth)})",
    lambda e, depth: f"(({e.int(depth)} & 0xfff) + {e.unsigned_int(depth)})",
    lambda e, depth: f"({e.unsigned_int(depth)} >> {e.small(depth)})",
    lambda e, depth: f"(({e.unsigned_int(depth)} & 0xffff) << {e.small(depth)})",
    lambda e, depth: f"(({e.int(depth)} & 0xff) << ({e.unsigned_int(depth)} & 63))",
    lambda e, depth: f"({e.unsigned_int(depth)} if {e.condition(depth)} else {e.unsigned_int(depth)})",
    lambda e, depth: f"min({e.unsigned_int(depth)}, {e.any_int(depth)})",
    lambda e, depth: f"max({e.any_int(depth)}, {e.unsigned_int(depth)})",
]


class Statements:
    """Draws the body of a program. Variables x, y, z are signed, u is unsigned; k names count loops."""

    VARIABLES = ("x", "y", "z")

    def __init__(self, draw: Callable[[Any], Any]) -> None:
        self.draw = draw
        self.expr = Expressions(draw)
        self.expr.signed += self.VARIABLES
        self.expr.unsigned.append("u")
        self.lines: list[str] = []
        self.loops = 0
        self.breakable = 0
        self.trips = 1

    def add(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def block(self, depth: int, level: int) -> None:
        for _ in range(self.draw(st.integers(1, 4 if level else 1))):
            self.statement(depth, level)

    def statement(self, depth: int, level: int) -> None:
        kinds = ["assign", "assign", "augment", "augment", "swap", "unsigned", "output", "walrus", "record", "record"]
        if level > 0:
            kinds += ["if", "if", "if", "for", "for", "items", "while", "while", "hash", "return", "assert"]
        if self.breakable:
            kinds += ["leave", "leave"]
        getattr(self, "_" + self.expr.pick(kinds))(depth, level)

    def _name(self) -> str:
        return self.expr.pick(self.VARIABLES)

    def _assign(self, depth: int, level: int) -> None:
        self.add(depth, f"{self._name()} = {self.expr.int(2)}")

    def _unsigned(self, depth: int, level: int) -> None:
        self.add(depth, f"u = {self.expr.unsigned_int(2)}")

    def _augment(self, depth: int, level: int) -> None:
        op = self.expr.pick(["+", "-", "^", "&", "|", "+", "-", "//", "%"])
        self.add(depth, f"{self._name()} {op}= {self.expr.int(1)}")

    def _swap(self, depth: int, level: int) -> None:
        order = self.draw(st.permutations(self.VARIABLES))
        self.add(depth, f"{', '.join(self.VARIABLES)} = {', '.join(order)}")

    def _walrus(self, depth: int, level: int) -> None:
        name = self._name()
        self.add(depth, f"{self._name()} = ({name} := {self.expr.int(1)}) & {self.expr.constant()}")

    def _output(self, depth: int, level: int) -> None:
        self.add(depth, f"OUT[{self.draw(st.integers(0, OUTPUTS - 1))}] = {self.expr.any_int(1)}")

    def _hash(self, depth: int, level: int) -> None:
        key = f"{self.expr.int(1)} & 7"
        form = self.draw(st.integers(0, 5))
        if form == 0:
            self.add(depth, f"H[{key}] = {self.expr.int(1)}")
        elif form == 1:
            self.add(depth, f"H[{key}] += {self.expr.pick(['1', 'd', 'c', 'f'])}")
        elif form == 2:
            self.add(depth, f"{self._name()} = H[{key}]")
        elif form == 3:
            self.add(depth, f"{self._name()} = H.get({key}, {self.expr.int(0)})")
        elif form == 4:
            self.add(depth, f"if {key} in H:")
            self.block(depth + 1, 0)
        else:
            self.add(depth, f"del H[{key}]")

    def _record(self, depth: int, level: int) -> None:
        field = "r." + self.expr.pick(FIELDS)
        if field == "r.row":
            field += f"[{self.expr.pick(['0', '3', 'x & 3', 'd & 1'])}]"
        form = self.draw(st.integers(0, 3))
        if form == 0 and field != "r.u64":
            self.add(depth, f"{self._name()} = {field}")
        elif form == 1:
            self.add(depth, f"{field} {self.expr.pick(['+', '-', '|', '^', '*'])}= {self.expr.int(0)}")
        elif form == 2 and field == "r.u64":
            self.add(depth, f"u = {field}")
        else:
            self.add(depth, f"{field} = {self.expr.any_int(1)}")

    def _if(self, depth: int, level: int) -> None:
        self.add(depth, f"if {self.expr.condition(2)}:")
        self.block(depth + 1, level - 1)
        for _ in range(self.draw(st.integers(0, 1))):
            self.add(depth, f"elif {self.expr.condition(1)}:")
            self.block(depth + 1, level - 1)
        if self.draw(st.booleans()):
            self.add(depth, "else:")
            self.block(depth + 1, level - 1)

    def _loop(self, depth: int, level: int, head: str, trips: int, first: str = "") -> None:
        if self.trips > 1 and self.trips * trips > NESTED_TRIPS:
            return self._assign(depth, level)
        self.add(depth, head)
        if first:
            self.add(depth + 1, first)
        self.trips *= trips
        self.breakable += 1
        self.block(depth + 1, level - 1 if trips <= 8 or FUZZING else 0)
        self.breakable -= 1
        self.trips //= trips
        if self.draw(st.integers(0, 3)) == 0:
            self.add(depth, "else:")
            self.block(depth + 1, 0)
        return None

    def _counter(self) -> str:
        self.loops += 1
        return f"k{self.loops}"

    def _for(self, depth: int, level: int) -> None:
        name = self._counter()
        bounds, trips = self.expr.pick(
            [("3", 3), ("1, 5", 4), ("6, 0, -2", 3), ("40", 40), ("x & 7", 8), ("d & 3, 8", 8), ("0, u & 15, 3", 5)]
        )
        self.add(depth, f"{name} = 0")
        self._loop(depth, level, f"for {name} in range({bounds}):", trips, f"x = (x & 0xffffff) + {name}")

    def _items(self, depth: int, level: int) -> None:
        name = self._counter()
        items = self.expr.pick(["(1, -2, 300)", "(a, 5, c)", "[7, d]", "zip_items"])
        if items == "zip_items":
            head, first = f"for {name}, v{name} in enumerate((d, 9, f)):", f"y ^= {name} * v{name}"
        else:
            head, first = f"for {name} in {items}:", f"y ^= {name}"
        self._loop(depth, level, head, 3, first)

    def _while(self, depth: int, level: int) -> None:
        name = self._counter()
        start, test, step = self.expr.pick([
            (f"{self._name()} & 15", "{} > 0", "{} -= 1"), ("0", "{} < (d & 15)", "{} += 1"),
            ("0", "{} < 6", "{} += 1"), ("c & 7", "{}", "{} -= 1"), ("0", "{} < 50", "{} += 3"),
        ])  # fmt: skip
        self.add(depth, f"{name} = {start}")
        trips = 8 if "7" in start or "6" in test else 16
        self._loop(depth, level, f"while {test.format(name)}:", trips, step.format(name))

    def _leave(self, depth: int, level: int) -> None:
        self.add(depth, f"if {self.expr.condition(1)}:")
        self.add(depth + 1, self.expr.pick(["break", "continue"]))

    def _return(self, depth: int, level: int) -> None:
        self.add(depth, f"if {self.expr.condition(1)}:")
        self.add(depth + 1, f"return {self.expr.any_int(1)}" if self.draw(st.booleans()) else "return")

    def _assert(self, depth: int, level: int) -> None:
        self.add(depth, f"assert {self.expr.condition(1)}")


def _program(lines: list[str]) -> str:
    loads = [f"    {name.lower()} = {name}[0]" for name in INPUTS]
    return HELPERS + "\ndef program(ctx):\n" + "\n".join(loads + lines) + "\n"


@st.composite
def expression_programs(draw: Callable[[Any], Any]) -> str:
    """A program of a few nested expressions."""
    e = Expressions(draw)
    lines = [f"    OUT[{i}] = {e.any_int(draw(st.integers(2, 4)))}" for i in range(2)]
    lines += [f"    OUT[2] = 1 if {e.condition(3)} else 2", f"    return {e.any_int(3)}"]
    return _program(lines)


@st.composite
def statement_programs(draw: Callable[[Any], Any]) -> str:
    """A program of statements: branches, loops, assignments, maps, early returns."""
    s = Statements(draw)
    for name in s.VARIABLES:
        s.add(1, f"{name} = {draw(st.sampled_from(SIGNED_INPUTS))}")
    s.add(1, "u = b")
    s.add(1, "r = Rec(i8=a, u32=c)")
    for _ in range(draw(st.integers(2, 5))):
        s.statement(1, 2)
    s.lines += [f"    OUT[{i}] = {name}" for i, name in enumerate(("x", "y", "z", "u"))]
    s.add(1, f"return {s.expr.any_int(1)}")
    return _program(s.lines)
