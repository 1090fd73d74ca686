"""Iterates over captured objects at compile time, by CPython's own rules and the methods of their classes."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable, Iterable
from typing import Any, Final

from ...exception import LimitExceeded, UnsupportedSyntax
from . import host, iterators, overrides, special, storage
from .builder import Builder
from .sequences import MAX_ITEMS
from .values import Abstract, Const, wrap

_ITERABLES: Final = (Iterable, ctypes.Array)


def is_iterable(obj: Any) -> bool:
    return isinstance(obj, _ITERABLES) and not isinstance(obj, type)


def forwards(b: Builder, obj: Any) -> tuple[Abstract, ...]:
    """The items that CPython's iteration gives."""
    iterators.check_captured(obj)
    return _walked(b, obj, _first, "__iter__")


def backwards(b: Builder, obj: Any) -> tuple[Abstract, ...]:
    """The items that ``reversed(obj)`` gives."""
    return _walked(b, obj, _last, "__reversed__", "__len__", "__getitem__")


def stored(obj: Any) -> tuple[Abstract, ...] | None:
    """The items stored in one of Python's own containers; None for anything else."""
    items = storage.items(obj)
    return None if items is None else _wrapped(list(itertools.islice(items, MAX_ITEMS + 1)))


def _walked(b: Builder, obj: Any, walk: Callable[[Any], list[Any]], *names: str) -> tuple[Abstract, ...]:
    """The items that ``walk`` gives. Refuses an object whose class has one of the methods ``names`` that uses maps."""
    readers = {name: reader for name in names if (reader := overrides.written(Const(obj), name)) is not None}
    for name, reader in readers.items():
        if special.runs(reader, Const(obj)):
            raise UnsupportedSyntax(0, f"{type(obj).__name__}.{name}() uses maps, and can't iterate over them "
                                    "in a program", hints=("loop over a range, and index the object",))  # fmt: skip
    return _wrapped(host.run(b, f"{type(obj).__name__}.{next(iter(readers), names[0])}()", walk, obj))


def _wrapped(found: list[Any]) -> tuple[Abstract, ...]:
    if len(found) > MAX_ITEMS:
        raise LimitExceeded(
            0,
            f"more than {MAX_ITEMS} items to iterate over while compiling",
            hints=("a loop over range() runs at run time; keep large tables in an array map",),
        )
    return tuple(wrap(item) for item in found)


def _first(obj: Any) -> list[Any]:
    return list(itertools.islice(obj, MAX_ITEMS + 1))


def _last(obj: Any) -> list[Any]:
    return list(itertools.islice(reversed(obj), MAX_ITEMS + 1))
