"""Calls: made now when everything is constant, inlined when the callee is Python, else translated."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Iterator
from operator import attrgetter
from typing import Any, Final

from ... import borders
from ...btf.shapes import KernelType
from ...exception import TypeMismatch, UnsupportedSyntax
from ...intrinsics import Helper, Pseudo
from . import (
    binding,
    captured,
    changes,
    choice,
    functions,
    generators,
    giants,
    host,
    intrinsics,
    iterators,
    kernel_memory,
    kernel_side,
    kind,
    memory,
    methods,
    mixed,
    namedtuples,
    packets,
    rings,
    subprograms,
)
from .builder import Builder
from .frames import Frame
from .kind import NotConstant
from .layout import is_ctype
from .machine import Machine
from .naming import asked
from .state import State
from .values import (
    NONE,
    Abstract,
    Bound,
    Closure,
    Const,
    Context,
    ExceptionOf,
    IteratorRef,
    ListRef,
    Map,
    Method,
    TupleOf,
    Unbound,
    Unlock,
    wrap,
)

Args = tuple[Abstract, ...]
Kwargs = dict[str, Abstract]



def call(ev: Machine, state: State, callee: Abstract, args: Args, kwargs: Kwargs, unit: int) -> Abstract:
    """``callee(*args, **kwargs)``; ``unit`` tells apart the calls of one function."""
    if isinstance(callee, Const):
        return _call_constant(ev, state, callee.obj, args, kwargs, unit)
    if isinstance(callee, Closure):
        if callee.code.co_name == generators.NAME and callee.code.co_flags & inspect.CO_GENERATOR:
            return generators.make(ev, state, callee, args, _path(ev, unit))
        return _inline_closure(ev, state, callee, args, kwargs, unit)
    if isinstance(callee, Bound):
        return call(ev, state, callee.fn, callee.args + args, dict(callee.kwargs) | kwargs, unit)
    if isinstance(callee, Method) and isinstance(callee.owner, Context):
        return packets.view(ev, callee.owner, args, kwargs)
    if isinstance(callee, Unlock):
        ev.b.unlock()
        return NONE
    if isinstance(callee, Method) and isinstance(callee.owner, TupleOf):
        return namedtuples.call(ev, state, callee.name, callee.owner, args, kwargs)
    if isinstance(callee, Method):
        if kwargs and isinstance(callee.owner, Map):
            args, kwargs = rings.with_size(callee.owner, callee.name, args, kwargs), {}
        if kwargs:
            raise TypeMismatch(
                0, f".{callee.name}() takes no keyword arguments here", hints=("give the values without names",)
            )
        return methods.call(ev, state, callee, args)
    if isinstance(callee, Unbound):
        raise TypeMismatch(0, f"which function is called here depends on the path: {callee.why}",
                           hints=("call each on its own path: f() if test else g()",))  # fmt: skip
    raise TypeMismatch(0, f"{callee.describe()} can't be called", hints=("only functions and ctypes types can",))


def _makes_maps(fn: Any) -> bool:
    """Whether it is a class of maps, or create_map()."""
    if isinstance(fn, type):
        return any(base.__module__.startswith(_MAPS) for base in fn.__mro__)
    return isinstance(fn, types.FunctionType) and fn.__name__ == "create_map" and fn.__module__.startswith(_MAPS)


_MAPS: Final = "py2bpf.datastructures."


def _call_constant(ev: Machine, state: State, fn: Any, args: Args, kwargs: Kwargs, unit: int) -> Abstract:
    if isinstance(fn, (Helper, Pseudo)):
        return intrinsics.call(ev, state, fn, args, kwargs)
    if isinstance(fn, KernelType):
        return kernel_memory.construct(ev, fn, args, kwargs)
    if is_ctype(fn):
        return memory.construct(ev.b, fn, args, kwargs)
    if isinstance(fn, functools.partial):
        bound = tuple(wrap(arg) for arg in fn.args)
        named = {key: wrap(value) for key, value in fn.keywords.items()}
        return call(ev, state, Const(fn.func), bound + args, named | kwargs, unit)
    if fn is functools.partial and args and _constants(ev.b, state, args, kwargs) is None:
        return Bound(args[0], args[1:], tuple(kwargs.items()))
    if isinstance(fn, types.MethodType):
        if namedtuples.is_given(fn.__func__) and _constants(ev.b, state, args, kwargs) is None:
            return namedtuples.call(ev, state, fn.__name__, wrap(fn.__self__), args, kwargs)
        return call(ev, state, Const(fn.__func__), (wrap(fn.__self__), *args), kwargs, unit)
    if not callable(fn):
        raise TypeMismatch(0, f"{Const(fn).describe()} can't be called", hints=("only functions and ctypes types can",))
    _refuse_frames(fn, args)
    if _makes_maps(fn):
        raise UnsupportedSyntax(0, f"programs make no maps: {fn.__name__}() is called outside of the function",
                                hints=(f"make it before, as a global or closure: m = {fn.__name__}(...)",))  # fmt: skip
    if functions.is_special(fn):
        handled = functions.call(ev, state, fn, args, kwargs)
        if handled is not None:
            return handled
    constants = _constants(ev.b, state, args, kwargs)
    if isinstance(fn, types.FunctionType) and (constants is None or kernel_side.touches_kernel(fn, constants)):
        if constants is None and borders.is_border(fn):
            _refuse(fn, args, kwargs)
        return _inline(ev, state, fn, args, kwargs, unit)
    method = inspect.getattr_static(type(fn), "__call__", None)
    if constants is None and isinstance(method, types.FunctionType) and not isinstance(fn, type):
        return _inline(ev, state, method, (Const(fn), *args), kwargs, unit)
    if constants is None and isinstance(fn, type) and issubclass(fn, BaseException):
        return ExceptionOf(fn)
    if constants is None and _is_get(fn) and len(args) in (1, 2) and not kwargs:
        return choice.get(ev.b, captured.entries(fn.__self__), *args)
    if constants is None and isinstance(fn, type) and issubclass(fn, tuple) and hasattr(fn, "_fields"):
        return namedtuples.make(fn, args, kwargs)
    if constants is None:
        _refuse(fn, args, kwargs)
    assert constants is not None
    if (found := giants.of_range(fn, *constants)) is not None:
        return Const(found)
    for value in (*args, *kwargs.values()):
        if isinstance(value, Const) and not any(value.obj is own for own in ev.endless):
            iterators.check_captured(value.obj)
    made = [obj for value, obj in _given(args, kwargs, constants) if not isinstance(value, (Const, IteratorRef))]
    own = changes.Memory(made)
    own.look()
    result = call_now(ev.b, fn, _captured(fn, args, kwargs), *constants)
    for value in (*args, *kwargs.values()):
        if not iterators.has_ended(state, value):
            iterators.lose(state, value, f"{_name(fn)}()")
    if isinstance(fn, types.FunctionType) and own.changed() is not None:
        return _inline(ev, state, fn, args, kwargs, unit)  # what it changed was a copy of the program's own
    host.check(f"{_name(fn)}()", own)
    if isinstance(result, Const) and isinstance(result.obj, iterators.ENDLESS):
        ev.endless.append(result.obj)
        return result
    return iterators.made(state, ev.ident(), result)


def _given(args: Args, kwargs: Kwargs, constants: tuple[list[Any], dict[str, Any]]) -> Iterator[tuple[Abstract, Any]]:
    return zip((*args, *kwargs.values()), (*constants[0], *constants[1].values()), strict=True)


def _captured(fn: Any, args: Args, kwargs: Kwargs) -> list[Any]:
    owner = asked(attrgetter("__self__"), fn, None)
    return [fn, owner, *(value.obj for value in (*args, *kwargs.values()) if isinstance(value, Const))]


def _is_get(fn: Any) -> bool:
    """Whether ``fn`` is the get() of a dict that is known while compiling."""
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
"""Functions that would see the compiler's own frame, or run code that nobody compiled."""
_NEED_ARGUMENT: Final = frozenset({vars, dir})


def _refuse_frames(fn: Any, args: Args) -> None:
    try:
        hint = _FRAMES.get(fn) or ("pass an object" if fn in _NEED_ARGUMENT and not args else "")
    except TypeError:  # unhashable
        return
    if hint:
        raise UnsupportedSyntax(0, f"{_name(fn)}() is not supported in compiled functions", hints=(hint,))


def _name(fn: Any) -> str:
    return asked(lambda given: str(given.__qualname__), fn, f"{type(fn).__name__}.__call__")


def _refuse(fn: Any, args: Args, kwargs: Kwargs) -> None:
    name = _name(fn)
    value = next(v for v in (*args, *kwargs.values()) if not isinstance(v, Const))
    mixed.use(value, f"the argument of {name}()")
    hints = [_INSTEAD.get(name, "call it on constants, and compare the run-time value with the result")]
    if name in ("ntohs", "htons", "ntohl", "htonl"):
        hints.append(f"or swap at run time with py2bpf.funcs.bswap{16 if name.endswith('s') else 32}")
    raise TypeMismatch(0, f"{name}() runs while compiling and needs constants, but an argument is {value.describe()}",
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
"""What to write instead of a function that only CPython can call."""


def call_now(b: Builder, fn: Any, captured: list[Any], args: list[Any], kwargs: dict[str, Any]) -> Abstract:
    """Calls a Python function while compiling; ``captured`` is what it may change for others."""
    giants.check_call(fn, args)
    return wrap(host.run_on(b, f"{_name(fn)}()", captured, fn, args, kwargs))


def _constants(b: Builder, state: State, args: Args, kwargs: Kwargs) -> tuple[list[Any], dict[str, Any]] | None:
    try:
        named = {key: kind.of(arg).as_object(b, state, arg) for key, arg in kwargs.items()}
        return [kind.of(arg).as_object(b, state, arg) for arg in args], named
    except NotConstant:
        return None


# inlining


def _inline(ev: Machine, state: State, fn: types.FunctionType, args: Args, kwargs: Kwargs, unit: int) -> Abstract:
    frame = ev.real_frame(fn, _path(ev, unit), ev.b.span)
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
    """The parameters of a function that Python made, as it starts."""
    return binding.bind(ev, state, frame, args, kwargs, *_defaults(fn))


def _inline_closure(ev: Machine, state: State, fn: Closure, args: Args, kwargs: Kwargs, unit: int) -> Abstract:
    frame = Frame(
        fn.code, ev.decode(fn.code), fn.globals, ev.frame, _path(ev, unit), ev.b.span, _path(ev, unit) in ev.apart
    )
    frame.cell_ids = dict(zip(fn.code.co_freevars, fn.cells, strict=True))
    return _run(ev, state, frame, args, kwargs, fn.defaults, dict(fn.kwdefaults))


def _path(ev: Machine, unit: int) -> tuple[Any, ...]:
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
    """Recursion ends only if a constant argument changes, or the length of a sequence; without one it never does."""
    caller = ev.frame
    while caller is not None:
        same = caller.code is frame.code and caller.constants == frame.constants and caller.cell_ids == frame.cell_ids
        if same and not any(isinstance(arg, (Const, TupleOf, ListRef)) for arg in (*args, *kwargs.values())):
            raise UnsupportedSyntax(0, f"{frame.fn.name}() calls itself with run-time arguments only",
                                    hints=("BPF has no recursion; write a loop",))  # fmt: skip
        caller = caller.parent
