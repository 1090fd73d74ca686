"""Calls: made now when everything is constant, inlined when the callee is Python, else translated."""

from __future__ import annotations

import copy
import functools
import inspect
import types
from typing import TYPE_CHECKING, Any, Final

from ...btf.shapes import KernelType, KernelTypes
from ...exception import Py2BpfError, TypeMismatch, UnsupportedSyntax
from ...intrinsics import Helper, Pseudo
from ..bytecode.canonical import Function
from . import (
    arith,
    choice,
    functions,
    generators,
    iteration,
    iterators,
    kernel_memory,
    maps,
    memory,
    packets,
    rings,
    semantics,
    subprograms,
)
from .builder import Builder
from .describe import describe
from .frames import Frame
from .layout import is_ctype
from .state import State
from .values import (
    FALSE,
    NONE,
    Abstract,
    Bound,
    Closure,
    Const,
    Context,
    DictRef,
    DictView,
    ExceptionOf,
    IteratorRef,
    ListRef,
    Map,
    Method,
    Ref,
    Run,
    TupleOf,
    Unlock,
    map_spec_of,
    wrap,
)

if TYPE_CHECKING:
    from .evaluator import Evaluator

Args = tuple[Abstract, ...]
Kwargs = dict[str, Abstract]

INT_METHODS: Final = frozenset({"bit_length", "bit_count", "conjugate"})
CHARS_METHODS: Final = frozenset({"startswith"})


def call(ev: Evaluator, state: State, callee: Abstract, args: Args, kwargs: Kwargs, unit: int) -> Abstract:
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
    if isinstance(callee, Method):
        if kwargs and isinstance(callee.owner, Map):
            args, kwargs = rings.with_size(callee.owner, callee.name, args, kwargs), {}
        if kwargs:
            raise TypeMismatch(
                0, f".{callee.name}() takes no keyword arguments here", hints=("give the values without names",)
            )
        return _call_method(ev, state, callee, args)
    raise TypeMismatch(0, f"{describe(callee)} can't be called", hints=("only functions and ctypes types can",))


def _call_constant(ev: Evaluator, state: State, fn: Any, args: Args, kwargs: Kwargs, unit: int) -> Abstract:
    if isinstance(fn, (Helper, Pseudo)):
        from . import intrinsics

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
        return call(ev, state, Const(fn.__func__), (wrap(fn.__self__), *args), kwargs, unit)
    if not callable(fn):
        raise TypeMismatch(0, f"{describe(Const(fn))} can't be called", hints=("only functions and ctypes types can",))
    _refuse_frames(fn, args)
    if functions.is_special(fn):
        handled = functions.call(ev, state, fn, args, kwargs)
        if handled is not None:
            return handled
    constants = _constants(ev.b, state, args, kwargs)
    if isinstance(fn, types.FunctionType) and (constants is None or touches_kernel(fn, constants)):
        return _inline(ev, state, fn, args, kwargs, unit)
    method = inspect.getattr_static(type(fn), "__call__", None)
    if constants is None and isinstance(method, types.FunctionType) and not isinstance(fn, type):
        return _inline(ev, state, method, (Const(fn), *args), kwargs, unit)
    if constants is None and isinstance(fn, type) and issubclass(fn, BaseException):
        return ExceptionOf(fn)
    if constants is None and _is_get(fn) and len(args) in (1, 2) and not kwargs:
        return choice.get(ev.b, fn.__self__, *args)
    if constants is None and isinstance(fn, type) and issubclass(fn, tuple) and hasattr(fn, "_fields"):
        return _named_tuple(fn, args, kwargs)
    if constants is None:
        _refuse(fn, args, kwargs)
    assert constants is not None
    for value in (*args, *kwargs.values()):
        if isinstance(value, Const) and not any(value.obj is own for own in ev.endless):
            iterators.check_captured(value.obj)
    given = zip((*args, *kwargs.values()), (*constants[0], *constants[1].values()), strict=True)
    before = [(value, obj, copy.copy(obj)) for value, obj in given if type(obj) in _CONTAINERS]
    result = call_now(fn, *constants)
    for value in (*args, *kwargs.values()):
        if not iterators.has_ended(state, value):
            iterators.lose(state, value, f"{_name(fn)}()")
    changed = [(value, obj) for value, obj, old in before if obj != old]
    if changed and isinstance(fn, types.FunctionType) and not any(isinstance(value, Const) for value, _ in changed):
        return _inline(ev, state, fn, args, kwargs, unit)  # what it changed was a copy of the program's own
    if changed:
        raise UnsupportedSyntax(
            0,
            f"{_name(fn)}() is called while compiling, and changes a {type(changed[0][1]).__name__} that it is given",
            hints=("let it return a new one",),
        )
    if isinstance(result, Const) and isinstance(result.obj, iterators.ENDLESS):
        ev.endless.append(result.obj)
        return result
    return iterators.made(state, ev.ident(), result)


def _is_get(fn: Any) -> bool:
    """Whether ``fn`` is the get() of a dict that is known while compiling."""
    return getattr(fn, "__name__", "") == "get" and type(getattr(fn, "__self__", None)) is dict


def _named_tuple(cls: Any, args: Args, kwargs: Kwargs) -> Abstract:
    """A namedtuple of run-time values."""
    names: tuple[str, ...] = cls._fields
    given = dict(zip(names, args, strict=False)) | kwargs
    given = {name: wrap(value) for name, value in cls._field_defaults.items()} | given
    if len(args) + len(kwargs) > len(names) or set(given) != set(names) or set(names[: len(args)]) & set(kwargs):
        raise TypeMismatch(0, f"{cls.__name__}() takes one value for each of its fields",
                           hints=(f"they are {', '.join(names)}",))  # fmt: skip
    return TupleOf(tuple(given[name] for name in names), cls)


_CONTAINERS: Final = frozenset({list, dict, set, bytearray})
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
    return str(getattr(fn, "__qualname__", None) or repr(fn))


def _refuse(fn: Any, args: Args, kwargs: Kwargs) -> None:
    name = getattr(fn, "__qualname__", repr(fn))
    value = next(v for v in (*args, *kwargs.values()) if not isinstance(v, Const))
    semantics.use(value, f"the argument of {name}()")
    hints = [_INSTEAD.get(name, "call it on constants, and compare the run-time value with the result")]
    if name in ("ntohs", "htons", "ntohl", "htonl"):
        hints.append(f"or swap at run time with py2bpf.funcs.bswap{16 if name.endswith('s') else 32}")
    raise TypeMismatch(0, f"{name}() runs while compiling and needs constants, but an argument is {describe(value)}",
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


def call_now(fn: Any, args: list[Any], kwargs: dict[str, Any]) -> Abstract:
    """Calls a Python function while compiling."""
    try:
        return wrap(fn(*args, **kwargs))
    except Py2BpfError:
        raise
    except Exception as error:
        name = getattr(fn, "__qualname__", repr(fn))
        raise TypeMismatch(
            0,
            f"{name}() was called while compiling and raised {type(error).__name__}: {error}",
            hints=("calls on constants are made by CPython while compiling",),
        ) from error


def _constants(b: Builder, state: State, args: Args, kwargs: Kwargs) -> tuple[list[Any], dict[str, Any]] | None:
    try:
        named = {key: _constant(b, state, arg) for key, arg in kwargs.items()}
        return [_constant(b, state, arg) for arg in args], named
    except _NotConstant:
        return None


class _NotConstant(Exception):  # noqa: N818 - control flow
    pass


def _constant(b: Builder, state: State, value: Abstract) -> Any:
    if isinstance(value, Const):
        return value.obj
    if isinstance(value, ListRef):
        return [_constant(b, state, item) for item in iteration.heap_object(state, value)]
    if isinstance(value, DictRef):
        return {key: _constant(b, state, item) for key, item in iteration.heap_object(state, value).items()}
    if isinstance(value, DictView):
        return getattr(_constant(b, state, value.owner), value.kind)()
    if isinstance(value, IteratorRef):  # of a copy, since the call may not come about
        return iter([_constant(b, state, item) for item in iterators.rest(b, state.copy(), value)])
    if isinstance(value, TupleOf):
        items = tuple(_constant(b, state, item) for item in value.items)
        return items if value.cls is tuple else value.cls._make(items)
    if isinstance(value, Closure) and not value.cells and not value.kwdefaults:
        defaults = tuple(_constant(b, state, item) for item in value.defaults)
        return types.FunctionType(value.code, value.globals, value.code.co_name, defaults)
    raise _NotConstant


# inlining


def _inline(ev: Evaluator, state: State, fn: types.FunctionType, args: Args, kwargs: Kwargs, unit: int) -> Abstract:
    frame = ev.real_frame(fn, _path(ev, unit), ev.b.span)
    args, kwargs = kernel_memory.arguments(ev, fn, frame.fn.argnames, args, kwargs)
    if frame.fn.varargs is None and frame.fn.varkw is None:
        called = subprograms.call(ev, fn, frame, bind(ev, state, frame, args, kwargs, *_defaults(fn)))
        if called is not None:
            return called
    return _run(ev, state, frame, args, kwargs, *_defaults(fn))


def _defaults(fn: types.FunctionType) -> tuple[Args, Kwargs]:
    keywords = {key: wrap(value) for key, value in (fn.__kwdefaults__ or {}).items()}
    return tuple(wrap(value) for value in fn.__defaults__ or ()), keywords


def bind_real(
    ev: Evaluator, state: State, frame: Frame, fn: types.FunctionType, args: Args, kwargs: Kwargs
) -> dict[str, Abstract]:
    """The parameters of a function that Python made, as it starts."""
    return bind(ev, state, frame, args, kwargs, *_defaults(fn))


def _inline_closure(ev: Evaluator, state: State, fn: Closure, args: Args, kwargs: Kwargs, unit: int) -> Abstract:
    frame = Frame(
        fn.code, ev.decode(fn.code), fn.globals, ev.frame, _path(ev, unit), ev.b.span, _path(ev, unit) in ev.apart
    )
    frame.cell_ids = dict(zip(fn.code.co_freevars, fn.cells, strict=True))
    return _run(ev, state, frame, args, kwargs, fn.defaults, dict(fn.kwdefaults))


def _path(ev: Evaluator, unit: int) -> tuple[Any, ...]:
    assert ev.frame is not None
    return (ev.frame.path, ev.frame.context, unit)


def _run(
    ev: Evaluator, state: State, frame: Frame, args: Args, kwargs: Kwargs, defaults: Args, keywords: Kwargs
) -> Abstract:
    span = ev.b.span
    _refuse_recursion(ev, frame, args, kwargs)
    names = bind(ev, state, frame, args, kwargs, defaults, keywords)
    result = ev.run(frame, names, state)
    ev.b.span = span
    return semantics.use(result, f"the result of {frame.fn.name}()")


def _refuse_recursion(ev: Evaluator, frame: Frame, args: Args, kwargs: Kwargs) -> None:
    """Recursion ends only if a constant argument changes, or the length of a sequence; without one it never does."""
    caller = ev.frame
    while caller is not None:
        same = caller.code is frame.code and caller.constants == frame.constants and caller.cell_ids == frame.cell_ids
        if same and not any(isinstance(arg, (Const, TupleOf, ListRef)) for arg in (*args, *kwargs.values())):
            raise UnsupportedSyntax(0, f"{frame.fn.name}() calls itself with run-time arguments only",
                                    hints=("BPF has no recursion; write a loop",))  # fmt: skip
        caller = caller.parent


def bind(
    ev: Evaluator, state: State, frame: Frame, args: Args, kwargs: Kwargs, defaults: Args, keywords: Kwargs
) -> dict[str, Abstract]:
    """Python's rules for which parameter gets which argument."""
    fn = frame.fn
    kwargs = dict(kwargs)
    names = dict(zip(fn.argnames, args, strict=False))
    extra = args[len(fn.argnames) :]
    if fn.varargs is not None:
        names[fn.varargs] = semantics.tuple_of(extra)
    elif extra:
        raise TypeMismatch(0, f"{fn.name}() takes {len(fn.argnames)} positional arguments, but {len(args)} are given",
                           hints=_parameters(fn))  # fmt: skip
    for name in (*fn.argnames[fn.posonly :], *fn.kwonly):
        if name in kwargs:
            if name in names:
                raise TypeMismatch(0, f"{fn.name}() gets two values for {name!r}", hints=_parameters(fn))
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


# methods of run-time values


def _call_method(ev: Evaluator, state: State, method: Method, args: Args) -> Abstract:
    owner = method.owner
    if isinstance(owner, Map):
        return maps.call_method(ev.b, owner, method.name, args)
    if isinstance(owner, Run):
        return _int_method(ev, owner, method.name)
    if isinstance(owner, Ref):
        return _chars_method(ev, owner, args)
    if isinstance(owner, ListRef):
        return _list_method(ev, state, owner, method.name, args)
    if isinstance(owner, DictRef):
        return _dict_method(ev, state, owner, method.name, args)
    raise TypeMismatch(0, f"{describe(owner)} has no method {method.name}()",
                       hints=("maps, integers, char arrays, lists and dicts have some",))  # fmt: skip


def _int_method(ev: Evaluator, owner: Run, name: str) -> Abstract:
    if name == "conjugate":
        return owner
    compute = arith.bit_length if name == "bit_length" else arith.popcount
    return arith.from_ir(compute(ev.b, owner.ir))


def _chars_method(ev: Evaluator, owner: Ref, args: Args) -> Abstract:
    if len(args) != 1 or not isinstance(args[0], Const) or not isinstance(args[0].obj, bytes):
        raise TypeMismatch(0, "startswith() of a char array takes constant bytes", hints=("write b'...'",))
    prefix = args[0].obj
    if b"\0" in prefix or len(prefix) > owner.ctype._length_:
        return FALSE
    return arith.from_bool(memory.equal_bytes(ev.b, owner, prefix))


def _list_method(ev: Evaluator, state: State, owner: ListRef, name: str, args: Args) -> Abstract:
    from . import access

    items = iteration.heap_object(state, owner)
    if name == "append" and len(args) == 1:
        state.heap[owner.ident] = (*items, args[0])
        return NONE
    if name == "extend" and len(args) == 1:
        access.extend(ev, state, owner, args[0])
        return NONE
    if name == "pop" and items and (not args or (isinstance(args[0], Const) and isinstance(args[0].obj, int))):
        remaining = list(items)
        popped = iterators.arrived(ev.b, remaining.pop(args[0].obj if args and isinstance(args[0], Const) else -1))
        state.heap[owner.ident] = tuple(remaining)
        return popped
    raise UnsupportedSyntax(0, f"list.{name}() is not supported in compiled functions",
                            hints=("append, extend and pop are",))  # fmt: skip


def _dict_method(ev: Evaluator, state: State, owner: DictRef, name: str, args: Args) -> Abstract:
    items = iteration.heap_object(state, owner)
    if name == "get" and args and not isinstance(args[0], Const):
        return choice.get(ev.b, items, *args)
    if name == "get" and args:
        assert isinstance(args[0], Const)
        found: Abstract = items.get(args[0].obj, args[1] if len(args) > 1 else NONE)
        return found
    if name in ("keys", "values", "items") and not args:
        return DictView(owner, name)
    raise UnsupportedSyntax(
        0,
        f"dict.{name}() is not supported in compiled functions",
        hints=("get, keys, values and items are, and d[key] = value with constant keys",),
    )


# which functions must not be called while compiling


@functools.lru_cache(maxsize=1024)
def _mentions(code: types.CodeType) -> frozenset[str]:
    names = set(code.co_names)
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            names |= _mentions(inner)
    return frozenset(names)


def touches_kernel(fn: types.FunctionType, constants: tuple[list[Any], dict[str, Any]]) -> bool:
    """Whether the function, one that it names, or an argument has to do with maps or helpers: the call belongs
    into the program then, even if all its arguments are constants."""
    args, kwargs = constants
    inside = _touches(fn, set()) or bool(kernel_memory.annotated(fn))
    return inside or any(_holds_maps(arg) for arg in (*args, *kwargs.values()))


def _holds_maps(obj: Any) -> bool:
    """Whether an argument is an object with maps among its attributes, or a callable of the kernel's side."""
    if isinstance(obj, type):
        return any(map_spec_of(value) is not None for value in vars(obj).values())
    held = getattr(obj, "__dict__", {})
    return _is_kernel_side(obj, set()) or any(_is_kernel_side(value, set()) for value in held.values())


def _touches(fn: types.FunctionType, seen: set[types.CodeType]) -> bool:
    if fn.__code__ in seen:
        return False
    seen.add(fn.__code__)
    names = _mentions(fn.__code__)
    found = [fn.__globals__[name] for name in names if name in fn.__globals__]
    for cell in fn.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # an empty cell
            continue
    modules = [obj for obj in found if isinstance(obj, types.ModuleType)]
    found += [vars(module)[name] for module in modules for name in names if name in vars(module)]
    return any(_is_kernel_side(obj, seen) for obj in found)


def _is_kernel_side(obj: Any, seen: set[types.CodeType]) -> bool:
    if isinstance(obj, (Helper, Pseudo, KernelType, KernelTypes)) or map_spec_of(obj) is not None:
        return True
    if isinstance(obj, types.MethodType):
        return _is_kernel_side(obj.__func__, seen) or _is_kernel_side(obj.__self__, seen)
    if isinstance(obj, types.FunctionType):
        return _touches(obj, seen)
    return isinstance(obj, types.ModuleType) and obj.__name__ == "py2bpf.funcs"
