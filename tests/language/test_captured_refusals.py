"""Exceptions of captured objects, and operations that they lack, are reported at the user's line."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable
from typing import Any

import pytest
from captured_classes import DOUBLED, Point, agree, refused

from py2bpf.prog import ProgType, compile_prog
from py2bpf.socket_filter import SkBuffContext


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


class OneBit(enum.IntFlag, boundary=enum.STRICT):
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
    "__instancecheck__": (lambda skb: isinstance(skb.len, EvenNumber), "EvenNumber defines __instancecheck__()"),
    "a strict flag": (lambda skb: skb.len | OneBit.ONE, "OneBit accepts only bits that have names"),
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
