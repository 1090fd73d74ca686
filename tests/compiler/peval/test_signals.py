"""If a signal's handler raises while a function is compiled, the caller gets that exception, not a compile error."""

from __future__ import annotations

import contextlib
import functools
import gc
import signal
import sys
from collections.abc import Callable, Container, Iterator
from types import FrameType
from typing import Any

import pytest

from py2bpf import sim
from py2bpf.compiler.peval import host
from py2bpf.prog import ProgType, compile_prog
from py2bpf.socket_filter import SkBuffContext


class TooSlowError(Exception):
    """A time limit's."""


class Captured:
    """An object whose method CPython runs while compiling."""

    def __getitem__(self, index: int) -> int:
        return sum(range(index))


CAPTURED = Captured()


def function(skb: Any) -> int:
    total = CAPTURED[20]
    for i in range(4):
        total += skb.len >> i
    return total


class Handler:
    """One that is an object."""

    def __call__(self, number: int, frame: object) -> None:
        raise TooSlowError

    def method(self, number: int, frame: object) -> None:
        raise TooSlowError


def raising(error: type[Exception], number: int, frame: object) -> None:
    raise error


HANDLERS: dict[str, tuple[Callable[[int, Any], None], type[Exception]]] = {
    "a function": (lambda number, frame: raising(TooSlowError, number, frame), TooSlowError),
    "an object": (Handler(), TooSlowError),
    "a method": (Handler().method, TooSlowError),
    **{error.__name__: (functools.partial(raising, error), error) for error in (ValueError, RecursionError, OSError)},
}


@pytest.fixture(params=HANDLERS)
def handler(request: pytest.FixtureRequest) -> Iterator[type[Exception]]:
    """Handles SIGUSR1, by raising this."""
    function, error = HANDLERS[request.param]
    before = signal.signal(signal.SIGUSR1, function)
    yield error
    signal.signal(signal.SIGUSR1, before)


EVENTS = {"call", "return", "c_return", "c_exception"}
"""Events of profilers, but for c_call: what is raised there keeps C code from being called, as no handler can."""


def signalled(after: int, call: Callable[[], object], files: Container[str] = ()) -> bool:
    """Calls with a signal that comes with the event of that number, of all that a profiler sees in these
    files, or anywhere. Whether it came to that."""
    left = after

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal left
        if event not in EVENTS or (files and frame.f_code.co_filename not in files):
            return
        left -= 1
        if not left:
            sys.setprofile(None)
            signal.raise_signal(signal.SIGUSR1)

    sys.setprofile(count)
    try:
        call()
    finally:
        sys.setprofile(None)
    return left <= 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_while_compiling(handler: type[Exception]) -> None:
    def compiled() -> None:
        compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, function)

    compiled()
    after, interrupted = 1, 0
    while True:
        try:
            if not signalled(after, compiled):
                break
        except handler:
            interrupted += 1
        assert gc.isenabled()
        after += 61
    assert interrupted > 0.9 * after / 61 > 90, "CPython loses some, of what ends a generator"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_collections_go_on(handler: type[Exception]) -> None:
    """The compiler has none while it calls what a program captures: wherever that ends, they are back."""
    def compiled() -> None:
        compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, lambda skb: skb.len + sorted(NAMES, key=len)[0].count("x"))

    compiled()
    after, over = 1, False
    while not over:
        with contextlib.suppress(handler):
            over = not signalled(after, compiled, {host.__file__, contextlib.__file__})
        assert gc.isenabled()
        after += 1


NAMES = ["ax", "b"]


def test_in_simulations(handler: type[Exception]) -> None:
    def endless(skb: Any) -> int:
        signal.raise_signal(signal.SIGUSR1)
        return 1

    with pytest.raises(handler):
        sim.run(endless, bytes(64))
