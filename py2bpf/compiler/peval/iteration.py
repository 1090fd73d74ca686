"""Iterating and unpacking: what is known when compiling, and ranges that run at run time."""

from __future__ import annotations

import ctypes
import enum
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from ...exception import LimitExceeded, TypeMismatch, UnsupportedSyntax
from ..ir.values import Value
from . import arith, counters, host, iterators, memory, overrides, sequences, special, storage
from .builder import Builder
from .iterators import arrived, heap_object
from .layout import is_array, is_chars
from .sequences import MAX_ITEMS
from .state import State
from .values import (
    Abstract,
    Const,
    Counter,
    DictRef,
    DictView,
    GeneratorOf,
    Items,
    IteratorRef,
    ListRef,
    Map,
    RangeOf,
    Ref,
    Run,
    TupleOf,
    wrap,
)

_ITERABLES: Final = (Iterable, ctypes.Array)
_ITERABLE: Final = "ranges, tuples, lists, dicts and ctypes arrays can be iterated over"


def known_items(b: Builder, state: State, value: Abstract) -> tuple[Abstract, ...] | None:
    """The items of a sequence or iterator whose length is known when compiling; None for anything else."""
    items = each(b, state, value)
    return None if items is None else tuple(items)


def each(b: Builder, state: State, value: Abstract) -> Iterator[Abstract] | None:
    """``known_items``, each read from memory when it is asked for: code that uses one after the other needs no place
    for them all."""
    if isinstance(value, iterators.ITERATORS):
        return iterators.rest(b, state, value)
    if isinstance(value, ListRef):
        return (arrived(b, item) for item in heap_object(state, value))
    if isinstance(value, DictRef):
        return iter([Const(key) for key in heap_object(state, value)])
    if isinstance(value, DictView):
        return iter(iterators.view_items(value.kind, heap_object(state, value.owner)))
    if isinstance(value, TupleOf):
        special.refuse_iteration(value)
        return iter(value.items)
    if isinstance(value, Const) and type(value.obj) is enum.EnumMeta:
        members: list[Any] = list(value.obj)
        return iter([wrap(member) for member in members])
    if isinstance(value, Const) and isinstance(value.obj, _ITERABLES) and not isinstance(value.obj, type):
        iterators.check_captured(value.obj)
        return iter(_constants(b, value.obj))
    if isinstance(value, Ref) and is_array(value.ctype) and not is_chars(value.ctype):
        special.refuse_iteration(value)
        b.guard_not_null(value.base, "TypeError")
        if value.ctype._length_ > MAX_ITEMS:
            raise iterators.too_many()
        return (memory.load(b, memory.element(value, i)) for i in range(value.ctype._length_))
    return None


def stored(b: Builder, state: State, value: Abstract) -> Iterator[Abstract] | None:
    """The items that the operations of a built-in type read directly; the same as ``each`` for all else."""
    if isinstance(value, TupleOf):
        return iter(value.items)
    items = storage.items(value.obj) if isinstance(value, Const) else None
    return each(b, state, value) if items is None else iter(_wrapped(list(itertools.islice(items, MAX_ITEMS + 1))))


def _constants(b: Builder, obj: Any) -> tuple[Abstract, ...]:
    """The items that CPython comes to."""
    return _walked(b, obj, _first, "__iter__")


def _walked(b: Builder, obj: Any, walk: Callable[[Any], list[Any]], *names: str) -> tuple[Abstract, ...]:
    """The items that CPython comes to by the methods ``names`` of the object's class, if it has them."""
    readers = {name: reader for name in names if (reader := overrides.written(Const(obj), name)) is not None}
    for name, reader in readers.items():
        if special.runs(reader, Const(obj)):
            raise UnsupportedSyntax(0, f"{type(obj).__name__}.{name}() has to do with maps, and can't go through them "
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


def make_iterator(b: Builder, state: State, value: Abstract) -> Abstract:
    """``iter(value)``. What may change while it is iterated over is read item by item."""
    if isinstance(value, IteratorRef) and ends_at_run_time(state, value):
        return side_by_side(b, state, value) or value
    if isinstance(value, iterators.ITERATORS):
        return value
    if isinstance(value, RangeOf):
        return counters.of_range(b, value)
    if isinstance(value, Const) and isinstance(value.obj, range):
        return counters.of_constants(value.obj)
    if isinstance(value, Ref) and is_array(value.ctype) and not is_chars(value.ctype):
        special.refuse_iteration(value)
        b.guard_not_null(value.base, "TypeError")
        return Counter(Const(0), Const(value.ctype._length_), 1, array=value)
    if isinstance(value, (ListRef, DictRef, DictView)):
        return iterators.walk(state, value)
    items = known_items(b, state, value)
    if items is not None:
        return Items(items)
    hints: tuple[str, ...] = (_ITERABLE,)
    if isinstance(value, Map):
        hints = ("programs can't iterate over maps; user space can, with m.items()",)
    elif isinstance(value, Run):
        hints = ("to count up to it, iterate over range(n)",)
    elif isinstance(value, GeneratorOf):
        hints = ("write a list comprehension, in brackets: [... for item in items]",)
    elif isinstance(value, Ref) and is_chars(value.ctype):
        hints = ("index its bytes with a constant range instead",)
    raise TypeMismatch(0, f"can't iterate over {value.describe()}", hints=hints)


def make_reversed(b: Builder, state: State, value: Abstract) -> Abstract | None:
    """``reversed(value)``'s iterator; None for what has no known length."""
    special.refuse_iteration(value, "__reversed__", "__len__", "__getitem__")
    if isinstance(value, Const) and not iterators.is_used_up(value.obj):
        return Items(_walked(b, value.obj, _last, "__reversed__", "__len__", "__getitem__"))
    if isinstance(value, Ref) and is_array(value.ctype) and not is_chars(value.ctype):
        b.guard_not_null(value.base, "TypeError")
        return Counter(Const(value.ctype._length_ - 1), Const(-1), -1, array=value)
    if isinstance(value, (ListRef, DictRef, DictView)):
        return iterators.walk(state, value, -1)
    items = None if isinstance(value, iterators.ITERATORS) else known_items(b, state, value)
    return None if items is None else Items(items[::-1])


def item_at(b: Builder, array: Ref, number: Value) -> Abstract:
    """The item of an array that a loop at run time has come to."""
    return memory.load(b, memory.index(b, array, Run(arith.as_u64(b, number))))


def row_at(b: Builder, parts: Sequence[Abstract], number: Abstract) -> Abstract:
    """What the parts have at a number that a loop at run time has come to."""
    return sequences.tuple_of([_part_at(b, part, number) for part in parts])


def _part_at(b: Builder, part: Abstract, number: Abstract) -> Abstract:
    assert isinstance(part, Counter)
    if part.parts:
        return row_at(b, part.parts, number)
    if part.array is not None:
        return item_at(b, part.array, arith.to_ir(b, number))
    return counters.item(b, replace(part, current=number))


def side_by_side(b: Builder, state: State, value: Abstract) -> Counter | None:
    """Through what may run at run time beside something else, as turns that are counted up from 0; None for what may
    not. A counter that was made before belongs to the loop from now on."""
    if isinstance(value, Ref) and is_array(value.ctype) and not is_chars(value.ctype):
        made = make_iterator(b, state, value)
        return made if isinstance(made, Counter) else None
    if ends_at_run_time(state, value) and isinstance(value, IteratorRef):
        taken = heap_object(state, value)
        iterators.lose(state, value, "a loop")
        return taken if taken.parts else None
    return counters.counted(b, value)


def ends_at_run_time(state: State, value: Abstract) -> bool:
    """Whether only run time knows how many items there are."""
    if isinstance(value, IteratorRef):
        inside = state.heap.get(value.ident)
        return isinstance(inside, Counter) and bool(inside.parts)
    return isinstance(value, RangeOf)


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
