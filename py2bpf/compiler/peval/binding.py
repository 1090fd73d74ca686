"""Python's rules for which parameter gets which argument."""

from __future__ import annotations

from ...exception import TypeMismatch
from ..bytecode.canonical import Function
from . import sequences
from .frames import Frame
from .kind import Args, Kwargs
from .machine import Machine
from .state import State
from .values import Abstract, DictRef


def bind(
    ev: Machine, state: State, frame: Frame, args: Args, kwargs: Kwargs, defaults: Args, keywords: Kwargs
) -> dict[str, Abstract]:
    """The parameters' values when the function starts. ``defaults`` belong to the last positional parameters, and
    ``keywords`` are the defaults of keyword-only ones."""
    fn = frame.fn
    kwargs = dict(kwargs)
    names = dict(zip(fn.argnames, args, strict=False))
    extra = args[len(fn.argnames) :]
    if fn.varargs is not None:
        names[fn.varargs] = sequences.tuple_of(extra)
    elif extra:
        raise TypeMismatch(0, f"{fn.name}() takes {len(fn.argnames)} positional arguments, but {len(args)} are given",
                           hints=_parameters(fn))  # fmt: skip
    for name in (*fn.argnames[fn.posonly :], *fn.kwonly):
        if name in kwargs:
            if name in names:
                raise TypeMismatch(0, f"{fn.name}() gets more than one value for {name!r}", hints=_parameters(fn))
            names[name] = kwargs.pop(name)
    if fn.varkw is not None:
        ref = DictRef(ev.ident())
        state.heap[ref.ident] = kwargs
        names[fn.varkw] = ref
    elif kwargs:
        raise TypeMismatch(0, f"{fn.name}() has no parameter {next(iter(kwargs))!r}", hints=_parameters(fn))
    fallback = dict(zip(fn.argnames[len(fn.argnames) - len(defaults) :], defaults, strict=True)) | keywords
    for name in (*fn.argnames, *fn.kwonly):
        if name not in names:
            if name not in fallback:
                raise TypeMismatch(0, f"{fn.name}() is called without {name!r}", hints=_parameters(fn))
            names[name] = fallback[name]
    return names


def _parameters(fn: Function) -> tuple[str, ...]:
    stars = ["*" + fn.varargs] if fn.varargs else ["*"] if fn.kwonly else []
    parameters = [*fn.argnames, *stars, *fn.kwonly, *(["**" + fn.varkw] if fn.varkw else [])]
    return (f"its parameters are ({', '.join(parameters)})",)
