"""Iterating and unpacking: what is known when compiling, and ranges that run at run time."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator
from typing import Any, Final

from ...btf.shapes import Items as KernelItems
from ...exception import LimitExceeded, TypeMismatch
from ..ir.ops import Op
from ..ir.types import I64, U64
from ..ir.values import Value, const
from . import arith, iterators, memory
from .builder import Builder
from .describe import describe
from .iterators import MAX_ITEMS, arrived, heap_object
from .layout import is_array, is_chars
from .state import State
from .values import (
    Abstract,
    Const,
    Counter,
    DictRef,
    DictView,
    GeneratorOf,
    Items,
    KernelRef,
    ListRef,
    Map,
    RangeOf,
    Ref,
    Run,
    TupleOf,
    wrap,
)

__all__ = [
    "MAX_ITEMS", "each", "heap_object", "item_at", "known_items", "length", "make_iterator", "make_reversed", "unpack",
]  # fmt: skip

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
        return iter(value.items)
    if isinstance(value, Const) and isinstance(value.obj, _ITERABLES) and not isinstance(value.obj, type):
        iterators.check_captured(value.obj)
        return iter(_constants(value.obj))
    if isinstance(value, Ref) and is_array(value.ctype) and not is_chars(value.ctype):
        b.guard_not_null(value.base, "TypeError")
        return (memory.load(b, memory.element(value, i)) for i in range(value.ctype._length_))
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


def make_iterator(b: Builder, state: State, value: Abstract) -> Abstract:
    """``iter(value)``. What may change while it is iterated over is read item by item."""
    if isinstance(value, iterators.ITERATORS):
        return value
    if isinstance(value, RangeOf):
        return _counter(b, value)
    if isinstance(value, Const) and isinstance(value.obj, range):
        return Counter(Const(value.obj.start), Const(value.obj.stop), value.obj.step)
    if isinstance(value, Ref) and is_array(value.ctype) and not is_chars(value.ctype):
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
    raise TypeMismatch(0, f"can't iterate over {describe(value)}", hints=hints)


def make_reversed(b: Builder, state: State, value: Abstract) -> Abstract | None:
    """``reversed(value)``'s iterator; None for what has no known length."""
    if isinstance(value, Ref) and is_array(value.ctype) and not is_chars(value.ctype):
        b.guard_not_null(value.base, "TypeError")
        return Counter(Const(value.ctype._length_ - 1), Const(-1), -1, array=value)
    if isinstance(value, (ListRef, DictRef, DictView)):
        return iterators.walk(state, value, -1)
    items = None if isinstance(value, iterators.ITERATORS) else known_items(b, state, value)
    return None if items is None else Items(items[::-1])


def _counter(b: Builder, numbers: RangeOf) -> Counter:
    """Counts through a range. Downwards from a u64 the distance to the end is counted, since a u64 that passes
    zero is large again and would never end."""
    start, stop = arith.to_ir(b, numbers.start), arith.to_ir(b, numbers.stop)
    if numbers.step > 0 or start.type != U64:
        return Counter(numbers.start, numbers.stop, numbers.step)
    distance = b.emit(Op.SUB, [start, stop], I64)
    left = b.emit(Op.SELECT, [b.compare(Op.GT, start, stop), distance, const(0)], I64)
    return Counter(arith.from_ir(left), Const(0), numbers.step, Run(arith.cast(b, stop, U64)))


def item_at(b: Builder, array: Ref, number: Value) -> Abstract:
    """The item of an array that a loop at run time has come to."""
    return memory.load(b, memory.index(b, array, Run(arith.as_u64(b, number))))


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
    if isinstance(value, (ListRef, DictRef, DictView)):
        return len(heap_object(state, value.owner if isinstance(value, DictView) else value))
    if isinstance(value, Ref) and is_array(value.ctype):
        return int(ctypes.sizeof(value.ctype) // ctypes.sizeof(value.ctype._type_))
    if isinstance(value, KernelRef) and isinstance(value.shape, KernelItems):
        return value.shape.length
    return None
