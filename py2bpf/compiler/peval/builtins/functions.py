"""The table of Python's functions that work on run-time values too, and calls of them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Final

from ....exception import TypeMismatch, UnsupportedSyntax
from ...ir.ops import Op
from .. import generators, hints, mixed
from ..kind import Args
from ..machine import Machine
from ..state import State
from ..values import Abstract, Const, GeneratorOf, Mixed
from . import library, numbers, objects, sequences

_HANDLERS: Final[dict[Any, tuple[Callable[[Machine, State, Args], Abstract], int, int]]] = {
    abs: (numbers.abs_, 1, 1),
    min: (numbers.extreme(Op.LT), 1, 255),
    max: (numbers.extreme(Op.GT), 1, 255),
    divmod: (numbers.divmod_, 2, 2),
    pow: (numbers.pow_, 2, 3),
    int: (numbers.int_, 1, 2),
    bool: (numbers.bool_, 1, 1),
    len: (sequences.len_, 1, 1),
    sum: (numbers.sum_, 1, 2),
    any: (numbers.any_or_all(True), 1, 1),
    all: (numbers.any_or_all(False), 1, 1),
    range: (sequences.range_, 1, 3),
    iter: (sequences.iter_, 1, 1),
    next: (sequences.next_, 1, 2),
    enumerate: (sequences.enumerate_, 1, 2),
    zip: (sequences.zip_, 0, 255),
    reversed: (sequences.reversed_, 1, 1),
    tuple: (sequences.tuple_, 0, 1),
    list: (sequences.list_, 0, 1),
    isinstance: (objects.is_instance, 2, 2),
    print: (objects.print_, 0, 255),
    str: (objects.str_, 1, 1),
    ord: (objects.ord_, 1, 1),
    getattr: (objects.getattr_, 2, 3),
    setattr: (objects.setattr_, 3, 3),
    hasattr: (objects.hasattr_, 2, 2),
    ctypes.sizeof: (objects.sizeof, 1, 1),
    **library.TABLE,
}


_KEYWORDS: Final[dict[tuple[Any, str], Callable[[Machine, State, Args, Abstract], Abstract]]] = {
    (zip, "strict"): sequences.zip_,
    (min, "key"): numbers.extreme_by(Op.LT),
    (max, "key"): numbers.extreme_by(Op.GT),
    (min, "default"): numbers.extreme_or_default(Op.LT),
    (max, "default"): numbers.extreme_or_default(Op.GT),
}
"""Functions that take one keyword argument."""


_SECOND: Final = {(sum, "start"), (enumerate, "start")}
"""Second arguments that may be passed by name."""


_INSTEAD: Final[dict[Any, str]] = {
    iter: "write the calls out: while (item := f()) != last: ...",
    round: "to round to tens, halves up, write (n + 5) // 10 * 10",
}
"""What to write for forms that take more arguments."""


_ALWAYS: Final = {print, list, enumerate, zip, reversed, iter, next, setattr}
"""Translated even with constant arguments: they print, change something, or make iterators that must not outlive a
path."""


def names() -> list[str]:
    """The names of built-in functions and types that work on run-time values."""
    return [fn.__name__ for fn in _HANDLERS if fn.__module__ == "builtins"]


def is_special(fn: Any) -> bool:
    try:
        return fn in _HANDLERS
    except TypeError:  # unhashable
        return False


def _all_constant(*args: Abstract) -> bool:
    return all(isinstance(arg, Const) for arg in args)


def call(ev: Machine, state: State, fn: Any, args: Args, kwargs: dict[str, Abstract]) -> Abstract | None:
    """Translates the call; None if all arguments are constant, so that CPython can run it at compile time."""
    if fn not in _ALWAYS and _all_constant(*args, *kwargs.values()):
        return None
    if len(args) == 1 and len(kwargs) == 1 and (fn, next(iter(kwargs))) in _SECOND:
        args, kwargs = (*args, *kwargs.values()), {}
    if args and isinstance(args[0], GeneratorOf):
        return generators.consume(ev, state, fn, args[0], args[1:], kwargs)
    handler, fewest, most = _HANDLERS[fn]
    for arg in (*args, *kwargs.values()):
        if fn is not bool or not isinstance(arg, Mixed):
            mixed.use(arg, f"the argument of {fn.__name__}()")
    named = _KEYWORDS.get((fn, next(iter(kwargs)))) if len(kwargs) == 1 else None
    if kwargs and named is None:
        raise UnsupportedSyntax(
            0,
            f"{fn.__name__}() takes no keyword argument {next(iter(kwargs))!r} in a compiled function",
            hints=("leave it out",),
        )
    if not fewest <= len(args) <= most:
        raise TypeMismatch(
            0,
            f"{fn.__name__}() takes {hints.arguments(fewest, most)}, but {len(args)} are given",
            hints=(_INSTEAD.get(fn, f"help({fn.__name__}) shows them"),),
        )
    return handler(ev, state, args) if named is None else named(ev, state, args, next(iter(kwargs.values())))
