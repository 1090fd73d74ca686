"""Iteration over values whose items are known at compile time, and the rows of loops at run time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ...exception import TypeMismatch
from ..ir.values import Value
from . import arith, counters, kind, memory, sequences
from .builder import Builder
from .state import State
from .values import Abstract, Counter, Ref, RuntimeInt


def known_items(b: Builder, state: State, value: Abstract) -> tuple[Abstract, ...] | None:
    """The items of a sequence or iterator whose length is known at compile time; None for anything else."""
    items = each(b, state, value)
    return None if items is None else tuple(items)


def each(b: Builder, state: State, value: Abstract) -> Iterator[Abstract] | None:
    """``known_items``, each item loaded from memory only when the caller takes it."""
    return kind.of(value).items(b, state, value)


def stored(b: Builder, state: State, value: Abstract) -> Iterator[Abstract] | None:
    """The items that operations of built-in types read directly, without ``__iter__`` of a user's class."""
    return kind.of(value).stored(b, state, value)


def make_iterator(b: Builder, state: State, value: Abstract) -> Abstract:
    """``iter(value)``."""
    return kind.of(value).iterator(b, state, value)


def item_at(b: Builder, array: Ref, number: Value) -> Abstract:
    """The item of an array at the current number of a run-time loop."""
    return memory.load(b, memory.index(b, array, RuntimeInt(arith.as_u64(b, number))))


def row_at(b: Builder, parts: Sequence[Abstract], number: Abstract) -> Abstract:
    """The tuple of the parts' items at the current number of a run-time loop."""
    return sequences.tuple_of([_part_at(b, part, number) for part in parts])


def _part_at(b: Builder, part: Abstract, number: Abstract) -> Abstract:
    assert isinstance(part, Counter)
    if part.parts:
        return row_at(b, part.parts, number)
    if part.array is not None:
        return item_at(b, part.array, arith.to_ir(b, number))
    return counters.item(b, replace(part, current=number))


def unpack(b: Builder, state: State, value: Abstract, count: int) -> tuple[Abstract, ...]:
    """The items for ``a, b, c = value``."""
    items = known_items(b, state, value)
    if items is None:
        raise TypeMismatch(
            0, f"can't unpack {value.describe()}", hints=("only tuples, lists and arrays of known length unpack",)
        )
    if len(items) != count:
        raise TypeMismatch(
            0,
            f"{count} names to unpack into, but there are {len(items)} values",
            hints=("a starred name takes any number: a, *rest = ...",),
        )
    return items
