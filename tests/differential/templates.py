"""The engine of the grammar: rows of text with holes, filled in by choices, in scopes that know what names mean.

An expression's holes:

    $i    a signed expression        $u    a u64 expression       $n  either
    $c    a condition                $k    a constant             $s  a shift count
    $m    a small number, 0 to 7     $[a|b|c]  one of these texts
    $t    a char array               $b    a constant text, perhaps longer than that
    $i{@p,@q}   an expression in which these names may be read as signed numbers

A statement's holes besides:

    $x $w     a signed, an unsigned variable to assign to (``$x1`` is the same one wherever the row has it)
    $f $g     a place in a struct that holds a signed number, a u64
    $h        one that may be changed in place (``$h += 1``)
    $block    on a line of its own: statements. ``$loop``: those that may break and continue.
              ``$block{@p,@e:Traffic}``: in which these names may be read, as signed numbers or as structs of a map
    @name     a fresh name
"""

from __future__ import annotations

import ctypes
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

from choices import Choices
from oracle import is_signed
from shared import STRUCTS

_HOLE = re.compile(r"\$([a-z]+)(\d?)(?:\{([^}]*)\})?|@(\w+)")
_BLOCKS = ("block", "loop")
CONSTANTS = [0, 1, 2, 3, 5, 7, 8, 10, 15, 16, 31, 63, 64, 100, 255, 256, 1000, 65535]
CONSTANTS += [1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1]
TEXTS = ["", "a", "ab", "abc", "ab", "xyz1", "packet", "12345678", "longer than 8", "ab\\0cd"]
SHIFTS = ["0", "1", "3", "7", "8", "16", "31", "32", "33", "48", "63"]
_UPDATE = re.compile(r"(\]|[-+|^&*/%]|[^<]<<|[^>]>>)= ")
MAX_LINES = 55
MAX_TRIPS = 48
"""How often the innermost body of nested loops may run."""


@dataclass(frozen=True)
class Row:
    """A construct. ``weight`` is how often it is chosen among its table's rows.

    ``trips``: how often its body runs at most. ``moves``: the map whose entries it replaces or removes, which
    nobody may hold a struct of. ``hooks``: the hooks it is for, all if empty. ``makes``: the body of the statement
    in place of a text. ``long``: a run takes so many instructions that a program has one such row, and few samples.
    ``alone``: stands in no loop and no function.
    """

    weight: int
    text: str = ""
    trips: int = 1
    moves: str = ""
    hooks: tuple[str, ...] = ()
    makes: Callable[[Any, int], None] | None = None
    long: bool = False
    alone: bool = False

    @cached_property
    def has_body(self) -> bool:
        return "$block" in self.text or "$loop" in self.text or self.makes is not None

    @cached_property
    def is_local(self) -> bool:
        """Whether it is about what only the program itself has: its context, its struct."""
        return re.search(r"\bctx\b|\br\.|\$t", self.text) is not None or self.makes is not None


Tables = Mapping[str, Mapping[str, Row]]


@dataclass(frozen=True)
class Place:
    """What decides which statements may stand somewhere."""

    deep: bool
    """Whether blocks may nest there."""
    trips: int
    held: tuple[str, ...]
    in_function: bool
    apart: bool
    long: bool

    def allows(self, row: Row) -> bool:
        return (
            (self.deep or not row.has_body)
            and not (row.moves and (row.moves in self.held or self.in_function))
            and (row.trips == 1 or self.trips == 1 or self.trips * row.trips <= MAX_TRIPS)
            and not (row.trips > MAX_TRIPS and (self.in_function or self.trips > 1))
            and not (row.long and self.long)
            and not ((row.long or row.alone) and (self.in_function or self.trips > 1))
            and not (row.is_local and self.apart)
        )


class Language:
    """The tables of constructs, with the rows of each hook and place found once."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self._found: dict[Any, tuple[list[tuple[str, Row]], list[int]]] = {}

    def rows(self, hook: str, kind: str, place: Place | bool) -> tuple[list[tuple[str, Row]], list[int]]:
        """The rows that may be chosen, and their weights. Of an expression only counts whether it stands apart."""
        key = hook, kind, place
        found = self._found.get(key)
        if found is None:
            rows = [
                (name, row)
                for name, row in self.tables[kind].items()
                if (not row.hooks or hook in row.hooks)
                and (place.allows(row) if isinstance(place, Place) else not (row.is_local and place))
            ]
            found = self._found[key] = rows, [row.weight for _, row in rows]
        return found


@dataclass
class Scope:
    """What names mean at a place of the program."""

    signed: list[str] = field(default_factory=list)
    unsigned: list[str] = field(default_factory=list)
    constant: list[str] = field(default_factory=list)
    """Signed names that can't be assigned to."""
    structs: list[tuple[str, Any, bool]] = field(default_factory=list)
    """Name, type, and whether it lies in a map that others share."""
    held: tuple[str, ...] = ()
    """The maps that a struct in scope is of."""
    functions: list[str] = field(default_factory=list)
    """Calls as texts with holes."""
    texts: list[str] = field(default_factory=list)
    """Char arrays that are surely there."""

    def copy(self) -> Scope:
        return Scope(*(list(part) if isinstance(part, list) else part for part in vars(self).values()))


class Writer:
    """Writes one program's statements and expressions."""

    def __init__(self, choices: Choices, language: Language, hook: str) -> None:
        self.choices = choices
        self.language = language
        self.hook = hook
        self.lines: list[str] = []
        self.used: Counter[str] = Counter()
        self.scope = Scope()
        self.names = 0
        self.trips = 1
        self.loops = 0
        self.in_function = False
        self.pure = False
        """Whether this changes a place that is shared: what it calls must not change it too, see the documentation."""
        self.apart = False
        """Whether this is a function outside of the program."""
        self.long = False
        """Whether a run of the program takes long already."""

    # choosing

    def chance(self, percent: int) -> bool:
        return self.choices.integer(0, 99) >= 100 - percent

    def fresh(self, name: str) -> str:
        self.names += 1
        return f"{name}{self.names}"

    def row(self, kind: str, place: Place | None = None) -> Row:
        """A construct of a table, counted."""
        name, row = self.choices.weighted(*self.language.rows(self.hook, kind, place or self.apart))
        self.used[f"{kind}: {name}"] += 1
        return row

    # expressions

    def expression(self, kind: str, depth: int) -> str:
        """An expression of a table (signed, unsigned, condition)."""
        if depth <= 0:
            return self.leaf(kind)
        return self.fill(self.row(kind).text, depth - 1)

    def leaf(self, kind: str) -> str:
        """The smallest expressions."""
        if kind == "condition":
            operator = self.choices.pick(["<", "<=", "==", "!=", ">", ">="])
            return f"{self.leaf('signed')} {operator} {self.leaf('signed')}"
        names = self.scope.unsigned if kind == "unsigned" else self.scope.signed + self.scope.constant
        chosen = self.choices.integer(0, 9)
        if kind == "signed" and chosen >= 8:
            return self.constant()
        if chosen >= 6:
            place = self.place(kind == "signed")
            if place is not None:
                return place
        return self.choices.pick(names)

    def constant(self) -> str:
        number = self.choices.pick(CONSTANTS)
        return f"({-number})" if self.chance(25) else str(number)

    def shift(self, depth: int) -> str:
        if self.chance(70):
            return self.choices.pick(SHIFTS)
        return f"({self.expression('signed', depth)} & {self.choices.pick([7, 15, 63, 127])})"

    def small(self, depth: int, largest: int = 7, mask: int = 7) -> str:
        if self.chance(40):
            return str(self.choices.integer(0, largest))
        return f"({self.expression('signed', min(depth, 1))} & {self.choices.pick([1, 3, mask])})"

    # places in structs

    def place(self, signed: bool, *, in_place: bool = False) -> str | None:
        """A number in one of the structs in scope; None where there is none of that signedness."""
        if not self.scope.structs:
            return None
        name, kind, shared = self.choices.pick(self.scope.structs)
        for _ in range(4):
            found = self._walk(name, kind, shared, signed, in_place)
            if found is not None:
                return found
        return None

    def _walk(self, path: str, kind: Any, shared: bool, signed: bool, in_place: bool) -> str | None:
        while True:
            if issubclass(kind, ctypes.Array):
                path, kind = f"{path}[{self._index(kind._length_)}]", kind._type_
            elif issubclass(kind, (ctypes.Structure, ctypes.Union)):
                name, of, *bits = self.choices.pick(kind._fields_)
                path = f"{path}.{name}"
                if bits and shared and in_place:
                    return None
                kind = of
            else:
                break
        if in_place and shared and (ctypes.sizeof(kind) < 4 or _is_swapped(kind)):
            return None
        if in_place and kind in (ctypes.c_char, ctypes.c_bool):
            return None
        return path if (kind is ctypes.c_char or is_signed(kind)) == signed else None

    def _index(self, length: int) -> str:
        form = self.choices.integer(0, 9)
        if form < 5:
            return str(self.choices.integer(0, length - 1))
        self.used["place: run-time index"] += 1
        if form == 5:
            return f"{self.choices.pick(self.scope.signed)} % {length}"
        if form == 6:
            return f"{self.choices.pick(self.scope.signed)} & 7"
        return f"{self.choices.pick(self.scope.signed)} & {(1 << (length.bit_length() - 1)) - 1}"

    # filling in

    def fill(self, text: str, depth: int) -> str:
        """A row's text without a body, holes filled in."""
        return self._fill(text, depth, {})

    def _fill(self, text: str, depth: int, known: dict[str, str]) -> str:
        def replaced(match: re.Match[str]) -> str:
            hole, number, names, fresh = match.groups()
            if fresh is not None:
                if fresh not in known:
                    known[fresh] = self.fresh(fresh)
                return known[fresh]
            if number:
                key = hole + number
                if key not in known:
                    known[key] = self._hole(hole, depth)
                return known[key]
            with self._reading(names, known):
                return self._hole(hole, depth)

        return _HOLE.sub(replaced, self._chosen(text))

    def _chosen(self, text: str) -> str:
        """The text with one of each ``$[a|b|c]``."""
        while (start := text.find("$[")) >= 0:
            options, end = _options(text, start + 2)
            text = text[:start] + self.choices.pick(options) + text[end:]
        return text

    @contextmanager
    def _reading(self, names: str | None, known: dict[str, str]) -> Iterator[None]:
        """Within, the names of ``@p,@e:Traffic`` can be read."""
        if not names:
            yield
            return
        before, self.scope = self.scope, self.scope.copy()
        for part in names.split(","):
            name, _, kind = part.strip().partition(":")
            name = self._fill(name, 0, known)
            if not kind:
                self.scope.constant.append(name)
                continue
            kind, _, held = kind.partition("/")
            if kind == "chars":
                self.scope.texts += [name] * 2
            else:
                self.scope.structs += [(name, STRUCTS[kind], bool(held))] * 3
            if held:
                self.scope.held += (held,)
        yield
        self.scope = before

    def _hole(self, hole: str, depth: int) -> str:
        handler = _HANDLERS.get(hole)
        if handler is None:
            raise ValueError(f"a row has the unknown hole ${hole}")
        return handler(self, depth)

    # statements

    def write(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def statement(self, depth: int, level: int) -> None:
        """One statement; ``level`` is how deep further blocks may nest in it."""
        deep = level > 0 and len(self.lines) < MAX_LINES
        place = Place(deep, self.trips, self.scope.held, self.in_function, self.apart, self.long)
        row = self.row("leave" if self.loops and self.choices.integer(0, 9) == 9 else "statement", place)
        self.long = self.long or row.long
        if row.makes is not None:
            row.makes(self, depth)
        else:
            self._write_row(row, depth, level)

    def _write_row(self, row: Row, depth: int, level: int) -> None:
        known: dict[str, str] = {}
        for line in row.text.splitlines():
            bare = line.lstrip()
            inner = depth + (len(line) - len(bare)) // 4
            if bare.startswith(tuple("$" + word for word in _BLOCKS)):
                self._body(bare, inner, level - 1, row.trips, known)
            else:
                self.pure = _UPDATE.search(bare) is not None and not bare.startswith(("$x", "$w"))
                self.write(inner, self._fill(bare, 2 if self.trips == 1 else 1, known))
                self.pure = False

    def _body(self, line: str, depth: int, level: int, trips: int, known: dict[str, str]) -> None:
        match = _HOLE.match(line)
        assert match is not None
        loop = match.group(1) == "loop"
        self.trips *= trips if loop else 1
        self.loops += loop
        with self._reading(match.group(3), known):
            self.block(depth, level if self.trips <= MAX_TRIPS else 0)
        self.loops -= loop
        self.trips //= trips if loop else 1

    def block(self, depth: int, level: int) -> None:
        before = self.scope
        self.scope = before.copy()
        for _ in range(self.choices.weighted([1, 2, 3, 4], [4, 4, 2, 1]) if level > 0 else self.choices.integer(1, 2)):
            self.statement(depth, level)
        self.scope = before


@cache
def _options(text: str, start: int) -> tuple[list[str], int]:
    """The alternatives that begin at ``start``, and where the text goes on; brackets in them are in pairs."""
    options, depth, at = [""], 0, start
    while depth or text[at] != "]":
        depth += {"[": 1, "]": -1}.get(text[at], 0)
        if text[at] == "|" and not depth:
            options.append("")
        else:
            options[-1] += text[at]
        at += 1
    return options, at + 1


def _is_swapped(kind: Any) -> bool:
    return ctypes.sizeof(kind) > 1 and kind.__ctype_le__ is not kind


def _variable(names: Sequence[str], writer: Writer) -> str:
    return writer.choices.pick(names)


def _any(writer: Writer, depth: int) -> str:
    return writer.expression("unsigned" if writer.choices.integer(0, 3) == 3 else "signed", depth)


def _place(writer: Writer, signed: bool, in_place: bool) -> str:
    return writer.place(signed, in_place=in_place) or ("H[7]" if signed else "U[7]")


def _text(writer: Writer, depth: int) -> str:
    return writer.choices.pick(writer.scope.texts) if writer.scope.texts else 'b"packet"'


def _bytes(writer: Writer, depth: int) -> str:
    return f'b"{writer.choices.pick(TEXTS)}"'


def _calling(writer: Writer, depth: int) -> str:
    """A call; where the program's own functions, which may change maps, are none of the choices, of the prelude's."""
    calls = writer.scope.functions
    if writer.pure:
        calls = [call for call in calls if not call.startswith("fn")]
    return writer.fill(writer.choices.pick(calls), depth)


_HANDLERS: dict[str, Callable[[Writer, int], str]] = {
    "i": lambda writer, depth: writer.expression("signed", depth),
    "u": lambda writer, depth: writer.expression("unsigned", depth),
    "n": _any,
    "c": lambda writer, depth: writer.expression("condition", depth),
    "k": lambda writer, depth: writer.constant(),
    "s": lambda writer, depth: writer.shift(depth),
    "m": lambda writer, depth: writer.small(depth),
    "j": lambda writer, depth: writer.small(depth, 2, 3),
    "x": lambda writer, depth: _variable(writer.scope.signed, writer),
    "w": lambda writer, depth: _variable(writer.scope.unsigned, writer),
    "f": lambda writer, depth: _place(writer, True, False),
    "g": lambda writer, depth: _place(writer, False, False),
    "h": lambda writer, depth: _place(writer, True, True),
    "t": _text,
    "b": _bytes,
    "call": _calling,
}
