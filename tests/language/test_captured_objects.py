"""Captured objects keep the methods of their classes: in CPython, the embedded VM and the kernel alike."""

from __future__ import annotations

import enum
import functools
import types
from collections import ChainMap, Counter, OrderedDict, UserDict, defaultdict
from collections.abc import Callable
from ctypes import Structure, c_uint32, c_uint64
from typing import Any, NamedTuple

import pytest
from captured_classes import (
    ASIDE,
    DOUBLED,
    MISSING,
    MONEY,
    NAMES,
    PACKETS,
    SHIFTED,
    SIEVE,
    VERSION,
    WRAPPED,
    Point,
    agree,
    refused,
)

from py2bpf import funcs, sim
from py2bpf.datastructures import ArrayMap, HashMap
from py2bpf.prog import ProgType, create_prog
from py2bpf.socket_filter import SkBuffContext


class Watch:
    """Reaches a helper through its own methods alone."""

    def __init__(self, start: int) -> None:
        self.start = start

    def clock(self) -> Any:
        return funcs.get_smp_processor_id() & 0

    @staticmethod
    def beside() -> Any:
        return funcs.get_smp_processor_id() & 0

    @property
    def since(self) -> Any:
        return self.clock() + self.start

    def everything(self, more: int = 1) -> Any:
        return self.since + self.beside() + more


def test_methods_that_reach_helpers_run_in_the_program(backend: str) -> None:
    """Also where all their arguments are constants: CPython can't call a helper while compiling."""
    watch = Watch(40)

    def program(skb: Any) -> int:
        return watch.everything() + watch.since + watch.everything(2) + skb.len

    agree(program)


class Empty(NamedTuple):
    x: int

    def __bool__(self) -> bool:
        return self.x > 4


class Size(enum.IntEnum):
    SMALL = 2
    LARGE = 5


class Bits(enum.IntFlag):
    LOW = 1
    HIGH = 4


class UserMissing(UserDict[int, int]):
    def __missing__(self, key: int) -> int:
        return 3


COUNTER = Counter({50: 3, 1: 2})
SEVEN: defaultdict[int, int] = defaultdict(lambda: 7, {1: 2})
ZERO: defaultdict[int, int] = defaultdict(int, {2: 5})
PROXY = types.MappingProxyType(COUNTER)
ORDERED, CHAIN, USER = OrderedDict({1: 3, 5: 6}), ChainMap({1: 2}, {5: 4}), UserMissing({1: 9})
PROGRAMS: dict[str, Callable[[Any], int]] = {
    "Counter": lambda skb: COUNTER[skb.len + 1],
    "defaultdict": lambda skb: SEVEN[skb.len] * 10 + ZERO[skb.len],
    "__missing__": lambda skb: MISSING[skb.len],
    "a read-only view": lambda skb: PROXY[skb.len],
    "dict.__getitem__": lambda skb: SHIFTED[skb.len],
    "dict.get is not asked for what is missing": lambda skb: COUNTER.get(skb.len, 8) + MISSING.get(skb.len, 6),
    "dict.__contains__": lambda skb: (skb.len in SHIFTED) + 2 * (skb.len in COUNTER),
    "tuple.__getitem__": lambda skb: WRAPPED[skb.len],
    "list.__contains__": lambda skb: skb.len in SIEVE,
    "frozenset.__contains__": lambda skb: skb.len not in NAMES,
    "int.__add__": lambda skb: DOUBLED + skb.len,
    "int.__radd__": lambda skb: skb.len + DOUBLED,
    "int.__sub__ is int's": lambda skb: 99 + (DOUBLED - skb.len),
    "an operator that stands aside": lambda skb: ASIDE + skb.len,
    "a reflected operator": lambda skb: 99 + (skb.len - ASIDE),
    "int.__eq__": lambda skb: (skb.len == DOUBLED) * 2 + (DOUBLED == skb.len),
    "int.__ne__ is int's": lambda skb: skb.len != DOUBLED,
    "an index": lambda skb: (skb.len, 5, 6, 8)[DOUBLED] + (0 if DOUBLED != skb.len else 20),
    "int.__lt__": lambda skb: (DOUBLED < skb.len) + 2 * (skb.len > DOUBLED) + 4 * (skb.len < DOUBLED),
    "int.__bool__": lambda skb: (DOUBLED and 5) + 3 if skb.len else 4,
    "in-place": lambda skb: functools.reduce(lambda total, _: total, (1,), skb.len) if False else _in_place(skb),
    "no number": lambda skb: skb.len + MONEY + MONEY * skb.len,
    "its items": lambda skb: MONEY[skb.len] + (skb.len in MONEY) + MONEY(skb.len),
    "its equality": lambda skb: (MONEY == skb.len) + 2 * (skb.len == MONEY) + 4 * (skb.len != MONEY),
    "an object in a tuple": lambda skb: (skb.len in (1, MONEY)) + 2 * ((skb.len, 1) == (MONEY, 1)),
    "total_ordering": lambda skb: (VERSION > skb.len) + 2 * (VERSION <= skb.len) + 4 * (skb.len >= VERSION),
    "a named tuple's operators": lambda skb: Point(skb.len, 2) + 5,
    "a named tuple's equality": lambda skb: (Point(skb.len, 2) == 5) + 2 * (Point(skb.len, 2) != 5),
    "a named tuple's length": lambda skb: len(Point(skb.len, 2)) + (4 in Point(1, skb.len)) * 20,
    "a named tuple's truth": lambda skb: 5 if Empty(skb.len) else 6,
    "IntEnum": lambda skb: (skb.len + Size.LARGE) * 10 + (skb.len == Size.SMALL) + (skb.len in (Size.SMALL, 5)),
    "IntFlag": lambda skb: (skb.len & Bits.HIGH | Bits.LOW) + 10 * (Bits.LOW in Bits.LOW | Bits.HIGH),
    "an IntEnum on one path": lambda skb: (Size.LARGE if skb.len & 1 else 3) + 1,
    "OrderedDict": lambda skb: ORDERED[skb.len],
    "ChainMap": lambda skb: CHAIN[skb.len],
    "UserDict": lambda skb: USER[skb.len],
}


def _in_place(skb: Any) -> int:
    total = skb.len
    total += DOUBLED
    total += MONEY
    return int(total)


def _bool_of_a_loop(skb: Any) -> int:
    """Python asks bool's operators first, since a subclass of int is none of bool."""
    found, late = False, None
    for i in range(skb.len & 127):
        found = i * 3 == skb.len
        late = found if i > 5 else late
    return (found + DOUBLED) * 10 + (found == DOUBLED) + 100 * (late is True) + 200 * (found is False)


PROGRAMS["a bool of a loop"] = _bool_of_a_loop
PROGRAMS["a bool on each path"] = lambda skb: (skb.len > 4 if skb.mark else skb.len == 64) + DOUBLED
PROGRAMS["the largest of bools"] = lambda skb: max(n == skb.len for n in (1, 2, 64)) + DOUBLED


@pytest.mark.parametrize("name", PROGRAMS)
def test_operations_of_captured_objects(name: str, backend: str) -> None:
    agree(PROGRAMS[name])


class Limits:
    """Has to do with maps in every way that a class can."""

    def __init__(self, table: Any) -> None:
        self.table = table
        self.number = 4

    @property
    def limit(self) -> Any:
        return self.table[1]

    @limit.setter
    def limit(self, value: Any) -> None:
        self.table[1] = value

    @functools.cached_property
    def cached(self) -> Any:
        return self.table[1] + 1

    @property
    def constant(self) -> int:
        return self.number + 1

    def __getattr__(self, name: str) -> Any:
        if name == "hooked":
            return self.table[1] * 3
        raise AttributeError(name)

    def __getitem__(self, key: Any) -> Any:
        return self.table[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.table[key] = value + 1

    def __delitem__(self, key: Any) -> None:
        self.table[key] = 0

    def __add__(self, other: Any) -> Any:
        return self.table[1] + other

    def __neg__(self) -> Any:
        return self.table[1] * 5

    def __eq__(self, other: object) -> Any:
        return self.table[1] == other

    def __bool__(self) -> bool:
        return self.table[1] > 2

    __hash__ = None  # type: ignore[assignment]


class Descriptor:
    def __get__(self, obj: Any, owner: Any = None) -> Any:
        return obj.table[1] * 7


class Described:
    field = Descriptor()

    def __init__(self, table: Any) -> None:
        self.table = table


def test_what_reads_maps_is_asked_at_run_time(backend: str) -> None:
    with HashMap(c_uint32, c_uint64, 8) as table:
        limits, described = Limits(table), Described(table)

        def attributes(skb: Any) -> int:
            return limits.limit + limits.cached * 10 + limits.constant * 1000 + limits.hooked * 10_000 + described.field

        def operations(skb: Any) -> int:
            limits[5] = skb.len
            limits.limit = limits.limit + 1
            limits[6] += 2
            del limits[7]
            return (limits[5] + limits[1] * 10 + (limits + 1) * 100 + -limits * 1000
                    + (limits == 6) * 10_000 + (20_000 if limits else 40_000))  # fmt: skip

        for fn in (attributes, operations):
            with create_prog(ProgType.SOCKET_FILTER, SkBuffContext, fn) as prog:
                for number in (0, 1, 5):  # after the program was compiled
                    table.update({1: number, 6: 1, 7: 2})
                    vars(limits).pop("cached", None)
                    wanted = sim.run(fn, PACKETS[4], hook="socket_filter", isolated=True, raise_errors=True)
                    assert prog.test_run(PACKETS[4]).retval == wanted.retval
                    assert dict(wanted.items(table)) == dict(table.items())


def test_a_map_s_own_methods(backend: str) -> None:
    class Counted(HashMap):  # type: ignore[type-arg]
        def __getitem__(self, key: Any) -> Any:
            return self.get(key, 7)

        def twice(self, key: Any) -> Any:
            return self.get(key, 1) * 2

    with Counted(c_uint32, c_uint64, 8) as table:
        table.update({1: 3})

        def prog(skb: Any) -> int:
            return table[skb.len] * 10 + table.twice(skb.len)  # type: ignore[no-any-return]

        with create_prog(ProgType.SOCKET_FILTER, SkBuffContext, prog) as loaded:
            assert loaded.test_run(PACKETS[1]).retval == 36
            assert loaded.test_run(PACKETS[2]).retval == 72


class Attributes(dict[str, int]):
    """Everybody's AttrDict."""

    __getattr__ = dict.__getitem__


ATTRIBUTES = Attributes(limit=5)


def test_a_dict_whose_items_are_attributes(backend: str) -> None:
    agree(lambda skb: ATTRIBUTES.limit + skb.len + ATTRIBUTES["limit"])


class Strict:
    """Raises for every attribute that it hasn't, and can be called."""

    def __call__(self) -> int:
        return 7

    def __getattr__(self, name: str) -> Any:
        raise LookupError(name)


class Lenient(Strict):
    """Has whatever it is asked for."""

    def __getattr__(self, name: str) -> Any:
        return [name]


STRICT, LENIENT = Strict(), Lenient()


def test_a_callable_object_is_asked_for_no_attributes(backend: str) -> None:
    agree(lambda skb: STRICT() + LENIENT() + skb.len)


class Slotted:
    """Has no __dict__ of its own, and whatever else it is asked for."""

    __slots__ = ("known",)

    def __init__(self, known: set[str]) -> None:
        self.known = known

    def __getattr__(self, name: str) -> Any:
        return int(name in self.known)

    def __bool__(self) -> bool:
        return "on" in self.known


ON, OFF = Slotted({"on"}), Slotted({"off"})


def test_an_object_without_a_dict_that_has_every_attribute(backend: str) -> None:
    agree(lambda skb: skb.len if ON else 7)
    agree(lambda skb: (skb.len if OFF else 7) + OFF.off)


def test_an_array_without_a_truth_value() -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.zeros(3)
    assert "ambiguous" in refused(lambda skb: 1 if array else 2).msg


class Fields(Structure):
    _fields_ = [("a", c_uint32), ("b", c_uint32)]


Fields.a = property(lambda self: self.b * 2)  # type: ignore[assignment]


def test_an_overwritten_field(backend: str) -> None:
    def reading(skb: Any) -> int:
        fields = Fields()
        fields.b = skb.len
        return fields.a + 1

    def writing(skb: Any) -> int:
        fields = Fields()
        fields.a = skb.len
        return 1

    agree(reading)
    assert "no longer a field" in refused(writing).msg


class Vector(Structure):
    _fields_ = [("x", c_uint32), ("y", c_uint32)]

    def __eq__(self, other: object) -> Any:
        return self.x == other.x  # type: ignore[attr-defined]

    def __add__(self, other: Any) -> Any:
        return self.x + self.y + other

    def __getitem__(self, index: Any) -> Any:
        return self.y + index

    def __contains__(self, number: Any) -> bool:
        return number == self.y

    __hash__ = None  # type: ignore[assignment]


class Row(c_uint32 * 4):  # type: ignore[misc]
    def __getitem__(self, index: Any) -> Any:
        return index + 100


def test_what_a_program_makes_itself(backend: str) -> None:
    def prog(skb: Any) -> int:
        one, other, row = Vector(skb.len, 2), Vector(5, 7), Row(1, 2, 3, 4)
        found = (one == other) + 2 * (one != other) + 4 * (2 in one)
        return found + (one + 3) * 10 + one[skb.len] * 1000 + row[skb.len & 3] * 100_000

    agree(prog)


class Place:
    def __init__(self, place: int) -> None:
        self.place = place

    def __index__(self) -> int:
        return self.place


def by_places(skb: Any) -> Any:
    fixed, items, pair = (c_uint32 * 4)(1, 2, 3, 4), [skb.len, 5, 6], (skb.len, 7)
    items[SECOND] = skb.len + 1
    fixed[LAST] = 8
    fixed[SECOND] += 9
    found = items[SECOND] + 100 * pair[LAST] + fixed[SECOND] + fixed[3] + items.pop(SECOND)
    for number in range(SECOND, skb.len & 15, SECOND):
        found += number
    repeated = [skb.len] * SECOND + list((skb.mark,) * SECOND)
    return found + len(repeated) + max(n for n, _ in enumerate(pair, SECOND))


SECOND, LAST, FAR = Place(1), Place(-1), Place(2)


@pytest.mark.parametrize("fn", [by_places, lambda skb: (skb.len, 7)[FAR]], ids=["numbers", "too far"])
def test_objects_that_are_an_index(fn: Callable[[Any], Any], backend: str) -> None:
    agree(fn)


@pytest.mark.parametrize("cls", [HashMap, ArrayMap], ids=["hash", "array"])
def test_an_index_of_a_map(cls: Any, backend: str) -> None:
    def prog(skb: Any) -> Any:
        m[SECOND] = 7
        m[SECOND] += 2
        return m[SECOND] + m[1]

    with cls(c_uint32, c_uint32, 4) if cls is HashMap else cls(c_uint32, 4) as m:
        agree(prog)
