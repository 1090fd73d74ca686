"""Calls of Python functions: the callee's code is evaluated in place, or becomes a subprogram."""

from __future__ import annotations

import types
from typing import Any

from ...exception import UnsupportedSyntax
from . import binding, kernel_memory, mixed, subprograms
from .frames import Frame
from .kind import Args, Kwargs
from .machine import Machine
from .state import State
from .values import Abstract, Closure, wrap


def inline(ev: Machine, state: State, fn: types.FunctionType, args: Args, kwargs: Kwargs, unit: int) -> Abstract:
    """The call of a function that exists in Python."""
    frame = ev.real_frame(fn, path(ev, unit), ev.b.span)
    args, kwargs = kernel_memory.arguments(ev, fn, frame.fn.argnames, args, kwargs)
    if frame.fn.varargs is None and frame.fn.varkw is None:
        called = subprograms.call(ev, fn, frame, binding.bind(ev, state, frame, args, kwargs, *_defaults(fn)))
        if called is not None:
            return called
    return _run(ev, state, frame, args, kwargs, *_defaults(fn))


def _defaults(fn: types.FunctionType) -> tuple[Args, Kwargs]:
    keywords = {key: wrap(value) for key, value in (fn.__kwdefaults__ or {}).items()}
    return tuple(wrap(value) for value in fn.__defaults__ or ()), keywords


def bind_real(
    ev: Machine, state: State, frame: Frame, fn: types.FunctionType, args: Args, kwargs: Kwargs
) -> dict[str, Abstract]:
    """The parameters' values when a function that exists in Python starts."""
    return binding.bind(ev, state, frame, args, kwargs, *_defaults(fn))


def inline_closure(ev: Machine, state: State, fn: Closure, args: Args, kwargs: Kwargs, unit: int) -> Abstract:
    """The call of a function that the program made."""
    frame = ev.activation(fn.code, fn.globals, path(ev, unit), ev.b.span)
    frame.cell_ids = dict(zip(fn.code.co_freevars, fn.cells, strict=True))
    return _run(ev, state, frame, args, kwargs, fn.defaults, dict(fn.kwdefaults))


def path(ev: Machine, unit: int) -> tuple[Any, ...]:
    """The path of a call, which differs for each call in the program."""
    assert ev.frame is not None
    return (ev.frame.path, ev.frame.context, unit)


def _run(
    ev: Machine, state: State, frame: Frame, args: Args, kwargs: Kwargs, defaults: Args, keywords: Kwargs
) -> Abstract:
    span = ev.b.span
    _refuse_recursion(ev, frame, args, kwargs)
    names = binding.bind(ev, state, frame, args, kwargs, defaults, keywords)
    frame.given = tuple(names.values())
    result = ev.run(frame, names, state)
    ev.b.span = span
    return mixed.use(result, f"the result of {frame.fn.name}()")


def _refuse_recursion(ev: Machine, frame: Frame, args: Args, kwargs: Kwargs) -> None:
    """Refuses recursion without an argument that may shrink: a constant that may change, or a sequence."""
    caller = ev.frame
    while caller is not None:
        same = caller.code is frame.code and caller.constants == frame.constants and caller.cell_ids == frame.cell_ids
        if same and not any(arg.may_shrink for arg in (*args, *kwargs.values())):
            raise UnsupportedSyntax(0, f"{frame.fn.name}() calls itself with run-time arguments only",
                                    hints=("BPF has no recursion; write a loop",))  # fmt: skip
        caller = caller.parent
