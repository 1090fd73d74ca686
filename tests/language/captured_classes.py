"""Runs programs with captured objects in the current world and in CPython, and checks how they are refused."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from py2bpf import sim
from py2bpf.exception import TranslationError
from py2bpf.prog import ProgType, compile_prog, create_prog
from py2bpf.socket_filter import SkBuffContext

PACKETS = [bytes(14 + size) for size in (0, 1, 2, 3, 5, 7, 49)]


def agree(fn: Callable[[Any], int]) -> None:
    """Python's result for every packet, or the hook's fallback result if Python raises."""
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
    assert caught.value.span.filename == sys.modules[fn.__module__].__file__
    return caught.value


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


DOUBLED, ASIDE, MONEY, VERSION = Doubled(3), Aside(2), Money(5), Version(5)
MISSING, SHIFTED, WRAPPED, SIEVE, NAMES = Missing({1: 4}), Shifted({2: 6}), Wrapped((1, 2)), Sieve([1]), Names([1, 2])
