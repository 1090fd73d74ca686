"""Checks the arguments of methods of Python's own objects; and a list's extend()."""

from __future__ import annotations

from collections.abc import Mapping

from ...exception import TypeMismatch
from . import hints, iteration, iterators, sequences
from .machine import Machine
from .state import State
from .values import Abstract, ListRef


def check_arguments(
    cls: str, counts: Mapping[str, tuple[int, int]], name: str, args: tuple[Abstract, ...], kwargs: dict[str, Abstract]
) -> None:
    """Refuses a call with more or fewer arguments than ``counts`` allows for a method of ``cls``, or with keywords."""
    if kwargs:
        raise TypeMismatch(
            0, f".{name}() takes no keyword arguments here", hints=("give the values without names",)
        )
    fewest, most = counts.get(name, (0, len(args)))
    if not fewest <= len(args) <= most:
        raise TypeMismatch(0, f".{name}() takes {hints.arguments(fewest, most)}, but {len(args)} are given",
                           hints=(f"help({cls}.{name}) shows them",))  # fmt: skip


def extend(ev: Machine, state: State, target: Abstract, iterable: Abstract) -> None:
    """``target.extend(iterable)`` on a list made in the program."""
    items = iteration.known_items(ev.b, state, iterable)
    if not isinstance(target, ListRef) or items is None:
        raise TypeMismatch(
            0, f"can't extend {target.describe()} by {iterable.describe()}", hints=("the length must be known",)
        )
    before = iterators.heap_object(state, target)
    sequences.check_count(len(before) + len(items))
    state.heap[target.ident] = before + items
