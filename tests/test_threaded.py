"""tests/threaded.py finds the tests that start threads: the thread sanitizer never sees the ones that it misses."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pytest
from threaded import starts_threads


def helper() -> None:
    threading.Thread(target=print).start()


@contextlib.contextmanager
def meanwhile() -> Iterator[None]:
    helper()
    yield


class Worker:
    def begin(self) -> None:
        with meanwhile():
            pass


def by_itself() -> None:
    threading.Thread(target=print)


def inside() -> None:
    def body() -> None:
        threading.Thread(target=print)

    body()


def by_a_helper() -> None:
    helper()


def by_a_context_manager() -> None:
    with meanwhile():
        pass


def by_a_class() -> None:
    Worker().begin()


def by_what_calls_itself(n: int = 0) -> None:
    if n:
        by_what_calls_itself(n - 1)
    helper()


def in_none() -> None:
    threading.Event().set()
    print(pytest, Iterator)


@pytest.mark.parametrize("function", [
    by_itself, inside, by_a_helper, by_a_context_manager, by_a_class, by_what_calls_itself,
])  # fmt: skip
def test_found(function: object) -> None:
    assert starts_threads(function)


def test_passed_over() -> None:
    assert not starts_threads(in_none)


def test_it_has_the_mark(request: pytest.FixtureRequest) -> None:
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
    assert request.node.get_closest_marker("threads")
