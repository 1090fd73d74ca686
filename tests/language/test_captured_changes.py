"""Code that would change a captured object while a program is compiled is refused; code that only seems to is accepted.
"""

from __future__ import annotations

import types
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterator
from ctypes import c_uint32, c_uint64
from typing import Any

import pytest
from captured_classes import PACKETS, SIEVE, agree, refused

from py2bpf import Global
from py2bpf.datastructures import HashMap
from py2bpf.exception import TypeMismatch, UnsupportedSyntax
from py2bpf.prog import ProgType, compile_prog, create_prog
from py2bpf.socket_filter import SkBuffContext


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
    """Whether a call changed a container is decided by its content, not by its own methods."""
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
