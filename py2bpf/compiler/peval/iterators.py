"""Iterators whose steps are taken while compiling: like CPython's, they read an item when they come to it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from ...exception import LimitExceeded, TypeMismatch, UnsupportedSyntax
from . import arith, memory, sequences
from .builder import Builder
from .counters import counter_items
from .sequences import MAX_ITEMS
from .state import State
from .values import (
    Abstract,
    Const,
    Counter,
    DictRef,
    DictView,
    Ended,
    Items,
    IteratorRef,
    ListRef,
    Numbered,
    Stored,
    Unbound,
    Walk,
    Zipped,
    wrap,
)

ITERATORS: Final = (Counter, Ended, Items, IteratorRef, Numbered, Walk, Zipped)
_ENDED: Final = Ended()


def heap_object(state: State, value: ListRef | DictRef | IteratorRef) -> Any:
    """The contents of a list (a tuple of values) or dict made in the program, or where an iterator is."""
    contents = state.heap.get(value.ident)
    if contents is None or isinstance(contents, Unbound):
        why = contents.why if contents is not None else "it was made on another path"
        raise UnsupportedSyntax(0, f"{value.describe()} can't be used here: {why}",
                                hints=("make it before the paths part, and of one length on all of them",))  # fmt: skip
    return contents


def arrived(b: Builder, item: Abstract) -> Abstract:
    """A list's item when it is used."""
    return memory.load(b, item.ref) if isinstance(item, Stored) else item


def walk(state: State, source: ListRef | DictRef | DictView, step: int = 1) -> Walk:
    """An iterator over what the program may change; backwards if ``step`` is -1."""
    contents = heap_object(state, source.owner if isinstance(source, DictView) else source)
    size = None if isinstance(source, ListRef) else len(contents)
    return Walk(source, 0 if step > 0 else len(contents) - 1, step, size)


def view_items(kind: str, contents: dict[Any, Abstract]) -> list[Abstract]:
    """What iterating over a dict's view gives."""
    if kind == "keys":
        return [Const(key) for key in contents]
    if kind == "values":
        return list(contents.values())
    return [sequences.tuple_of([Const(key), value]) for key, value in contents.items()]


def named(state: State, ident: int, iterator: Abstract) -> IteratorRef:
    """An iterator as the program sees it: what is taken from it is gone for all who have it."""
    state.heap[ident] = iterator
    return IteratorRef(ident)


ENDLESS: Final = (itertools.count, itertools.cycle, itertools.repeat)


def is_used_up(obj: Any) -> bool:
    """Whether going through a constant takes from it what it has, and it is no file or the like."""
    return isinstance(obj, Iterator) and type(obj).__module__ in ("builtins", "itertools")


def made(state: State, ident: int, value: Abstract) -> Abstract:
    """What a call gave while compiling; an iterator becomes the program's, which each path goes through for itself."""
    if not (isinstance(value, Const) and is_used_up(value.obj)):
        return value
    items = tuple(wrap(item) for item in itertools.islice(value.obj, MAX_ITEMS + 1))
    if len(items) > MAX_ITEMS:
        raise too_many()
    return named(state, ident, Items(items))


def check_captured(obj: Any) -> None:
    """Refuses to take from an iterator that lives on when the program is compiled."""
    if is_used_up(obj):
        raise UnsupportedSyntax(0, f"going through a constant {type(obj).__name__} would use it up while compiling",
                                hints=("capture a tuple of its items; for count() write range()",))  # fmt: skip


def advance(b: Builder, state: State, iterator: Abstract) -> tuple[Abstract, Abstract | None]:
    """The iterator after one step, and the item, None at the end. Only for what is known when compiling."""
    if isinstance(iterator, Counter):
        return _count(b, iterator)
    if isinstance(iterator, Items):
        if iterator.position == len(iterator.items):
            return _ENDED, None
        return Items(iterator.items, iterator.position + 1), iterator.items[iterator.position]
    if isinstance(iterator, Walk):
        return _walk(b, state, iterator)
    if isinstance(iterator, Numbered):
        inner, item = advance(b, state, iterator.inner)
        if item is None:
            return _ENDED, None
        following = arith.plus_one(b, iterator.number)
        return Numbered(inner, following), sequences.tuple_of([iterator.number, item])
    if isinstance(iterator, Zipped):
        return _zip(b, state, iterator)
    if isinstance(iterator, IteratorRef):
        state.heap[iterator.ident], item = advance(b, state, heap_object(state, iterator))
        return iterator, item
    if isinstance(iterator, Ended):
        return iterator, None
    raise TypeMismatch(0, f"can't iterate over {iterator.describe()}",
                       hints=("ranges, tuples, lists, dicts and ctypes arrays can be iterated over",))  # fmt: skip


def _count(b: Builder, iterator: Counter) -> tuple[Abstract, Abstract | None]:
    if counter_items(iterator) is None:
        raise TypeMismatch(0, f"the length of {iterator.describe()} is not known while compiling",
                           hints=("iterate over the range alone: for i in range(n)",))  # fmt: skip
    current, stop = iterator.current, iterator.stop
    assert isinstance(current, Const) and isinstance(stop, Const)
    if not range(current.obj, stop.obj, iterator.step):
        return _ENDED, None
    following = replace(iterator, current=Const(current.obj + iterator.step))
    if iterator.array is not None:
        return following, memory.load(b, memory.element(iterator.array, current.obj))
    assert isinstance(iterator.base, Const)
    return following, Const(iterator.base.obj + iterator.scale * current.obj)


def _walk(b: Builder, state: State, iterator: Walk) -> tuple[Abstract, Abstract | None]:
    source = iterator.source
    assert isinstance(source, (ListRef, DictRef, DictView))
    contents = heap_object(state, source.owner if isinstance(source, DictView) else source)
    if iterator.size is not None and len(contents) != iterator.size:
        b.exit("RuntimeError")  # the dictionary changed size during iteration
    if not 0 <= iterator.position < len(contents):
        return _ENDED, None
    following = Walk(source, iterator.position + iterator.step, iterator.step, iterator.size)
    if isinstance(source, ListRef):
        return following, arrived(b, contents[iterator.position])
    kind = source.kind if isinstance(source, DictView) else "keys"
    return following, view_items(kind, contents)[iterator.position]


def _zip(b: Builder, state: State, iterator: Zipped) -> tuple[Abstract, Abstract | None]:
    inners, row = list(iterator.inners), []
    for i, inner in enumerate(inners):
        inners[i], item = advance(b, state, inner)
        if item is None:
            if iterator.strict and (i or not _all_end(b, state, inners[1:])):
                b.exit("ValueError")
            return replace(iterator, inners=tuple(inners)), None
        row.append(item)
    return (replace(iterator, inners=tuple(inners)), sequences.tuple_of(row)) if row else (_ENDED, None)


def _all_end(b: Builder, state: State, inners: list[Abstract]) -> bool:
    """Whether none of them has another item."""
    return all(advance(b, state, inner)[1] is None for inner in inners)


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
    """Whether nothing can be taken any more."""
    return isinstance(iterator, IteratorRef) and isinstance(state.heap.get(iterator.ident), Ended)


def lose(state: State, iterator: Abstract, taker: str) -> None:
    """After ``taker``, which stops at an item that only run time knows: nobody can go on with the iterator."""
    if isinstance(iterator, IteratorRef):
        state.heap[iterator.ident] = Unbound(f"{taker} took some of its items, and only run time knows how many")
