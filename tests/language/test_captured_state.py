"""Whatever changes a captured object while a program is compiled is refused: it would happen once."""

from __future__ import annotations

import array
import collections
import ctypes
import functools
import gc
import heapq
import itertools
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from py2bpf import sim, vm
from py2bpf.compiler.peval import reach
from py2bpf.exception import UnsupportedSyntax
from py2bpf.ledger import register
from py2bpf.prog import ProgType, compile_prog, create_prog
from py2bpf.socket_filter import SkBuffContext

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


@pytest.mark.parametrize("name", programs())
def test_what_would_change_once_is_refused(name: str) -> None:
    fn, what = programs()[name]
    with pytest.raises(UnsupportedSyntax, match="runs while compiling, and changes") as caught:
        compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, fn)
    assert what in caught.value.msg and "map" in caught.value.hints[-1]
    assert caught.value.span is not None and caught.value.span.filename == __file__


def test_a_refusal_brings_nothing_back() -> None:
    """Whoever else writes to the object meanwhile, as a thread or a signal handler, keeps what was written."""
    c = Counting()
    for fn in (lambda skb: c.in_slot(), lambda skb: c.hiding(), lambda skb: c.deep()):
        with pytest.raises(UnsupportedSyntax):
            compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, fn)
    assert (c.slot, c.step, c.inner.n) == (1, 1, 1)


def test_what_changes_and_then_raises_is_refused_too() -> None:
    before = NESTED["a"]["b"][0]
    with pytest.raises(UnsupportedSyntax, match="changes 'NESTED'") as caught:
        compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, lambda skb: raising())
    assert isinstance(caught.value.__cause__, LookupError) and NESTED["a"]["b"][0] == before + 1


class Flag:
    """Changes at its first use only."""

    def __init__(self, used: int | None = 0) -> None:
        self.used = used

    def use(self) -> int:
        self.used = 1
        return 1

    def __getitem__(self, key: int) -> int:
        self.used = 1
        raise KeyError(key)


class Late(Flag):
    """Changes at its second use only; before, it has nothing."""

    def __init__(self) -> None:
        super().__init__(None)

    def use(self) -> int:
        self.used = 0 if self.used is None else 1
        return 1


def in_a_loop() -> Callable[[Any], Any]:
    flag = Flag()

    def in_a_loop(skb: Any) -> int:
        total = 0
        for i in range(1000):
            total += flag.use() + skb.len * i
        return total

    return in_a_loop


def in_a_subprogram() -> Callable[[Any], Any]:
    late = Late()

    def large(n: int) -> int:  # so large that two calls make it a subprogram
        n = n * 31 ^ n >> 7 ^ n << 3 ^ n // 5 ^ n % 11 ^ n * n ^ n >> 2 ^ n << 5 ^ n // 3 ^ n % 7
        n = n * 31 ^ n >> 7 ^ n << 3 ^ n // 5 ^ n % 11 ^ n * n ^ n >> 2 ^ n << 5 ^ n // 3 ^ n % 7
        n = n * 31 ^ n >> 7 ^ n << 3 ^ n // 5 ^ n % 11 ^ n * n ^ n >> 2 ^ n << 5 ^ n // 3 ^ n % 7
        n = n * 31 ^ n >> 7 ^ n << 3 ^ n // 5 ^ n % 11 ^ n * n ^ n >> 2 ^ n << 5 ^ n // 3 ^ n % 7
        n = n * 31 ^ n >> 7 ^ n << 3 ^ n // 5 ^ n % 11 ^ n * n ^ n >> 2 ^ n << 5 ^ n // 3 ^ n % 7
        n = n * 31 ^ n >> 7 ^ n << 3 ^ n // 5 ^ n % 11 ^ n * n ^ n >> 2 ^ n << 5 ^ n // 3 ^ n % 7
        n = n * 31 ^ n >> 7 ^ n << 3 ^ n // 5 ^ n % 11 ^ n * n ^ n >> 2 ^ n << 5 ^ n // 3 ^ n % 7
        n = n * 31 ^ n >> 7 ^ n << 3 ^ n // 5 ^ n % 11 ^ n * n ^ n >> 2 ^ n << 5 ^ n // 3 ^ n % 7
        return n + late.use()

    return lambda skb: large(skb.len) + large(skb.mark)


def ending_the_path() -> Callable[[Any], Any]:
    flag = Flag()
    return lambda skb: flag[0]


@pytest.mark.parametrize("make", [in_a_loop, in_a_subprogram, ending_the_path])
def test_what_changes_at_one_call_is_refused_however_often_the_function_is_tried(make: Callable[[], Any]) -> None:
    with pytest.raises(UnsupportedSyntax, match=r"changes the (Flag|Late)'s used") as caught:
        compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, make())
    span = caught.value.span
    assert span is not None and span.function.startswith(make.__name__)


def test_a_profiler_does_not_hide_a_change() -> None:
    c = Counting()
    sys.setprofile(lambda *args: None)
    try:
        with pytest.raises(UnsupportedSyntax, match="the Counting's slot"):
            compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, lambda skb: c.in_slot())
    finally:
        sys.setprofile(None)


class Lazy:
    shared: Any = None

    def __init__(self) -> None:
        self.kept: Any = None

    @functools.cached_property
    def cached(self) -> int:
        return 2

    def fill(self) -> int:
        if self.kept is None:
            self.kept = 5
        if Lazy.shared is None:
            Lazy.shared = 7
        self.more = 6
        return int(self.kept + Lazy.shared + self.more + self.cached)


@functools.lru_cache
def remembered(number: int) -> int:
    return number * 2 if number < 2 else remembered(number - 1) + 1


def fresh() -> int:
    """Changes what it makes itself, in functions of its own."""
    made, counting = [3], types.SimpleNamespace(n=1, found={})
    _append(made)
    _count(counting)
    pairs = [each * 2 for each in (number for number in made)]
    return sum(pairs) + int(counting.n) + len(counting.found) + len(Lazy.__name__)


def _append(numbers: list[int]) -> None:
    numbers.append(4)
    numbers[0] += 1


def _count(counting: Any) -> None:
    counting.n += 1
    counting.found[1] = 2


LAZY = Lazy()
KEPT: dict[str, Callable[[Any], Any]] = {
    "what is filled once": lambda skb: LAZY.fill() + skb.len,
    "a cache": lambda skb: remembered(9) + skb.len,
    "objects of its own": lambda skb: fresh() + skb.len,
    "a defaultdict by constant keys": lambda skb: DEFAULT[1] + DEFAULT[skb.len] + skb.len,
}


@pytest.fixture(params=["vm", pytest.param("kernel", marks=pytest.mark.kernel)])
def backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.mark.parametrize("name", KEPT)
def test_what_may_be_kept_and_changed(name: str, backend: Any) -> None:
    fn = KEPT[name]
    with vm.backend(backend), create_prog(ProgType.SOCKET_FILTER, SkBuffContext, fn) as prog:
        for _ in range(2):
            assert prog.test_run(PACKET).retval == sim.run(fn, PACKET, hook="socket_filter").retval
    DEFAULT.clear()


def test_what_the_library_itself_keeps_is_no_captured_state() -> None:
    """The garbage collector takes dead queues off its list at any time, also while a program is compiled."""

    def make(reporter: Any) -> None:
        register(reporter)

    assert not [place.what for place in reach.walk([("", make)], {}) if "_alive" in place.what]


COLLECTIONS = {"begun": 0}


def of_many_lists() -> int:
    return len([[n] for n in range(1000)])


def test_what_a_collection_calls_is_no_change_by_the_program() -> None:
    def begun(phase: str, info: dict[str, int]) -> None:
        COLLECTIONS["begun"] += 1

    thresholds = gc.get_threshold()
    gc.callbacks.append(begun)
    gc.set_threshold(1)
    try:
        compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, lambda skb: of_many_lists() + skb.len)
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(begun)
    assert COLLECTIONS["begun"]
