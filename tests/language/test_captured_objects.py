"""Captured objects keep the methods of their classes: in CPython, the embedded VM and the kernel alike."""

from __future__ import annotations

import dataclasses
import enum
import functools
import types
from array import array
from collections import ChainMap, Counter, OrderedDict, UserDict, defaultdict, deque
from collections.abc import Callable, Iterator
from ctypes import Structure, c_uint32, c_uint64
from typing import Any, NamedTuple

import pytest

from py2bpf import Global, funcs, sim
from py2bpf.datastructures import ArrayMap, HashMap
from py2bpf.exception import TranslationError, TypeMismatch, UnsupportedSyntax
from py2bpf.prog import ProgType, compile_prog, create_prog
from py2bpf.socket_filter import SkBuffContext

PACKETS = [bytes(14 + size) for size in (0, 1, 2, 3, 5, 7, 49)]


def agree(fn: Callable[[Any], int]) -> None:
    """Python's answer on every packet, and what ends the program where Python raises."""
    with create_prog(ProgType.SOCKET_FILTER, SkBuffContext, fn) as prog:
        for packet in PACKETS:
            before = sum(prog.errors.values())
            simulated = sim.run(fn, packet, hook="socket_filter")
            assert prog.test_run(packet).retval == simulated.retval, len(packet)
            assert sum(prog.errors.values()) - before == (simulated.exception is not None)


def refused(fn: Callable[[Any], int]) -> TranslationError:
    with pytest.raises(TranslationError) as caught:
        compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, fn)
    assert caught.value.hints and caught.value.span is not None
    assert caught.value.span.filename == __file__
    return caught.value


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


class Doubled(int):
    def __add__(self, other: Any) -> Any:
        return int(self) * 2 + other

    def __radd__(self, other: Any) -> Any:
        return other * 100 + int(self)

    def __eq__(self, other: object) -> bool:
        return other == 7

    def __lt__(self, other: Any) -> bool:
        return bool(other & 1)

    def __bool__(self) -> bool:
        return False

    __hash__ = int.__hash__


class Aside(int):
    def __add__(self, other: Any) -> Any:
        return NotImplemented

    def __rsub__(self, other: Any) -> Any:
        return other - int(self) if other > 3 else 77


class Money:
    """No number of Python's."""

    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __radd__(self, other: Any) -> Any:
        return other + self.cents

    def __mul__(self, other: Any) -> Any:
        return self.cents * other

    def __contains__(self, number: Any) -> bool:
        return number in (self.cents, 5)

    def __getitem__(self, number: Any) -> Any:
        return self.cents + number * 3

    def __call__(self, number: Any) -> Any:
        return self.cents ^ number

    def __eq__(self, other: object) -> Any:
        return NotImplemented if isinstance(other, str) else other == self.cents

    __hash__ = None  # type: ignore[assignment]


@functools.total_ordering
class Version:
    def __init__(self, number: int) -> None:
        self.number = number

    def __eq__(self, other: object) -> Any:
        return self.number == other

    def __lt__(self, other: Any) -> Any:
        return self.number < other


class Missing(dict[int, int]):
    def __missing__(self, key: int) -> int:
        return key * 10


class Shifted(dict[int, int]):
    def __getitem__(self, key: int) -> int:
        return self.get(key + 1, 9)

    def __contains__(self, key: object) -> bool:
        return key == 5


class Wrapped(tuple[int, ...]):
    def __getitem__(self, index: Any) -> Any:
        return index % 3 + 1000


class Sieve(list[int]):
    def __contains__(self, number: Any) -> bool:
        return number % 2 == 0


class Names(frozenset[int]):
    def __contains__(self, number: Any) -> bool:
        return number > 4


class Point(NamedTuple):
    x: int
    y: int

    def __add__(self, other: Any) -> Any:
        return self.x * 10 + self.y + other

    def __eq__(self, other: object) -> bool:
        return self.x == other

    def __len__(self) -> int:
        return 9

    def __contains__(self, number: Any) -> bool:
        return number == self.y + 1

    __hash__ = None  # type: ignore[assignment]


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


DOUBLED, ASIDE, MONEY, VERSION = Doubled(3), Aside(2), Money(5), Version(5)
COUNTER = Counter({50: 3, 1: 2})
SEVEN: defaultdict[int, int] = defaultdict(lambda: 7, {1: 2})
ZERO: defaultdict[int, int] = defaultdict(int, {2: 5})
MISSING, SHIFTED, WRAPPED, SIEVE, NAMES = Missing({1: 4}), Shifted({2: 6}), Wrapped((1, 2)), Sieve([1]), Names([1, 2])
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


class Raising:
    @property
    def limit(self) -> int:
        raise LookupError("nothing there")

    def _raise(self, *args: Any) -> Any:
        raise RuntimeError("not today")

    __bool__ = __iter__ = __getitem__ = __repr__ = __add__ = __format__ = __neg__ = __contains__ = _raise
    __hash__ = _raise


RAISING = Raising()
BROKEN: dict[str, Callable[[Any], Any]] = {
    "a property": lambda skb: RAISING.limit,
    "hasattr": lambda skb: hasattr(RAISING, "limit"),
    "its truth": lambda skb: 1 if RAISING else 2,
    "its iterator": lambda skb: [skb.len for x in RAISING],
    "its items": lambda skb: RAISING[1],
    "its operator": lambda skb: RAISING + 1,
    "its sign": lambda skb: -RAISING,  # type: ignore[operator]
    "its text": lambda skb: f"{RAISING}",
    "its representation": lambda skb: f"{RAISING!r}",
    "its members": lambda skb: 1 in RAISING,  # type: ignore[operator]
    "as a number": lambda skb: skb.len + RAISING,
    "unpacked": lambda skb: (lambda a, b: a)(*RAISING),
    "printed": lambda skb: print(RAISING),
    "a key": lambda skb: {1: skb.len}[RAISING],  # type: ignore[index]
    "a key of a new dict": lambda skb: len({RAISING: 1}),
    "a member of a new set": lambda skb: skb.len in {RAISING},
    "a key of get()": lambda skb: {1: skb.len}.get(RAISING),  # type: ignore[call-overload]
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_it_raises_is_told_on_the_users_line(name: str) -> None:
    error = refused(BROKEN[name])
    assert error.span is not None and error.line == BROKEN[name].__code__.co_firstlineno
    assert "Error: n" in str(error) or name == "as a number"


def endless(n: int) -> int:
    return endless(n + 1)


def test_an_endless_recursion_is_the_users_error() -> None:
    error = refused(lambda skb: endless(0))
    assert error.msg.startswith("endless() fails while compiling: RecursionError")
    assert isinstance(error.__cause__, RecursionError) and "endless(0)" in str(error)


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_process_ends_the_compilation(end: type[BaseException]) -> None:
    def ending() -> int:
        raise end

    with pytest.raises(end):
        compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, lambda skb: ending())


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
    assert "no field any more" in refused(writing).msg


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


class Foreign(dict[int, int]):
    __getitem__ = dict.get  # type: ignore[assignment]


class Made(Point):
    def __new__(cls, x: int) -> Made:
        return super().__new__(cls, x, x)


class Renamed(Point):
    x = property(lambda self: self.y)  # type: ignore[assignment]


class Walked(Point):
    def __iter__(self) -> Any:
        return iter((1, 2))


class Even(type):
    def __instancecheck__(cls, number: Any) -> bool:
        return number % 2 == 0


class EvenNumber(metaclass=Even):
    pass


class Strict(enum.IntFlag, boundary=enum.STRICT):
    ONE = 1


class Odd(int):
    def __hash__(self) -> int:
        return 5

    def __eq__(self, other: object) -> bool:
        return True


class Silent:
    def __radd__(self, other: Any) -> Any:
        return NotImplemented


def _met(skb: Any) -> Any:
    number = 3
    if skb.len:
        number = DOUBLED
    for i in range(skb.mark):
        if i == 5:
            return 1
    return number + 1


def _bool_on_a_path(skb: Any) -> Any:
    answer = skb.len
    if skb.mark:
        answer = skb.len == 64
    return answer + DOUBLED


def _bool_in_a_loop(skb: Any) -> Any:
    answer = skb.len
    for i in range(skb.mark):
        answer = skb.len == i
    return answer == DOUBLED


def _bool_before_a_loop(skb: Any) -> Any:
    answer = skb.len == 64
    for i in range(skb.mark):
        answer = i
    return answer == DOUBLED


FOREIGN, ODD, SILENT = Foreign({1: 2}), {Odd(3): 4}, Silent()
REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "no Python function": (lambda skb: FOREIGN[skb.len], "Foreign.__getitem__ is no Python function"),
    "__new__": (lambda skb: Made(skb.len).x, "Made is made by a method of its class"),
    "__iter__": (lambda skb: sum(Walked(skb.len, 1)), r"Walked.__iter__() can't go through run-time values"),
    "__instancecheck__": (lambda skb: isinstance(skb.len, EvenNumber), "EvenNumber decides by a method"),
    "a strict flag": (lambda skb: skb.len | Strict.ONE, "Strict takes no bits that it has no names for"),
    "a key with its own hash": (lambda skb: ODD[skb.len], "is a key by the == and hash() of its class"),
    "neither side": (lambda skb: skb.len + SILENT, "the operator + is defined neither by"),
    "min": (lambda skb: min(skb.len, DOUBLED), "of run-time values asks no methods, as the Doubled 3 has them"),
    "divmod": (lambda skb: divmod(skb.len, DOUBLED)[0], "divmod() of run-time values asks no methods"),
    "met with a number": (lambda skb: _met(skb), "on one path"),
    "a bool on one path": (_bool_on_a_path, "a bool on one path and another number on another"),
    "a bool in a loop": (_bool_in_a_loop, "a bool on one path and another number on another"),
    "a bool before a loop": (_bool_before_a_loop, "a bool on one path and another number on another"),
    "a bool in a dict": (lambda skb: {64: True, 5: 3}[skb.len] + DOUBLED, "a bool on one path and another"),
    "a bool for a default": (lambda skb: {64: 3}.get(skb.len, False) + DOUBLED, "a bool on one path and another"),
    "the least, a bool or not": (lambda skb: min(skb.len, skb.mark == 1) + DOUBLED, "a bool on one path and another"),
    "some, bools or not": (lambda skb: min(n for n in (skb.len, skb.mark == 1)) + DOUBLED, "a bool on one path"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_program_can_ask_is_refused(name: str) -> None:
    fn, message = REFUSED[name]
    assert message in refused(fn).msg


def test_a_renamed_item(backend: str) -> None:
    agree(lambda skb: Renamed(1, skb.len).x)


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


@dataclasses.dataclass(order=True, frozen=True)
class Pair:
    x: int
    y: int


PAIR, SAME = Pair(14, 2), Pair(14, 2)
UNLIKE: dict[str, Callable[[Any], Any]] = {
    "==": lambda skb: (skb.len == PAIR) + 2 * (PAIR == skb.len) + 4 * (PAIR == SAME),
    "!=": lambda skb: (skb.len != PAIR) + 2 * (PAIR != skb.len),
    "in": lambda skb: (skb.len in (PAIR, 16)) + 2 * (skb.len in {PAIR: 1}),
    "a bool": lambda skb: ((skb.len > 15) == PAIR) + 2 * ((skb.len > 15).__class__ is bool),
    "the class": lambda skb: (skb.len.__class__ is Pair) + 2 * (PAIR.__class__ is not skb.len.__class__),
}


@pytest.mark.parametrize("name", UNLIKE)
def test_a_dataclass_is_no_number(name: str, backend: str) -> None:
    agree(UNLIKE[name])


def test_the_order_of_a_dataclass_and_a_number_is_refused_on_the_users_line() -> None:
    assert "the comparison < is defined neither by" in refused(lambda skb: PAIR < skb.len).msg


# changing what is captured


class Tally:
    def __init__(self) -> None:
        self.n = 0
        self.seen: set[int] = set()
        self.lazy: Any = None

    def hit(self) -> None:
        self.n += 1

    def see(self) -> None:
        self.seen.add(self.n)

    def cache(self) -> int:
        if self.lazy is None:
            self.lazy = 5
        self.more = 6
        return int(self.lazy)


def changes() -> dict[str, tuple[Callable[[Any], Any], str]]:
    tally, counts, items, number = Tally(), Counter[int](), [1, 2], 0

    def bump() -> int:
        nonlocal number
        number += 1
        return number

    def augmented(skb: Any) -> int:
        counts[skb.len] += 1
        return 1

    def assigned(skb: Any) -> int:
        counts[1] = 2
        return 1

    def attribute(skb: Any) -> int:
        tally.n = 5
        return 1

    return {
        "an item": (augmented, "can't assign to an item of the Counter"),
        "an item by a constant key": (assigned, "can't assign to an item of the Counter"),
        "an attribute": (attribute, "can't assign to an attribute of a captured Tally"),
        "setattr": (lambda skb: setattr(tally, "n", 5), "can't assign to an attribute of a captured Tally"),
        "a method that counts": (lambda skb: tally.hit(), "changes the Tally's n"),
        "a method that gathers": (lambda skb: tally.see(), "changes the Tally's seen"),
        "an unbound method": (lambda skb: list.append(items, 3), "changes a list that it is given"),
        "a variable around it": (lambda skb: bump(), "changes 'number'"),
        "a global": (lambda skb: count_up(), "changes 'COUNT'"),
        "an object that a function names": (lambda skb: hit_tally(), "changes the Tally's n"),
        "a list that grows": (lambda skb: grow(), "changes 'GROWING'"),
        "a list's subclass": (lambda skb: list.append(SIEVE, 3), "changes a Sieve that it is given"),
        "append": (lambda skb: items.append(3), "can't call .append() of a captured list"),
        "subtract": (lambda skb: counts.subtract((1,)), "can't call .subtract() of a captured dict"),
    }


COUNT = 0
TALLY = Tally()


GROWING = [1]


def grow() -> int:
    mine = GROWING
    mine += [2]
    return len(mine)


def hit_tally() -> None:
    TALLY.n += 1


def count_up() -> int:
    global COUNT
    COUNT += 1
    return COUNT


@pytest.mark.parametrize("name", changes())
def test_changing_it_is_refused(name: str) -> None:
    fn, message = changes()[name]
    error = refused(fn)
    assert message in error.msg
    assert isinstance(error, (UnsupportedSyntax, TypeMismatch)) and "map" in error.hints[-1]


def test_what_is_computed_once_may_be_kept() -> None:
    tally = Tally()
    compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, lambda skb: tally.cache())


def test_a_global_is_no_such_object(backend: str) -> None:
    with Global(c_uint64, 3) as number:
        class Holder:
            @property
            def double(self) -> Any:
                return number.value * 2

        holder = Holder()
        with create_prog(ProgType.SOCKET_FILTER, SkBuffContext, lambda skb: holder.double) as prog:
            number.value = 8
            assert prog.test_run(PACKETS[0]).retval == 16


class LongList(list[int]):
    def __len__(self) -> int:
        return 7

    def __iter__(self) -> Iterator[int]:
        return iter((1, 2))

    def __getitem__(self, index: Any) -> Any:
        return 5

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = None  # type: ignore[assignment]


class LongDict(dict[int, int]):
    def __len__(self) -> int:
        return 7

    def __contains__(self, key: object) -> bool:
        return False


class LongSet(set[int]):
    def __len__(self) -> int:
        return 7

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = None  # type: ignore[assignment]


class LongBytes(bytearray):
    def __len__(self) -> int:
        return 7


class LongDeque(deque[int]):
    def __len__(self) -> int:
        return 7


class LongArray(array):
    def __len__(self) -> int:
        return 7


LONG = [LongList([1]), LongDict({1: 2}), LongSet({1}), LongBytes(b"1"), LongDeque([1]), LongArray("i", [1])]


def counted(items: Any) -> int:
    setattr(types.SimpleNamespace(), "some", 1)  # a name for which the contents are compared, too
    return len(items)


@pytest.mark.parametrize("items", LONG, ids=lambda items: type(items).__name__)
def test_a_container_that_tells_another_length_has_not_changed(items: Any, backend: str) -> None:
    """Whether a call changed a container is seen in what it holds, not in what its own methods say."""
    agree(lambda ctx: len(items) + bool(items) * 10 + (20 if items else 30) + counted(items))


def test_a_change_is_seen_past_the_methods_of_its_class() -> None:
    items = LongList([1])

    def add(items: LongList) -> int:
        items.append(2)
        return len(items)

    assert "changes a LongList that it is given" in str(refused(lambda ctx: add(items)))


def test_closures_of_the_same_code_hold_different_things(backend: str) -> None:
    def reader(source: Any) -> Callable[[], int]:
        return lambda: source[1]

    m = HashMap(c_uint32, c_uint32, 4)
    of_dict, of_map = reader({1: 2}), reader(m)

    def both() -> int:
        return of_dict() + of_map()

    with create_prog(ProgType.SOCKET_FILTER, SkBuffContext, lambda skb: both()) as prog:
        for value in (5, 6):
            m[1] = value
            assert prog.test_run(PACKETS[0]).retval == 2 + value
