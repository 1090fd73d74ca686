"""Tuples and lists that a program makes: their length is known, whatever is in them."""

from __future__ import annotations

import operator
from typing import Final

from ...exception import TypeMismatch
from . import host, indices, kind
from .builder import Builder
from .machine import Machine
from .state import State
from .values import Abstract, Const, ListRef, TupleOf

MAX_ITEMS: Final = 65536


def tuple_of(items: list[Abstract] | tuple[Abstract, ...]) -> Abstract:
    """A tuple; a constant if its items are."""
    if all(isinstance(item, Const) for item in items):
        return Const(tuple(item.obj for item in items if isinstance(item, Const)))
    return TupleOf(tuple(items))


def new_list(ev: Machine, state: State, items: list[Abstract] | tuple[Abstract, ...]) -> ListRef:
    ref = ListRef(ev.ident())
    state.heap[ref.ident] = tuple(items)
    return ref


def is_list(value: Abstract) -> bool:
    """Whether it is a list, made by the program or captured."""
    return isinstance(value, ListRef) or (isinstance(value, Const) and isinstance(value.obj, list))


def check_count(count: int) -> None:
    """Raises the error for a list or tuple that takes too much memory, before anything of its size is made. It is
    final: compiled in another way it would have as many."""
    if count > MAX_ITEMS:
        hint = ("use an array map",)
        error = TypeMismatch(0, f"a list or tuple of more than {MAX_ITEMS} items", hints=hint)
        error.final = True
        raise error


def joined(ev: Machine, state: State, left: Abstract, right: Abstract) -> list[Abstract]:
    """The items of ``left + right``."""
    first, second = (tuple(kind.of(value).stored(ev.b, state, value) or ()) for value in (left, right))
    check_count(len(first) + len(second))
    return [*first, *second]


def repeated(b: Builder, items: tuple[Abstract, ...], times: Abstract) -> tuple[Abstract, ...] | None:
    """The items of ``sequence * times``; None where only run time knows how often."""
    times = indices.number(b, times)
    if not isinstance(times, Const) or not isinstance(times.obj, int):
        return None
    count = max(times.obj, 0)
    check_count(len(items) * count)
    # Of no items, 2**63 times are too many for CPython.
    made: tuple[Abstract, ...] = host.run(b, "the operator *", operator.mul, items, count)
    return made
