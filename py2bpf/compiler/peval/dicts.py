"""Dicts that a program makes. Their keys are constants; their values may be any abstract values."""

from __future__ import annotations

from typing import Any

from . import iterators
from .machine import Machine
from .state import State
from .values import Abstract, Const, DictRef, wrap


def new(ev: Machine, state: State, contents: dict[Any, Abstract]) -> DictRef:
    made = DictRef(ev.ident())
    state.heap[made.ident] = contents
    return made


def contents(state: State, value: Abstract) -> dict[Any, Abstract] | None:
    """The items of a dict, made by the program or captured; None for anything else, which may have its own ``|``."""
    if isinstance(value, DictRef):
        found: dict[Any, Abstract] = iterators.heap_object(state, value)
        return found
    if isinstance(value, Const) and type(value.obj) is dict:
        return {key: wrap(item) for key, item in value.obj.items()}
    return None
