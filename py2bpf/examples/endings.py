"""How the tools end: by a signal, in time, with their output gone; always with an account of what came."""

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
"""What asks a tool to end: Ctrl-C, kill, the terminal that was closed."""


class OutputError(Exception):
    """Standard output takes no more: its disk is full, its reader or its terminal has gone."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"cannot write to standard output: {error.strerror}")
        self.errno = error.errno


class _Output(io.FileIO):
    """Standard output whose errors can be told from those of the kernel and of other files."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data) or 0
        except OSError as error:
            raise OutputError(error) from None


def tell(text: str) -> None:
    """Prints beside the output, to standard error; there may be none any more. Names of devices and the like, which
    others choose, reach no terminal unescaped."""
    with contextlib.suppress(OSError):
        if sys.stderr is not None:
            print("\n".join(map(printable, text.split("\n"))), file=sys.stderr, flush=True)


def fail(message: str) -> NoReturn:
    """Ends the tool with an error."""
    tell(f"error: {message}")
    sys.exit(1)


def needs(package: str, what: str, *modules: str) -> None:
    """Ends the tool with an error where a package, or one of its modules, can't be imported that ``what`` needs."""
    try:
        need(package, what, *modules)
    except ImportError as error:
        fail(str(error))


def run(main: Callable[[], None]) -> None:
    """Runs a tool: Ctrl-C, SIGTERM and SIGHUP end it cleanly, errors are told in a line or two. Exits with 1 after an
    error; that nobody reads the output any more, head(1) say, is none.
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
    """What is buffered still, and what the interpreter writes as it ends, goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _of_threads(failed: threading.ExceptHookArgs) -> None:
    """A thread that shows something finds the output gone, too; the tool itself tells."""
    if failed.exc_type is not OutputError:
        threading.__excepthook__(failed)


def _asked_for(numbers: tuple[signal.Signals, ...]) -> list[signal.Signals]:
    """Without those that somebody, nohup(1) say, has the tool ignore."""
    return [number for number in numbers if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN]


@contextlib.contextmanager
def ended_by_signals(end: Callable[[], None]) -> Iterator[None]:
    """The first Ctrl-C, SIGTERM or SIGHUP calls ``end``: what was begun is brought to its end. A second one of its kind
    ends at once."""

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
    """Tells at the end, also at that by an error, what came and what became of it, and who lost some: py2bpf.losses().
    ``account`` is asked then, while maps and queues are there."""
    try:
        yield
    finally:
        tell(account())
        if lost := py2bpf.losses():
            tell(str(lost))
