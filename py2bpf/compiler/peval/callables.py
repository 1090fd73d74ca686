"""Calls of Python objects that are known at compile time: one function for each sort of callable, tried in order.

Each gives the call's value, or None if the callable is of another sort; the first value counts.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from ... import borders
from ...btf.shapes import KernelType
from ...exception import TypeMismatch, UnsupportedSyntax
from ...intrinsics import Helper, Pseudo
from . import calls_now, captured, choice, inlining, intrinsics, kernel_memory, kernel_side, mixed, namedtuples, objects
from .builtins import functions
from .kind import Args, Kwargs
from .layout import is_ctype
from .machine import Machine
from .state import State
from .values import Abstract, Bound, Const, ExceptionOf, wrap


@dataclass
class Call:
    """``fn(*args, **kwargs)``; ``unit`` numbers the calls within one function."""

    ev: Machine
    state: State
    fn: Any
    args: Args
    kwargs: Kwargs
    unit: int

    @cached_property
    def objects(self) -> calls_now.Objects | None:
        """The arguments as Python objects; None if one is known at run time only."""
        return calls_now.objects(self.ev.b, self.state, self.args, self.kwargs)

    def again(self, fn: Any, args: Args, kwargs: Kwargs) -> Abstract:
        """Calls another object instead."""
        return self.ev.call(self.state, Const(fn), args, kwargs, self.unit)

    def inline(self, fn: types.FunctionType, *leading: Abstract) -> Abstract:
        return inlining.inline(self.ev, self.state, fn, (*leading, *self.args), self.kwargs, self.unit)


def constant(ev: Machine, state: State, fn: Any, args: Args, kwargs: Kwargs, unit: int) -> Abstract:
    """The call of a constant."""
    call = Call(ev, state, fn, args, kwargs, unit)
    for row in _ROWS:
        if (found := row(call)) is not None:
            return found
    raise _needs_constants(call)


def _helper(call: Call) -> Abstract | None:
    if isinstance(call.fn, (Helper, Pseudo)):
        return intrinsics.call(call.ev, call.state, call.fn, call.args, call.kwargs)
    return None


def _kernel_type(call: Call) -> Abstract | None:
    if isinstance(call.fn, KernelType):
        return kernel_memory.construct(call.ev, call.fn, call.args, call.kwargs)
    return None


def _ctype(call: Call) -> Abstract | None:
    return objects.construct(call.ev.b, call.fn, call.args, call.kwargs) if is_ctype(call.fn) else None


def _partial(call: Call) -> Abstract | None:
    """A captured functools.partial, or one that the program makes from run-time values."""
    fn = call.fn
    if isinstance(fn, functools.partial):
        named = {key: wrap(value) for key, value in fn.keywords.items()}
        return call.again(fn.func, (*map(wrap, fn.args), *call.args), named | call.kwargs)
    if fn is functools.partial and call.args and call.objects is None:
        return Bound(call.args[0], call.args[1:], tuple(call.kwargs.items()))
    return None


def _bound_method(call: Call) -> Abstract | None:
    fn = call.fn
    if not isinstance(fn, types.MethodType):
        return None
    owner = wrap(fn.__self__)
    if namedtuples.is_given(fn.__func__) and call.objects is None:
        return namedtuples.call(call.ev, call.state, fn.__name__, owner, call.args, call.kwargs)
    return call.again(fn.__func__, (owner, *call.args), call.kwargs)


def _refused(call: Call) -> Abstract | None:
    """Refuses callables that no program may call, whatever the arguments are."""
    fn = call.fn
    if not callable(fn):
        raise TypeMismatch(0, f"{Const(fn).describe()} can't be called", hints=("only functions and ctypes types can",))
    _refuse_frames(fn, call.args)
    if _makes_maps(fn):
        raise UnsupportedSyntax(0, f"a program can't make a map: call {fn.__name__}() outside of the function",
                                hints=(f"make it before, as a global or closure: m = {fn.__name__}(...)",))  # fmt: skip
    return None


def _builtin(call: Call) -> Abstract | None:
    if functions.is_special(call.fn):
        return functions.call(call.ev, call.state, call.fn, call.args, call.kwargs)
    return None


def _python_function(call: Call) -> Abstract | None:
    fn, given = call.fn, call.objects
    if not isinstance(fn, types.FunctionType) or (given is not None and not kernel_side.touches_kernel(fn, given)):
        return None
    if given is None and borders.is_border(fn):
        raise _needs_constants(call)
    return call.inline(fn)


def _by_call_method(call: Call) -> Abstract | None:
    """An object whose class defines __call__."""
    method = inspect.getattr_static(type(call.fn), "__call__", None)
    if call.objects is None and isinstance(method, types.FunctionType) and not isinstance(call.fn, type):
        return call.inline(method, Const(call.fn))
    return None


def _exception(call: Call) -> Abstract | None:
    made = call.objects is None and isinstance(call.fn, type) and issubclass(call.fn, BaseException)
    return ExceptionOf(call.fn) if made else None


def _get_of_dict(call: Call) -> Abstract | None:
    if call.objects is None and _is_get(call.fn) and len(call.args) in (1, 2) and not call.kwargs:
        return choice.get(call.ev.b, captured.entries(call.fn.__self__), *call.args)
    return None


def _named_tuple(call: Call) -> Abstract | None:
    cls = call.fn
    if call.objects is None and isinstance(cls, type) and issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return namedtuples.make(cls, call.args, call.kwargs)
    return None


def _now(call: Call) -> Abstract | None:
    """A call that CPython runs at compile time; inlined if the call changed an object that the program made."""
    if call.objects is None:
        return None
    found = calls_now.call(call.ev, call.state, call.fn, call.args, call.kwargs, call.objects)
    return call.inline(call.fn) if found is None else found


_ROWS: Final[tuple[Callable[[Call], Abstract | None], ...]] = (
    _helper,
    _kernel_type,
    _ctype,
    _partial,
    _bound_method,
    _refused,  # before the rows that would accept some of these
    _builtin,  # translated for run-time values, and some even for constants
    _python_function,
    _by_call_method,
    _exception,
    _get_of_dict,
    _named_tuple,
    _now,
)


def _makes_maps(fn: Any) -> bool:
    """Whether the callable is a class of maps, or create_map()."""
    if isinstance(fn, type):
        return any(base.__module__.startswith(_MAPS) for base in fn.__mro__)
    return isinstance(fn, types.FunctionType) and fn.__name__ == "create_map" and fn.__module__.startswith(_MAPS)


_MAPS: Final = "py2bpf.datastructures."


def _is_get(fn: Any) -> bool:
    """Whether ``fn`` is the get() of a dict that is known at compile time."""
    return isinstance(fn, types.BuiltinMethodType) and fn.__name__ == "get" and isinstance(fn.__self__, dict)


_FRAMES: Final[dict[Any, str]] = {
    eval: "programs are compiled before they run: write the expression itself",
    exec: "programs are compiled before they run: write the statements themselves",
    compile: "programs are compiled before they run",
    locals: "name the variables",
    globals: "name the variables: globals are constants of the program",
    super: "name the base class: Base.method(self)",
    input: "keep what changes in a map",
    breakpoint: "print() shows values in the kernel's trace pipe",
}
"""Functions that would see the compiler's own frame, or run code that was not compiled."""
_NEED_ARGUMENT: Final = frozenset({vars, dir})


def _refuse_frames(fn: Any, args: Args) -> None:
    try:
        hint = _FRAMES.get(fn) or ("pass an object" if fn in _NEED_ARGUMENT and not args else "")
    except TypeError:  # unhashable
        return
    if hint:
        raise UnsupportedSyntax(0, f"{calls_now.name(fn)}() is not supported in compiled functions", hints=(hint,))


def _needs_constants(call: Call) -> TypeMismatch:
    """The error for run-time arguments of a function that only CPython can call."""
    name = calls_now.name(call.fn)
    value = next(v for v in (*call.args, *call.kwargs.values()) if not isinstance(v, Const))
    mixed.use(value, f"the argument of {name}()")
    hints = [_INSTEAD.get(name, "call it on constants, and compare the run-time value with the result")]
    if name in ("ntohs", "htons", "ntohl", "htonl"):
        hints.append(f"or swap at run time with py2bpf.funcs.bswap{16 if name.endswith('s') else 32}")
    return TypeMismatch(0, f"{name}() runs while compiling and needs constants, but an argument is {value.describe()}",
                       hints=tuple(hints))  # fmt: skip


_STRINGS: Final = "strings exist while compiling: print run-time values with f-strings"
_INSTEAD: Final = {
    "map": "write a list comprehension: [f(item) for item in items]",
    "filter": "write a list comprehension: [item for item in items if ...]",
    "reduce": "write a loop: for item in items: total = ...",
    "float": "BPF has no floating point; use integers, with // for division",
    **dict.fromkeys(("hex", "oct", "bin", "repr", "format", "ascii", "str.join"), _STRINGS),
    "str.format": "write an f-string: f'... {value}'",
    "sorted": "compare the values with if, or min() and max()",
    "type": "isinstance() works on run-time values",
}
"""Hints: what to write instead of a function that only CPython can call."""
