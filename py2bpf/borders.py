"""Removes the library's frames from tracebacks, so that an error in the user's code shows the user's frames alone.

A traceback through the compiler has dozens of lines that no user can do anything about. Every public function and
method is a border: it cuts the library's frames out of the errors that the library raises on purpose, which are
Py2BpfErrors and whatever a ``raise`` statement of the library raises. PY2BPF_VERBOSE keeps the frames. A bug of the
compiler (InternalCompilerError) keeps its frames, and so does an error that an operation of the library runs into.
"""

from __future__ import annotations

import dis
import functools
import inspect
import os
import signal
from collections.abc import Callable, Generator, Iterator
from types import CodeType, FunctionType, TracebackType
from typing import Any, Final, ParamSpec, TypeVar

from .exception import InternalCompilerError, Py2BpfError

_P = ParamSpec("_P")
_R = TypeVar("_R")

_OURS: Final = os.path.join(os.path.dirname(__file__), "")
_EXAMPLES: Final = os.path.join(_OURS, "examples", "")
_PYTHONS: Final = os.path.join(os.path.dirname(os.__file__), "")
NO_BORDERS: Final = {"__init_subclass__", "__exit__", "__del__", "__repr__"}
"""Special methods that need no border, since they never refuse arguments. A border around ``__exit__`` would also be
one more place where a signal handler can raise before anything is closed."""

_MEANT: Final = "__py2bpf_meant__"
"""The attribute by which an inner border tells outer ones that it has cut an error's innermost frames."""

_RAISE: Final = dis.opmap["RAISE_VARARGS"]
_FAULTS: Final = (AssertionError, NotImplementedError)
"""The errors that the library raises for its own mistakes."""


def verbose() -> bool:
    """Whether PY2BPF_VERBOSE asks for complete tracebacks."""
    return os.environ.get("PY2BPF_VERBOSE", "") not in ("", "0")


def shorten(error: BaseException) -> None:
    """Cuts the library's frames out of the tracebacks of an error and of its causes. A bare ``raise`` afterwards adds
    no frame."""
    if verbose() or isinstance(error, InternalCompilerError):
        return
    error.__traceback__ = _users(error.__traceback__)
    if not isinstance(error, Py2BpfError):
        setattr(error, _MEANT, True)
    if error.__cause__ is not None:
        error.__cause__ = _telling(error.__cause__)
    if not error.__suppress_context__:
        error.__context__ = _telling(error.__context__)


def _users(trace: TracebackType | None) -> TracebackType | None:
    """The traceback's entries that are the user's frames. Not recursive, since a RecursionError has very many."""
    kept = None
    for entry in reversed([*_entries(trace)]):
        if _is_users(entry.tb_frame.f_code.co_filename):
            kept = TracebackType(kept, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return kept


def is_librarys(filename: str) -> bool:
    """Whether a file belongs to this package, not counting the examples. Users don't want to see its lines."""
    return filename.startswith(_OURS) and not filename.startswith(_EXAMPLES)


def _is_users(filename: str) -> bool:
    if filename.startswith(_OURS):
        return not is_librarys(filename)
    return "site-packages" in filename or not filename.startswith((_PYTHONS, "<frozen"))


def of_the_user(error: Exception) -> bool:
    """Whether the user's code raised the error, or a function of Python's library that the user's code called."""
    files = [entry.tb_frame.f_code.co_filename for entry in _entries(error.__traceback__)]
    return next((_is_users(file) for file in reversed(files) if _is_users(file) or file.startswith(_OURS)), False)


def of_a_signal(error: BaseException) -> bool:
    """Whether a signal handler raised the error. Such an error has nothing to do with the code that was interrupted,
    so nothing here may swallow it: it goes on to whoever installed the handler."""
    if error.__traceback__ is None or error.__traceback__.tb_next is None:  # only C code was called
        return False
    codes = {_code(signal.getsignal(number)) for number in signal.valid_signals()} - {None}
    return any(entry.tb_frame.f_code in codes for entry in _entries(error.__traceback__))


def _code(handler: Any) -> CodeType | None:
    while isinstance(handler, functools.partial):
        handler = handler.func
    handler = getattr(handler, "__func__", handler)
    if not isinstance(handler, FunctionType):
        handler = next((vars(base)["__call__"] for base in type(handler).__mro__ if "__call__" in vars(base)), None)
    return getattr(handler, "__code__", None)


def _telling(error: BaseException | None) -> BaseException | None:
    """The first of an error and its causes that has frames of the user."""
    while error is not None and _users(error.__traceback__) is None:
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if error is not None:
        shorten(error)
    return error


def meant(error: Exception) -> bool:
    """Whether the library raised an error on purpose, or was called with parameters that don't exist."""
    if isinstance(error, Py2BpfError) or hasattr(error, _MEANT):
        return True
    *_, last = entries = list(_entries(error.__traceback__))
    if len(entries) == 1:  # the call of the function inside the border itself failed
        return True
    code = last.tb_frame.f_code
    ours = code.co_filename.startswith(_OURS) and not _is_users(code.co_filename)
    return ours and not isinstance(error, _FAULTS) and code.co_code[last.tb_lasti] == _RAISE


def _entries(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def public(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Makes a border of a function or generator function."""
    return _around_generator(function) if inspect.isgeneratorfunction(function) else _around(function)


def all_errors(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Makes a border that cuts all errors: for functions that pass the user's value to a ctypes object, whose errors
    are all about that value."""
    return _around(function, lambda _: True)


def _around(function: Callable[_P, _R], cut: Callable[[Exception], bool] = meant) -> Callable[_P, _R]:
    @functools.wraps(function)
    def border(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            if cut(error):
                shorten(error)
            raise

    return mark(border)


def _around_generator(function: Callable[_P, Any]) -> Callable[_P, Any]:
    @functools.wraps(function)
    def border(*args: _P.args, **kwargs: _P.kwargs) -> Generator[Any, Any, Any]:
        try:
            return (yield from function(*args, **kwargs))
        except Exception as error:
            if meant(error):
                shorten(error)
            raise

    return mark(border)


def is_border(function: FunctionType) -> bool:
    """Whether a function is a border of the library, and so is not meant for programs unless its result is constant
    there."""
    return is_librarys(function.__code__.co_filename) and hasattr(function, "__py2bpf_border__")


def mark(border: Callable[_P, _R]) -> Callable[_P, _R]:
    """Marks a function that calls shorten() itself, so that it gets no border.

    Methods that take records do so: a border around them would be one more place where a signal handler can raise
    between taking and returning, which would lose the records.
    """
    border.__py2bpf_border__ = True  # type: ignore[attr-defined]
    return border


class Public:
    """Makes borders of the public methods and properties of the library's classes that inherit from it."""

    __slots__ = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not cls.__module__.startswith(f"{__package__}."):
            return  # the user's own class
        for name, found in list(vars(cls).items()):
            if name not in NO_BORDERS and (not name.startswith("_") or name.startswith("__")):
                bordered = _bordered(found)
                if bordered is not found:
                    setattr(cls, name, bordered)


def _bordered(found: Any) -> Any:
    """A method or property as a border. Coroutines are left alone: they raise long after the call, and call shorten()
    themselves."""
    if isinstance(found, property):
        return property(_bordered(found.fget), _bordered(found.fset), _bordered(found.fdel), found.__doc__)
    if isinstance(found, (classmethod, staticmethod)):
        return type(found)(_bordered(found.__func__))
    if not isinstance(found, FunctionType) or hasattr(found, "__py2bpf_border__") or _is_asynchronous(found):
        return found
    return public(found)


def _is_asynchronous(function: FunctionType) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
