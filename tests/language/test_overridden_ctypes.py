"""Classes of ctypes with operations of their own, in maps: where an object is there, where there is none, and where it
is the program's. CPython, the embedded VM and the kernel agree, or the program is refused."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Iterator
from ctypes import Structure, c_char, c_uint32
from typing import Any

import pytest

from py2bpf import funcs, sim, vm
from py2bpf.datastructures import HashMap
from py2bpf.exception import TranslationError
from py2bpf.prog import ProgType, compile_prog, create_prog
from py2bpf.socket_filter import SkBuffContext

PACKETS = [bytes(14 + size) for size in (0, 1, 2, 3, 7)]


class Words(ctypes.Array):  # type: ignore[type-arg]
    _type_ = c_uint32
    _length_ = 4


class Items(Words):
    def __getitem__(self, index: Any) -> Any:
        return index + 70

    def __setitem__(self, index: Any, value: Any) -> None:
        pass

    def __delitem__(self, index: Any) -> None:
        pass


class Asked(Words):
    def __len__(self) -> int:
        return 9

    def __contains__(self, number: object) -> bool:
        return number == 42

    def __eq__(self, other: object) -> bool:
        return other is None or other == 21

    def __bool__(self) -> bool:
        return False

    __hash__ = None  # type: ignore[assignment]


class Walked(Words):
    def __iter__(self) -> Any:
        return iter((5,))

    def __reversed__(self) -> Any:
        return iter((6,))


class Named(Words):
    limit = 12

    @property
    def second(self) -> Any:
        return self[1] + 2

    def seven(self) -> int:
        return 7


class Number(Structure):
    _fields_ = [("n", c_uint32)]

    def __lt__(self, other: Any) -> Any:
        return other & 1

    def __add__(self, other: Any) -> Any:
        return 5 if other is None else self.n + other

    def __radd__(self, other: Any) -> Any:
        return self.n * 2 + other

    def __iadd__(self, other: Any) -> Any:
        self.n = other * 3
        return self

    def __getitem__(self, index: Any) -> Any:
        return self.n + index


class Shadowed(Number):
    n = property(lambda self: 5, lambda self, value: None)


class Either:
    """Computes with None too."""

    def __add__(self, other: Any) -> int:
        return 55 if other is None else 66

    def __radd__(self, other: Any) -> int:
        return 56 if other is None else 67

    def __eq__(self, other: object) -> bool:
        return other is None

    __hash__ = None  # type: ignore[assignment]


class Chars(c_char * 8):  # type: ignore[misc]
    def __len__(self) -> int:
        return 3

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def add(value: Any, number: Any) -> Any:
    value += number
    return value[0]


def store(value: Any, index: Any) -> Any:
    value[1] = 4
    value[index & 3] += 5
    del value[2]
    return value[1]


def shadow(value: Any, number: Any) -> Any:
    value.n += number
    return value.n


EITHER = Either()
USES: dict[str, tuple[type, Callable[[Any, Any], Any]]] = {
    "[]": (Items, lambda value, n: value[1] + value[n & 3]),
    "[] =, [] += and del": (Items, store),
    "len": (Asked, lambda value, n: len(value)),
    "in": (Asked, lambda value, n: (42 in value) + 2 * (n in value) + 4 * (7 not in value)),
    "==": (Asked, lambda value, n: (value == n) + 2 * (n == value) + 4 * (value == None) + 8 * (value == 21)),  # noqa: E711
    "!=": (Asked, lambda value, n: (value != n) + 2 * (n != value) + 4 * (value is None) + 8 * (value in (n, 1))),
    "truth": (Asked, lambda value, n: (1 if value else 2) + (4 if not value else 8) + 16 * bool(value)),
    "and, or": (Asked, lambda value, n: (value and 3) or 4),
    "a method": (Named, lambda value, n: value.seven()),
    "a property": (Named, lambda value, n: value.second),
    "an attribute": (Named, lambda value, n: value.limit),
    "<": (Number, lambda value, n: (value < n) + 2 * (n > value)),
    "+": (Number, lambda value, n: value + n),
    "+ reflected": (Number, lambda value, n: n + value),
    "+=": (Number, add),
    "+ of both": (Number, lambda value, n: (value + EITHER) * 100 + (EITHER + value)),
    "== of both": (Asked, lambda value, n: (value == EITHER) + 2 * (EITHER == value) + 4 * (EITHER != value)),
    "a struct's []": (Number, lambda value, n: value[n]),
    "a property in a field's place": (Shadowed, shadow),
    "match": (Words, lambda value, n: matched(value)),
}


def matched(value: Any) -> int:
    match value:
        case [_, _, _, _]:
            return 1
        case _:
            return 2


Programs = tuple[Callable[[Any], Any], ...]


@contextlib.contextmanager
def programs(cls: Any, use: Callable[[Any, Any], Any]) -> Iterator[Programs]:
    """The use on what may be missing, is missing, is there, and is made by the program."""
    with HashMap(c_uint32, cls, 4) as m:
        m[0] = cls()
        yield (lambda skb: use(m.get(skb.len & 1), skb.len), lambda skb: use(m.get(1), 3),
               lambda skb: use(m[0], 21), lambda skb: use(cls(), skb.len))  # fmt: skip


@pytest.mark.filterwarnings("ignore::py2bpf.exception.PossiblyNone")
@pytest.mark.parametrize("name", USES)
def test_the_class_is_asked(name: str, backend: str) -> None:
    with programs(*USES[name]) as found:
        agree(found)


def agree(found: Programs) -> None:
    for fn in found:
        with create_prog(ProgType.SOCKET_FILTER, SkBuffContext, fn) as prog:
            for packet in PACKETS:
                before = dict(prog.errors)
                wanted = sim.run(fn, packet, hook="socket_filter")
                assert prog.test_run(packet).retval == wanted.retval, len(packet)
                raised = [site.error for site, count in prog.errors.items() if count != before.get(site, 0)]
                assert raised == ([type(wanted.exception).__name__] if wanted.exception is not None else [])


def copied(value: Any, n: Any) -> Any:
    words = (c_uint32 * 4)()
    words[0:4] = value
    return words[n & 3]


def looped(value: Any, n: Any) -> Any:
    for item in value:
        n += item
    return n


REFUSED: dict[str, tuple[type, Callable[[Any, Any], Any]]] = {
    "a loop": (Walked, looped),
    "a loop over items of its own": (Items, looped),
    "in": (Walked, lambda value, n: n in value),
    "sum": (Walked, lambda value, n: sum(value)),
    "max": (Items, lambda value, n: max(value)),
    "reversed": (Walked, lambda value, n: sum(reversed(value))),
    "reversed with its own length": (Asked, lambda value, n: sum(reversed(value))),
    "list": (Items, lambda value, n: list(value)[n & 1]),
    "enumerate": (Walked, lambda value, n: sum(i for i, _ in enumerate(value))),
    "a star": (Items, lambda value, n: max(*value)),
    "a slice's source": (Items, copied),
    "text's length": (Chars, lambda value, n: len(value)),
    "text's ==": (Chars, lambda value, n: value == b"ab"),
    "an address": (Items, lambda value, n: funcs.probe_read_kernel(funcs.addrof(value[1]), 4, value)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_program_can_ask_is_refused(name: str) -> None:
    cls, use = REFUSED[name]
    with vm.backend("vm"), programs(cls, use) as found:
        for fn in found[: 3 if cls is Chars else 4]:  # the program's own is an object, and no text
            with pytest.raises(TranslationError) as caught:
                compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, fn)
            assert caught.value.hints
