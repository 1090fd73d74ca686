"""Iterators that advance at compile time. Like CPython's, they read each item when they reach it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, Final

from ...exception import LimitExceeded, UnsupportedSyntax
from . import kind, memory
from .builder import Builder
from .sequences import MAX_ITEMS
from .state import State
from .values import (
    Abstract,
    Const,
    DictRef,
    DictView,
    Ended,
    Items,
    IteratorRef,
    ListRef,
    NoValue,
    Stored,
    Walk,
    wrap,
)

ENDED: Final = Ended()


def heap_object(state: State, value: ListRef | DictRef | IteratorRef) -> Any:
    """The contents of a list (a tuple of values) or dict made in the program, or the position of an iterator."""
    contents = state.heap.get(value.ident)
    if contents is None or isinstance(contents, NoValue):
        why = contents.why if contents is not None else "it was made on another path"
        raise UnsupportedSyntax(0, f"{value.describe()} can't be used here: {why}",
                                hints=("make it before the paths part, and of one length on all of them",))  # fmt: skip
    return contents


def arrived(b: Builder, item: Abstract) -> Abstract:
    """A list's item, loaded from memory if it is stored there."""
    return memory.load(b, item.ref) if isinstance(item, Stored) else item


def walk(state: State, source: ListRef | DictRef | DictView, step: int = 1) -> Walk:
    """An iterator over a list or dict that the program may change; backwards if ``step`` is -1."""
    contents = kind.of(source).walked(state, source)
    size = None if isinstance(source, ListRef) else len(contents)
    return Walk(source, 0 if step > 0 else len(contents) - 1, step, size)


def named(state: State, ident: int, iterator: Abstract) -> IteratorRef:
    """An iterator as the program sees it: all who hold it share its position."""
    state.heap[ident] = iterator
    return IteratorRef(ident)


ENDLESS: Final = (itertools.count, itertools.cycle, itertools.repeat)


def is_used_up(obj: Any) -> bool:
    """Whether a loop over a constant would use it up: an iterator of Python's own, but not a file or the like."""
    return isinstance(obj, Iterator) and type(obj).__module__ in ("builtins", "itertools")


def made(state: State, ident: int, value: Abstract) -> Abstract:
    """The result of a call at compile time. An iterator becomes one of the program, with a position on each path."""
    if not (isinstance(value, Const) and is_used_up(value.obj)):
        return value
    items = tuple(wrap(item) for item in itertools.islice(value.obj, MAX_ITEMS + 1))
    if len(items) > MAX_ITEMS:
        raise too_many()
    return named(state, ident, Items(items))


def check_captured(obj: Any) -> None:
    """Refuses to take items from a captured iterator, which would stay used up after the compilation."""
    if is_used_up(obj):
        raise UnsupportedSyntax(0, f"a loop over a constant {type(obj).__name__} would use it up while compiling",
                                hints=("capture a tuple of its items; for count() write range()",))  # fmt: skip


def advance(b: Builder, state: State, iterator: Abstract) -> tuple[Abstract, Abstract | None]:
    """The iterator after one step, and the item, None at the end. Only for items that are known at compile time."""
    return kind.of(iterator).step(b, state, iterator)


def rest(b: Builder, state: State, iterator: Abstract) -> Iterator[Abstract]:
    """The items that an iterator still has."""
    for _ in range(MAX_ITEMS):
        iterator, item = advance(b, state, iterator)
        if item is None:
            return
        yield item
    raise too_many()


def too_many() -> LimitExceeded:
    return LimitExceeded(
        0, f"more than {MAX_ITEMS} items to iterate over while compiling",
        hints=("a loop over range() runs at run time; keep large tables in an array map",),
    )  # fmt: skip


def has_ended(state: State, iterator: Abstract) -> bool:
    """Whether the iterator is exhausted."""
    return isinstance(iterator, IteratorRef) and isinstance(state.heap.get(iterator.ident), Ended)


def lose(state: State, iterator: Abstract, taker: str) -> None:
    """Makes an iterator unusable after ``taker``, which stops at an item that is known at run time only."""
    if isinstance(iterator, IteratorRef):
        state.heap[iterator.ident] = NoValue(f"{taker} took some of its items, and only run time knows how many")
