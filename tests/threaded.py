"""Finds the tests that run several threads, for the thread sanitizer."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

HERE = Path(__file__).parent
MAKERS = {"Thread", "ThreadPoolExecutor", "to_thread", "run_in_executor"}
"""A function that names one of these starts threads."""


@cache
def starts_threads(function: Any) -> bool:
    """Whether a test's function does, or one of these tests' functions and classes that it names."""
    waiting: list[Any] = [function]
    seen: set[Any] = set()
    while waiting:
        found = waiting.pop()
        if not isinstance(found, FunctionType):
            continue
        found = inspect.unwrap(found)
        if found in seen or not _is_ours(found):
            continue
        seen.add(found)
        names = set(_names(found.__code__))
        if names & MAKERS:
            return True
        for name in names & found.__globals__.keys():
            value = found.__globals__[name]
            waiting += vars(value).values() if inspect.isclass(value) else [value]
    return False


def _is_ours(function: FunctionType) -> bool:
    return HERE in Path(function.__code__.co_filename).parents


def _names(code: CodeType) -> Iterator[str]:
    """What a function and those inside of it name."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
