"""Where the library ends and the user's code begins: what is wrong in the user's code shows the user's frames alone.

A traceback through the compiler has dozens of lines that no user can do anything about. At the border, every public
function and method, the library's frames are cut out of the errors that it raises on purpose: Py2BpfErrors, and all
that a ``raise`` statement of the library raises. PY2BPF_VERBOSE keeps them. A bug of the compiler
(InternalCompilerError) keeps its frames, and so does what an operation of the library runs into.
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
"""Special methods that refuse nothing. Of these a border around ``__exit__`` would be one more place where a signal
handler's exception can come before anything is closed."""

_MEANT: Final = "__py2bpf_meant__"
"""What an inner border says to an outer one, of errors whose innermost frames it has cut."""

_RAISE: Final = dis.opmap["RAISE_VARARGS"]
_FAULTS: Final = (AssertionError, NotImplementedError)
"""What a ``raise`` statement of the library raises for the library's own mistakes."""


def verbose() -> bool:
    """Whether PY2BPF_VERBOSE asks for all that happens inside."""
    return os.environ.get("PY2BPF_VERBOSE", "") not in ("", "0")


def shorten(error: BaseException) -> None:
    """Cuts what is the library's out of an error's traceback, and of those of its causes. A bare ``raise`` after it
    adds no frame."""
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
    """The entries of the user's own frames, of which a RecursionError has as many as Python allows."""
    kept = None
    for entry in reversed([*_entries(trace)]):
        if _is_users(entry.tb_frame.f_code.co_filename):
            kept = TracebackType(kept, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return kept


def is_librarys(filename: str) -> bool:
    """Whether a file is one of this package, but for the examples: whose lines no user looks at."""
    return filename.startswith(_OURS) and not filename.startswith(_EXAMPLES)


def _is_users(filename: str) -> bool:
    if filename.startswith(_OURS):
        return not is_librarys(filename)
    return "site-packages" in filename or not filename.startswith((_PYTHONS, "<frozen"))


def of_the_user(error: Exception) -> bool:
    """Whether the user's code raised it, or what of Python's library that code called."""
    files = [entry.tb_frame.f_code.co_filename for entry in _entries(error.__traceback__)]
    return next((_is_users(file) for file in reversed(files) if _is_users(file) or file.startswith(_OURS)), False)


def of_a_signal(error: BaseException) -> bool:
    """Whether the handler of a signal raised it: it comes from no line that it seems to come from, and goes to whoever
    installed the handler, through all that catches errors here."""
    if error.__traceback__ is None or error.__traceback__.tb_next is None:  # nothing was called that is no C code
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
    """The first of an error and what it was raised from that has frames of the user's."""
    while error is not None and _users(error.__traceback__) is None:
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if error is not None:
        shorten(error)
    return error


def meant(error: Exception) -> bool:
    """Whether the library raised an error on purpose, or was called with arguments that it doesn't have."""
    if isinstance(error, Py2BpfError) or hasattr(error, _MEANT):
        return True
    *_, last = entries = list(_entries(error.__traceback__))
    if len(entries) == 1:  # the call of what the border is around
        return True
    code = last.tb_frame.f_code
    ours = code.co_filename.startswith(_OURS) and not _is_users(code.co_filename)
    return ours and not isinstance(error, _FAULTS) and code.co_code[last.tb_lasti] == _RAISE


def _entries(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def public(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Makes a function, or what makes a generator, a border."""
    return _around_generator(function) if inspect.isgeneratorfunction(function) else _around(function)


def all_errors(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Makes a border of what does to a ctypes object what the user does: its errors are about the user's value."""
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
    """Whether a function is of the library and not for programs, but those that are constant there."""
    return is_librarys(function.__code__.co_filename) and hasattr(function, "__py2bpf_border__")


def mark(border: Callable[_P, _R]) -> Callable[_P, _R]:
    """Says of a function that it calls shorten() itself.

    So do methods that take records: a border around them would be one more place where a signal handler's exception can
    come between taking and returning, and lose what was taken.
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
    """A method or property as a border. Coroutines raise long after they were called: they do it by themselves."""
    if isinstance(found, property):
        return property(_bordered(found.fget), _bordered(found.fset), _bordered(found.fdel), found.__doc__)
    if isinstance(found, (classmethod, staticmethod)):
        return type(found)(_bordered(found.__func__))
    if not isinstance(found, FunctionType) or hasattr(found, "__py2bpf_border__") or _is_asynchronous(found):
        return found
    return public(found)


def _is_asynchronous(function: FunctionType) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
