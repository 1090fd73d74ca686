"""Iterating and unpacking: what is known when compiling, and ranges that run at run time."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from typing import Any, Final

from ...exception import LimitExceeded, TypeMismatch, UnsupportedSyntax
from ..ir.ops import Op
from ..ir.types import I64, U64
from ..ir.values import const
from . import arith, memory
from .builder import Builder
from .describe import describe
from .layout import is_array, is_chars
from .state import State
from .values import (
    Abstract,
    Const,
    Counter,
    DictRef,
    GeneratorOf,
    Items,
    ListItems,
    ListRef,
    Map,
    RangeOf,
    Ref,
    Run,
    Stored,
    StoredItem,
    TupleOf,
    Unbound,
    wrap,
)

_ITERABLE: Final = "ranges, tuples, lists, dicts and ctypes arrays can be iterated over"
MAX_ITEMS = 65536


def known_items(b: Builder, state: State, value: Abstract) -> tuple[Abstract, ...] | None:
    """The items of a sequence or iterator whose length is known when compiling; None for anything else."""
    if isinstance(value, TupleOf):
        return value.items
    if isinstance(value, ListItems):
        return tuple(heap_object(state, value.owner)[value.position :])
    if isinstance(value, DictRef):
        return tuple(Const(key) for key in heap_object(state, value))
    if isinstance(value, Const) and isinstance(value.obj, Iterable) and not isinstance(value.obj, type):
        return _constants(value.obj)
    items = coming_items(b, state, value)
    return None if items is None else tuple(arrived(b, state, item) for item in items)


def coming_items(b: Builder, state: State, value: Abstract) -> tuple[Abstract, ...] | None:
    """The items for an iterator over what may change before it comes to them: each is asked for by arrived()."""
    if isinstance(value, Items):
        return value.items[value.position :]
    if isinstance(value, ListRef):
        length = len(heap_object(state, value))
        return tuple(StoredItem(value, i, length) for i in range(length))
    if isinstance(value, Ref) and is_array(value.ctype) and not is_chars(value.ctype):
        b.guard_not_null(value.base, "TypeError")
        return tuple(Stored(memory.element(value, i)) for i in range(value.ctype._length_))
    return None


def _constants(obj: Any) -> tuple[Abstract, ...]:
    found: list[Abstract] = []
    for item in obj:
        found.append(wrap(item))
        if len(found) > MAX_ITEMS:
            raise LimitExceeded(
                0,
                f"more than {MAX_ITEMS} items to iterate over while compiling",
                hints=("a loop over range() runs at run time; keep large tables in an array map",),
            )
    return tuple(found)


def heap_object(state: State, value: ListRef | DictRef) -> Any:
    """The contents of a list (a tuple of values) or dict made in the program."""
    contents = state.heap.get(value.ident)
    if contents is None or isinstance(contents, Unbound):
        why = contents.why if contents is not None else "it was made on another path"
        raise UnsupportedSyntax(0, f"{describe(value)} can't be used here: {why}",
                                hints=("make it before the paths part, and of one length on all of them",))  # fmt: skip
    return contents


def make_iterator(b: Builder, state: State, value: Abstract) -> Abstract:
    """``iter(value)``."""
    if isinstance(value, (Items, ListItems, Counter)):
        return value
    if isinstance(value, ListRef):
        return ListItems(value)
    if isinstance(value, RangeOf):
        return _counter(b, value)
    if isinstance(value, Const) and isinstance(value.obj, range):
        return Counter(Const(value.obj.start), Const(value.obj.stop), value.obj.step)
    items = coming_items(b, state, value)
    if items is None:
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
    raise TypeMismatch(0, f"can't iterate over {describe(value)}", hints=hints)


def _counter(b: Builder, numbers: RangeOf) -> Counter:
    """Counts through a range. Downwards from a u64 the distance to the end is counted, since a u64 that passes
    zero is large again and would never end."""
    start, stop = arith.to_ir(b, numbers.start), arith.to_ir(b, numbers.stop)
    if numbers.step > 0 or start.type != U64:
        return Counter(numbers.start, numbers.stop, numbers.step)
    distance = b.emit(Op.SUB, [start, stop], I64)
    left = b.emit(Op.SELECT, [b.compare(Op.GT, start, stop), distance, const(0)], I64)
    return Counter(arith.from_ir(left), Const(0), numbers.step, Run(arith.cast(b, stop, U64)))


def arrived(b: Builder, state: State, item: Abstract) -> Abstract:
    """An iterator's item when it is asked for."""
    if isinstance(item, Stored):
        return memory.load(b, item.ref)
    if isinstance(item, StoredItem):
        found: Abstract = heap_object(state, item.owner)[_checked(state, item).index]
        return found
    if isinstance(item, TupleOf) and is_late(item):
        return TupleOf(tuple(arrived(b, state, part) for part in item.items), item.cls)
    return item


def is_late(item: Abstract) -> bool:
    """Whether arrived() must still read the item, or a part of it."""
    return isinstance(item, (Stored, StoredItem)) or (isinstance(item, TupleOf) and any(map(is_late, item.items)))


def _checked(state: State, item: StoredItem) -> StoredItem:
    if len(heap_object(state, item.owner)) != item.length:
        raise UnsupportedSyntax(0, "the list's length changes while enumerate(), zip() or reversed() goes through it",
                                hints=("iterate over a copy: enumerate(tuple(items))",))  # fmt: skip
    return item


def _check_end(state: State, items: tuple[Abstract, ...]) -> None:
    """At the end of a loop a list must still have the length that it had: with more items Python would go on."""
    for item in items[-1:]:
        if isinstance(item, TupleOf):
            for part in item.items:
                _check_end(state, (part,))
        elif isinstance(item, StoredItem):
            _checked(state, item)


def advance(state: State, iterator: Abstract) -> list[Abstract] | None:
    """The iterator after one step, and the item; None at the end. Only for what is known when compiling."""
    if isinstance(iterator, ListItems):
        items, at = heap_object(state, iterator.owner), iterator.position
        return [ListItems(iterator.owner, at + 1), items[at]] if at < len(items) else None
    if isinstance(iterator, Counter):
        current, stop = iterator.current, iterator.stop
        assert isinstance(current, Const) and isinstance(stop, Const)
        if not range(current.obj, stop.obj, iterator.step):
            return None
        return [Counter(Const(current.obj + iterator.step), stop, iterator.step), current]
    if not isinstance(iterator, Items):
        raise TypeMismatch(0, f"can't iterate over {describe(iterator)}", hints=(_ITERABLE,))
    if iterator.position == len(iterator.items):
        _check_end(state, iterator.items)
        return None
    return [Items(iterator.items, iterator.position + 1), iterator.items[iterator.position]]


def unpack(b: Builder, state: State, value: Abstract, count: int) -> tuple[Abstract, ...]:
    """The items for ``a, b, c = value``."""
    items = known_items(b, state, value)
    if items is None:
        raise TypeMismatch(
            0, f"can't unpack {describe(value)}", hints=("only tuples, lists and arrays of known length unpack",)
        )
    if len(items) != count:
        raise TypeMismatch(
            0,
            f"{count} names to unpack into, but there are {len(items)} values",
            hints=("a starred name takes any number: a, *rest = ...",),
        )
    return items


def length(state: State, value: Abstract) -> int | None:
    """len() where it is known when compiling."""
    if isinstance(value, TupleOf):
        return len(value.items)
    if isinstance(value, (ListRef, DictRef)):
        return len(heap_object(state, value))
    if isinstance(value, Ref) and is_array(value.ctype):
        return int(ctypes.sizeof(value.ctype) // ctypes.sizeof(value.ctype._type_))
    return None
