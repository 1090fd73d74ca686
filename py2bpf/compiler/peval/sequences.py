"""Tuples and lists that a program makes: their length is known, whatever is in them."""

from __future__ import annotations

from typing import Final

from ...exception import TypeMismatch
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
