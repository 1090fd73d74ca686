"""Namedtuples of run-time values: making one, and the methods that collections.namedtuple() gives each class."""

from __future__ import annotations

import collections
import inspect
import types
from collections.abc import Callable
from typing import Any, Final

from ...exception import TypeMismatch, UnsupportedSyntax
from . import classes, hints, iteration, special
from .kind import Args, Kwargs
from .machine import Machine
from .state import State
from .values import Abstract, Const, DictRef, TupleOf, wrap

_LIBRARY: Final = collections.namedtuple.__code__.co_filename


def make(cls: Any, args: Args, kwargs: Kwargs) -> Abstract:
    """``cls(*args, **kwargs)``."""
    makers = (classes.lookup(cls, "__new__")[0], classes.lookup(cls, "__init__")[0])
    if "_fields" not in vars(makers[0]) or makers[1] is not object:
        raise UnsupportedSyntax(0, f"{cls.__name__} is made by a method of its class, which programs don't call",
                                hints=("make it by a function with another name",))  # fmt: skip
    names: tuple[str, ...] = cls._fields
    given = dict(zip(names, args, strict=False)) | kwargs
    given = {name: wrap(value) for name, value in cls._field_defaults.items()} | given
    if len(args) + len(kwargs) > len(names) or set(given) != set(names) or set(names[: len(args)]) & set(kwargs):
        raise TypeMismatch(0, f"{cls.__name__}() takes one value for each of its fields", hints=_names(cls))
    return TupleOf(tuple(given[name] for name in names), cls)


def _names(cls: Any) -> tuple[str, ...]:
    return (f"they are {', '.join(cls._fields)}",)


def is_given(function: Any) -> bool:
    """Whether collections.namedtuple() made a method, and the class doesn't redefine it."""
    made = isinstance(function, types.FunctionType) and function.__code__.co_filename == _LIBRARY
    return made and function.__name__ in _METHODS


def call(ev: Machine, state: State, name: str, owner: Abstract, args: Args, kwargs: Kwargs) -> Abstract:
    """``owner.name(*args, **kwargs)`` of a namedtuple, or of its class."""
    if isinstance(owner, Const) and isinstance(owner.obj, tuple):
        owner = TupleOf(tuple(wrap(item) for item in owner.obj), type(owner.obj))
    return _METHODS[name](ev, state, owner, args, kwargs)


def _replace(ev: Machine, state: State, owner: Any, args: Args, kwargs: Kwargs) -> Abstract:
    names = owner.cls._fields
    special.refuse_iteration(owner)
    if not is_given(getattr(inspect.getattr_static(owner.cls, "_make"), "__func__", None)):
        raise UnsupportedSyntax(
            0, f"{owner.cls.__name__}._make() is a method of its class, by which ._replace() makes one",
            hints=("make it by its fields",),
        )  # fmt: skip
    unknown = next((name for name in kwargs if name not in names), None)
    if args or unknown is not None:
        raise TypeMismatch(0, f"._replace() takes the fields of {owner.cls.__name__} by name",
                           hints=hints.near(unknown or "", names, f"they are {', '.join(names)}"))  # fmt: skip
    return TupleOf(tuple(kwargs.get(name, item) for name, item in zip(names, owner.items, strict=True)), owner.cls)


def _asdict(ev: Machine, state: State, owner: Any, args: Args, kwargs: Kwargs) -> Abstract:
    if args or kwargs:
        raise TypeMismatch(0, "._asdict() takes no arguments", hints=("call it without",))
    special.refuse_iteration(owner)
    made = DictRef(ev.ident())
    state.heap[made.ident] = dict(zip(owner.cls._fields, owner.items, strict=True))
    return made


def _make(ev: Machine, state: State, owner: Any, args: Args, kwargs: Kwargs) -> Abstract:
    cls = owner.obj
    items = iteration.known_items(ev.b, state, args[0]) if len(args) == 1 and not kwargs else None
    if items is None:
        raise TypeMismatch(0, f"{cls.__name__}._make() takes values whose number is known, not "
                           f"{args[0].describe() if args else 'nothing'}", hints=("give it a tuple or a list",))
    if len(items) != len(cls._fields):
        raise TypeMismatch(0, f"{cls.__name__}._make() takes one value for each of its fields", hints=_names(cls))
    return TupleOf(items, cls)


_METHODS: Final[dict[str, Callable[[Machine, State, Any, Args, Kwargs], Abstract]]] = {
    "_replace": _replace,
    "_asdict": _asdict,
    "_make": _make,
}
