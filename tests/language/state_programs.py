"""Programs that would change a captured object, each once while compiling."""

from __future__ import annotations

import array
import collections
import ctypes
import functools
import heapq
import itertools
import types
from collections.abc import Callable, Iterator
from typing import Any

PACKET = bytes(14 + 5)


class Base:
    registered: list[int] = []


class Counting(Base):
    total = 0
    step = 0
    __slots__ = ("slot",)

    def __init__(self) -> None:
        self.n = 0
        self.slot = 0
        self.inner = types.SimpleNamespace(n=0)

    def by_class(self) -> int:
        Counting.total += 1
        return Counting.total

    def by_type(self) -> int:
        type(self).total += 1
        return self.total

    @classmethod
    def by_cls(cls) -> int:
        cls.total += 1
        return cls.total

    @staticmethod
    def by_base() -> int:
        Base.registered.append(1)
        return len(Base.registered)

    @property
    def property(self) -> int:
        self.n += 1
        return self.n

    def hiding(self) -> int:
        self.step += 1
        return self.step

    def in_slot(self) -> int:
        self.slot += 1
        return self.slot

    def deep(self) -> int:
        self.inner.n += 1
        return int(self.inner.n)

    def deleting(self) -> int:
        del self.slot
        return 1

    def _count(self, *args: Any) -> int:
        self.n += 1
        return self.n

    __call__ = __add__ = __getitem__ = __len__ = __neg__ = __contains__ = _count

    def __iter__(self) -> Iterator[int]:
        self.n += 1
        return iter((self.n,))

    def __getattr__(self, name: str) -> int:
        if name != "hooked":
            raise AttributeError(name)
        self.n += 1
        return self.n


def attribute() -> int:
    attribute.n += 1  # type: ignore[attr-defined]
    return attribute.n  # type: ignore[attr-defined, no-any-return]


attribute.n = 0  # type: ignore[attr-defined]
MODULE: Any = types.ModuleType("found")
MODULE.n = 0


def by_module() -> int:
    MODULE.n += 1
    return int(MODULE.n)


class Buffers:
    """What helpers change, one by one."""

    fixed = (ctypes.c_uint32 * 1)()
    struct = type("Pair", (ctypes.Structure,), {"_fields_": [("a", ctypes.c_uint32)]})()
    numbers = array.array("i", [0])
    octets = bytearray(1)
    queue = collections.deque([0])
    heap = [5]
    order = collections.OrderedDict(a=1, b=2)
    nested: dict[str, Any] = {"a": {"b": [0]}}


FIXED, STRUCT, NUMBERS, OCTETS = Buffers.fixed, Buffers.struct, Buffers.numbers, Buffers.octets
QUEUE, HEAP, ORDER, NESTED = Buffers.queue, Buffers.heap, Buffers.order, Buffers.nested
DEFAULT: collections.defaultdict[int, int] = collections.defaultdict(int)


def in_array() -> int:
    FIXED[0] += 1
    return int(FIXED[0])


def in_struct() -> int:
    STRUCT.a += 1
    return int(STRUCT.a)


def in_numbers() -> int:
    NUMBERS[0] += 1
    return NUMBERS[0]


def in_bytes() -> int:
    OCTETS[0] += 1
    return OCTETS[0]


def in_queue() -> int:
    QUEUE[0] += 1
    return QUEUE[0]


def in_nested() -> int:
    NESTED["a"]["b"][0] += 1
    return int(NESTED["a"]["b"][0])


def in_heap() -> int:
    heapq.heappush(HEAP, len(HEAP))
    return len(HEAP)


def in_order() -> int:
    ORDER.move_to_end(next(iter(ORDER)))
    return list(ORDER).index("a") + len(ORDER)


def in_default_dict() -> int:
    DEFAULT[len(DEFAULT)]
    return len(DEFAULT)


def by_default(found: list[int] = []) -> int:
    found.append(1)
    return len(found)


def raising() -> int:
    NESTED["a"]["b"][0] += 1
    raise LookupError("nothing")


def by_callback() -> int:
    return sorted((1, 2), key=lambda number: in_nested() + number)[0]


GENERATOR, ITERATOR = (number for number in range(1, 99)), iter(list(range(99)))
NUMBERED = itertools.count(1)


def _closure() -> Callable[[], int]:
    n = 0

    def bump() -> int:
        nonlocal n
        n += 1
        return n

    return bump


def _deleted() -> Callable[[], int]:
    n = 1

    def delete() -> int:
        nonlocal n
        del n
        return 1

    return delete


def programs() -> dict[str, tuple[Callable[[Any], Any], str]]:
    c, nested = Counting(), {"a": Counting()}
    bump, delete, partial = _closure(), _deleted(), functools.partial(Counting.by_class, c)
    return {
        "a class's attribute": (lambda skb: c.by_class(), "Counting.total"),
        "the attribute of an object's class": (lambda skb: c.by_type(), "Counting.total"),
        "an object made on the way": (lambda skb: Counting().by_type(), "Counting.total"),
        "a class method": (lambda skb: Counting.by_cls(), "Counting.total"),
        "what a base class holds": (lambda skb: c.by_base(), "Base.registered"),
        "a property": (lambda skb: c.property, "the Counting's n"),
        "an attribute that hides the class's": (lambda skb: c.hiding(), "the Counting's attributes"),
        "a slot": (lambda skb: c.in_slot(), "the Counting's slot"),
        "a deleted slot": (lambda skb: c.deleting(), "the Counting's slot"),
        "an object inside": (lambda skb: c.deep(), "the SimpleNamespace's n"),
        "an object in a dict": (lambda skb: nested["a"].in_slot(), "the Counting's slot"),
        "a partial": (lambda skb: partial(), "Counting.total"),
        "__call__": (lambda skb: c(), "the Counting's n"),
        "__add__": (lambda skb: c + 1, "the Counting's n"),
        "__neg__": (lambda skb: -c, "the Counting's n"),
        "__getitem__": (lambda skb: c[0], "the Counting's n"),
        "__len__": (lambda skb: len(c), "the Counting's n"),
        "__contains__": (lambda skb: 1 if 5 in c else 2, "the Counting's n"),
        "__iter__": (lambda skb: max(c), "the Counting's n"),
        "__getattr__": (lambda skb: c.hooked, "the Counting's n"),
        "a function's attribute": (lambda skb: attribute(), "attribute.n"),
        "a module's attribute": (lambda skb: by_module(), "found.n"),
        "a variable around it": (lambda skb: bump(), "'n'"),
        "a deleted variable around it": (lambda skb: delete(), "'n'"),
        "a default": (lambda skb: by_default(), "a default of by_default()"),
        "an array of ctypes": (lambda skb: in_array(), "'FIXED'"),
        "a struct of ctypes": (lambda skb: in_struct(), "'STRUCT'"),
        "an array": (lambda skb: in_numbers(), "'NUMBERS'"),
        "a bytearray": (lambda skb: in_bytes(), "'OCTETS'"),
        "a deque": (lambda skb: in_queue(), "'QUEUE'"),
        "a list in a dict in a dict": (lambda skb: in_nested(), "'NESTED'"),
        "a heap": (lambda skb: in_heap(), "'HEAP'"),
        "the order of a dict": (lambda skb: in_order(), "'ORDER'"),
        "a defaultdict": (lambda skb: in_default_dict(), "'DEFAULT'"),
        "a callback": (lambda skb: by_callback(), "'NESTED'"),
        "a generator": (lambda skb: _next(), "'GENERATOR'"),
        "an iterator": (lambda skb: _following(), "'ITERATOR'"),
        "a count": (lambda skb: _number(), "'NUMBERED'"),
    }


def _next() -> int:
    return next(GENERATOR)


def _following() -> int:
    return next(ITERATOR)


def _number() -> int:
    return next(NUMBERED)


def _count(counting: Any) -> None:
    counting.n += 1
    counting.found[1] = 2
