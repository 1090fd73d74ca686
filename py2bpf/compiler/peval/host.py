"""Runs code in CPython at compile time, and reports it if it reads or changes the outside world.

CPython's profiling hook sees every function that is called, at any depth. It costs some microseconds for each call at
compile time (and two thirds of the time of Python code in it). Reading names from the code instead would miss methods
and callbacks, and would report functions that are never called.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

from ...borders import of_a_signal, of_the_user
from ...exception import (
    CalledOnce,
    InternalCompilerError,
    Py2BpfError,
    TranslationError,
    TypeMismatch,
    UnsupportedSyntax,
)
from . import changes, classes
from .builder import Builder
from .effects import Effect, effect_of, named
from .naming import asked
from .values import Const

T = TypeVar("T")
Errors = tuple[type[Exception], ...]

_ASIDE: Final = ("importlib", "_frozen_importlib", "_frozen_importlib_external")
"""Modules that open files to import others. Importing is not reported: the user wants the module, not the file."""
AS_PYTHON: Final = ("what is known while compiling is computed by CPython, and fails as there",)
_OUTSIDE: Final = "or call it outside of the function: what a program captures is constant"


def run(b: Builder, what: str, fn: Callable[..., T], /, *args: Any, raises: Errors = ()) -> T:
    """``fn(*args)`` by CPython at compile time; ``what`` names it in messages. The caller handles errors in ``raises``.
    """
    if not all(classes.is_known(type(arg)) for arg in args):
        return run_on(b, what, [fn, *args], fn, args, {}, raises)
    with _telling(what, raises):
        return fn(*args)


def run_on(
    b: Builder, what: str, captured: list[Any], fn: Callable[..., T], args: Sequence[Any], kwargs: dict[str, Any],
    raises: Errors = (),
) -> T:  # fmt: skip
    """``fn(*args, **kwargs)`` by CPython at compile time. Refuses calls that change the captured objects or anything
    else that they reach, even if the call raises in the end. The garbage collector is off meanwhile, since the effects
    of gc.callbacks and finalizers are not the function's."""
    collects = gc.isenabled()
    try:  # no Python call between this and the end, in which a signal handler could raise
        gc.disable()
        return _run_on(b, what, captured, fn, args, kwargs, raises)
    finally:
        if collects:
            gc.enable()


def _run_on(
    b: Builder, what: str, captured: list[Any], fn: Callable[..., T], args: Sequence[Any], kwargs: dict[str, Any],
    raises: Errors,
) -> T:  # fmt: skip
    with _telling(what, raises):
        memory = changes.Memory(captured)
        if sys.getprofile() is not None or changes.changes_itself(fn):
            memory.look()
        try:
            result = _call(b, memory, fn, args, kwargs)
        except Exception as error:
            if not of_a_signal(error):
                check(what, memory, error)
            raise
        check(what, memory)
        return result


def key(b: Builder, value: Const) -> Any:
    """The object of a constant, checked to be hashable."""
    run(b, "hash()", hash, value.obj)
    return value.obj


@contextlib.contextmanager
def asking() -> Iterator[None]:
    """Reports errors of captured objects' methods that the compiler itself calls, such as ``__class__``."""
    try:
        yield
    except Exception as error:
        if isinstance(error, Py2BpfError) or not of_the_user(error) or of_a_signal(error):
            raise
        raise _told("a method of what the program captures", error) from error


@contextlib.contextmanager
def _telling(what: str, raises: Errors) -> Iterator[None]:
    """Turns an error of the user's code into an error at the line that ran the code. Anything that isn't an Exception,
    such as KeyboardInterrupt or SystemExit, ends the compilation."""
    try:
        yield
    except Exception as error:
        if isinstance(error, (TranslationError, InternalCompilerError, *raises)) or of_a_signal(error):
            raise
        raise _told(what, error) from error


def _told(what: str, error: Exception) -> TypeMismatch:
    told = f"{type(error).__name__}: {asked(str, error, '')}".removesuffix(": ")
    return TypeMismatch(0, f"{what} fails while compiling: {told}", hints=AS_PYTHON)


def check(what: str, memory: changes.Memory, cause: Exception | None = None) -> None:
    """Raises an error if a call has changed something. The error is final, since a second call may change nothing."""
    changed = memory.changed()
    if changed is None:
        return
    error = UnsupportedSyntax(
        0, f"{what} runs while compiling, and changes {changed}",
        hints=("call it outside of the function, or let it return something new",
               "keep what changes while the program runs in a map"),
    )  # fmt: skip
    error.final = True
    raise error from cause


def _call(
    b: Builder, memory: changes.Memory, fn: Callable[..., T], args: Sequence[Any], kwargs: dict[str, Any]
) -> T:
    direct = effect_of(fn)
    if direct is not None:
        _note(b, f"{direct[0]}() {direct[1].does} once, while compiling", direct[1])
    if direct is not None or sys.getprofile() is not None:
        return fn(*args, **kwargs)
    watch = _Watch(memory)
    sys.setprofile(watch)
    try:
        return fn(*args, **kwargs)
    finally:
        sys.setprofile(None)
        for name, effect in watch.found.items():
            _note(b, f"{name}() is called here while compiling, and {effect.does} once", effect)


def _note(b: Builder, text: str, effect: Effect) -> None:
    if b.span is not None:
        b.fn.notices.append((CalledOnce, b.span, text, (effect.instead, _OUTSIDE)))


class _Watch:
    """A profiling hook that collects called functions with an effect, but not what they call themselves. Other
    functions are passed to ``memory``."""

    def __init__(self, memory: changes.Memory) -> None:
        self.memory = memory
        self.seen: set[types.CodeType] = set()
        self.found: dict[str, Effect] = {}
        self.inside: types.FrameType | None = None

    def __call__(self, frame: types.FrameType, event: str, arg: Any) -> None:
        if self.inside is not None:
            if event == "return" and frame is self.inside:
                self.inside = None
            return
        if event == "c_call":
            self._add(effect_of(arg))
        elif event == "call" and frame.f_code not in self.seen:
            module = frame.f_globals.get("__name__")
            if isinstance(module, str) and (
                module in _ASIDE or self._add(named(module, frame.f_code.co_qualname))
            ):  # fmt: skip
                self.inside = frame
                return
            self.seen.add(frame.f_code)
            self.memory.enter(frame)

    def _add(self, found: tuple[str, Effect] | None) -> bool:
        if found is not None:
            self.found[found[0]] = found[1]
        return found is not None
