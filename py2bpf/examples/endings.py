"""Ends the tools cleanly after a signal, after a time, or when their output is closed, with a final account."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn

import py2bpf
from py2bpf.exception import Py2BpfError
from py2bpf.optional import need
from py2bpf.terminal import printable

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that ask a tool to end: Ctrl-C, kill, a closed terminal."""


class OutputError(Exception):
    """Standard output can't be written any more: its disk is full, or its reader or terminal is gone."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"cannot write to standard output: {error.strerror}")
        self.errno = error.errno


class _Output(io.FileIO):
    """Standard output whose errors are distinct from those of the kernel and of other files."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data) or 0
        except OSError as error:
            raise OutputError(error) from None


def tell(text: str) -> None:
    """Prints to standard error, which may be closed. Escapes the text, since names of devices and the like come from
    others."""
    with contextlib.suppress(OSError):
        if sys.stderr is not None:
            print("\n".join(map(printable, text.split("\n"))), file=sys.stderr, flush=True)


def fail(message: str) -> NoReturn:
    """Ends the tool with an error."""
    tell(f"error: {message}")
    sys.exit(1)


def needs(package: str, what: str, *modules: str) -> None:
    """Ends the tool with an error if a package that ``what`` needs, or one of its modules, can't be imported."""
    try:
        need(package, what, *modules)
    except ImportError as error:
        fail(str(error))


def run(main: Callable[[], None]) -> None:
    """Runs a tool. Ctrl-C, SIGTERM and SIGHUP end it cleanly, and errors are printed in a line or two. Exits with 1
    after an error. It is no error if nobody reads the output any more, for example head(1).
    """
    for number in _asked_for(ENDING[1:]):
        signal.signal(number, signal.default_int_handler)
    if sys.stdout is None:
        fail("standard output is closed")
    sys.stdout.flush()
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_Output(sys.stdout.fileno(), "w", closefd=False)), sys.stdout.encoding, sys.stdout.errors,
        line_buffering=sys.stdout.isatty(),
    )  # fmt: skip
    threading.excepthook = _of_threads
    try:
        main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        _flush_last()
    except OutputError as error:
        _discard_output()
        if error.errno != errno.EPIPE:
            fail(str(error))
    except (Py2BpfError, OSError) as error:
        _flush_last()
        fail(str(error))


def _flush_last() -> None:
    try:
        sys.stdout.flush()
    except OutputError:
        _discard_output()


def _discard_output() -> None:
    """Discards buffered output, and what the interpreter writes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _of_threads(failed: threading.ExceptHookArgs) -> None:
    """Ignores an OutputError of another thread, since the tool itself reports it."""
    if failed.exc_type is not OutputError:
        threading.__excepthook__(failed)


def _asked_for(numbers: tuple[signal.Signals, ...]) -> list[signal.Signals]:
    """The signals, without those that are ignored, for example by nohup(1)."""
    return [number for number in numbers if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN]


@contextlib.contextmanager
def ended_by_signals(end: Callable[[], None]) -> Iterator[None]:
    """The first Ctrl-C, SIGTERM or SIGHUP calls ``end``, so that the tool can finish its work. A second signal of the
    same kind ends the tool at once."""

    def handle(number: int, _frame: object) -> None:
        signal.signal(number, signal.default_int_handler)
        end()

    before = {number: signal.signal(number, handle) for number in _asked_for(ENDING)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def accounted(account: Callable[[], str]) -> Iterator[None]:
    """Prints ``account()`` and py2bpf.losses() at the end of the block, even after an error, while the maps and queues
    are still open."""
    try:
        yield
    finally:
        tell(account())
        if lost := py2bpf.losses():
            tell(str(lost))
