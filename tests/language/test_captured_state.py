"""Code that changes a captured object while a program is compiled is refused: the change would happen only once."""

from __future__ import annotations

import functools
import gc
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest
import state_programs
from state_programs import DEFAULT, NESTED, PACKET, Counting, _count, programs, raising

from py2bpf import sim, vm
from py2bpf.compiler.peval import reach
from py2bpf.exception import UnsupportedSyntax
from py2bpf.ledger import register
from py2bpf.prog import ProgType, compile_prog, create_prog
from py2bpf.socket_filter import SkBuffContext


@pytest.mark.parametrize("name", programs())
def test_what_would_change_once_is_refused(name: str) -> None:
    fn, what = programs()[name]
    with pytest.raises(UnsupportedSyntax, match="runs while compiling, and changes") as caught:
        compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, fn)
    assert what in caught.value.msg and "map" in caught.value.hints[-1]
    assert caught.value.span is not None and caught.value.span.filename == state_programs.__file__


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
