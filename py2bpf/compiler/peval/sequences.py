"""Tuples and lists that a program makes. Their lengths are known at compile time."""

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
    """Whether the value is a list, made by the program or captured."""
    return isinstance(value, ListRef) or (isinstance(value, Const) and isinstance(value.obj, list))


def check_count(count: int) -> None:
    """Refuses too long a list or tuple before it is made. The error is final, since every attempt would have as many
    items."""
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
    """The items of ``sequence * times``; None if ``times`` is known at run time only."""
    times = indices.number(b, times)
    if not isinstance(times, Const) or not isinstance(times.obj, int):
        return None
    count = max(times.obj, 0)
    check_count(len(items) * count)
    # CPython itself refuses 2**63 repetitions, even of an empty sequence.
    made: tuple[Abstract, ...] = host.run(b, "the operator *", operator.mul, items, count)
    return made
