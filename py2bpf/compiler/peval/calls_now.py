"""Calls that CPython runs at compile time, since all of their arguments are constant."""

from __future__ import annotations

import types
from collections.abc import Iterator
from operator import attrgetter
from typing import Any

from . import changes, giants, host, iterators, kind
from .builder import Builder
from .kind import Args, Kwargs, NotConstant
from .machine import Machine
from .naming import asked
from .state import State
from .values import Abstract, Const, IteratorRef, wrap

Objects = tuple[list[Any], dict[str, Any]]


def objects(b: Builder, state: State, args: Args, kwargs: Kwargs) -> Objects | None:
    """The arguments as Python objects; None if one is known at run time only."""
    try:
        named = {key: kind.of(arg).as_object(b, state, arg) for key, arg in kwargs.items()}
        return [kind.of(arg).as_object(b, state, arg) for arg in args], named
    except NotConstant:
        return None


def call(ev: Machine, state: State, fn: Any, args: Args, kwargs: Kwargs, given: Objects) -> Abstract | None:
    """``fn(*args, **kwargs)``; None if the call changed an argument that the program made: it changed only a copy."""
    if (found := giants.of_range(fn, *given)) is not None:
        return Const(found)
    values = (*args, *kwargs.values())
    for value in values:
        if isinstance(value, Const) and not any(value.obj is own for own in ev.endless):
            iterators.check_captured(value.obj)
    made = [obj for value, obj in _pairs(values, given) if not isinstance(value, (Const, IteratorRef))]
    own = changes.Memory(made)
    own.look()
    result = _call(ev.b, fn, _captured(fn, values), *given)
    for value in values:
        if not iterators.has_ended(state, value):
            iterators.lose(state, value, f"{name(fn)}()")
    if isinstance(fn, types.FunctionType) and own.changed() is not None:
        return None
    host.check(f"{name(fn)}()", own)
    if isinstance(result, Const) and isinstance(result.obj, iterators.ENDLESS):
        ev.endless.append(result.obj)
        return result
    return iterators.made(state, ev.ident(), result)


def _pairs(values: Args, given: Objects) -> Iterator[tuple[Abstract, Any]]:
    return zip(values, (*given[0], *given[1].values()), strict=True)


def _captured(fn: Any, values: Args) -> list[Any]:
    """The captured objects that the call may change."""
    owner = asked(attrgetter("__self__"), fn, None)
    return [fn, owner, *(value.obj for value in values if isinstance(value, Const))]


def _call(b: Builder, fn: Any, captured: list[Any], args: list[Any], kwargs: dict[str, Any]) -> Abstract:
    giants.check_call(fn, args)
    return wrap(host.run_on(b, f"{name(fn)}()", captured, fn, args, kwargs))


def name(fn: Any) -> str:
    """The name of a function in messages."""
    return asked(lambda given: str(given.__qualname__), fn, f"{type(fn).__name__}.__call__")
