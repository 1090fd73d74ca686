"""What the example tools share: options, printing, and ending well."""

from __future__ import annotations

import argparse
import contextlib
import errno
import itertools
import json
import math
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from ctypes import c_char, c_uint32
from typing import Annotated, Any, Final, NoReturn

from py2bpf import Struct, funcs, tracepoint
from py2bpf.datastructures import BpfQueue
from py2bpf.exception import ClosedError, KernelError, Py2BpfError

COMM_SIZE: Final = 16
"""TASK_COMM_LEN: the kernel keeps this much of a program's name."""


OLD_CALLS: Final = frozenset({"open", "rmdir", "unlink"})
"""Calls that have successors ending in -at: newer architectures, arm64 for one, never had them."""


class Task(Struct):
    """Who caused an event; the tools' own event types begin with it."""

    pid: Annotated[int, c_uint32]
    tid: Annotated[int, c_uint32]
    comm: Annotated[bytes, c_char * COMM_SIZE]


def thread_id() -> Any:
    """In a program: the running thread, as user space numbers it."""
    return funcs.get_current_pid_tgid() & 0xFFFFFFFF


def fill_task(task: Task) -> None:
    """In a program: notes who is running."""
    task.pid = funcs.get_current_pid_tgid() >> 32
    task.tid = thread_id()
    funcs.get_current_comm(task.comm)


def ignores(pid: int | None) -> bool:
    """In a program: whether the running process isn't the one asked for. None asks for all, and costs nothing."""
    return pid is not None and funcs.get_current_pid_tgid() >> 32 != pid


def text(data: bytes) -> str:
    """Bytes from the kernel (names, paths) on one line, whatever is in them."""
    return data.decode("utf-8", "backslashreplace").translate(_CONTROL)


_CONTROL: Final = {number: f"\\x{number:02x}" for number in (*range(32), 127)}


def error_name(result: int) -> str:
    """A system call's result: the number, or the error in words."""
    if -result in _RESTARTS:
        return "interrupted by a signal"
    return str(result) if result >= 0 else os.strerror(-result)


_RESTARTS: Final = (512, 513, 514, 516)
"""ERESTARTSYS and the like, include/linux/errno.h: the call is made again, or fails, once the signal is handled."""


# Options


def positive(option: str) -> float:
    """An option's value: a number above 0."""
    number = float(option)
    if not (number > 0 and math.isfinite(number)):
        raise argparse.ArgumentTypeError(f"{option} is not above 0")
    return number


def whole(option: str) -> int:
    """An option's value: a whole number from 1."""
    number = int(option)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{option} is not 1 or more")
    return number


def parser(tool: str, doc: str | None) -> argparse.ArgumentParser:
    """The options that all tools have. ``doc`` is the module's docstring: its first line says what the tool does."""
    summary, _, rest = (doc or "").partition("\n")
    made = argparse.ArgumentParser(
        prog=f"python -m py2bpf.examples.{tool}", description=summary, epilog=rest.strip() or None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    made.add_argument("-d", "--duration", "--seconds", type=positive, metavar="SECONDS", help="end after this time")
    made.add_argument("-j", "--json", action="store_true", help="print JSON, one object a line")
    return made


def event_parser(tool: str, doc: str | None) -> argparse.ArgumentParser:
    """The options of the tools that print events."""
    made = parser(tool, doc)
    made.add_argument("-n", "--count", type=whole, metavar="N", help="end after N events")
    made.add_argument("-p", "--pid", type=whole, help="only this process")
    return made


# Running


def fail(message: str) -> NoReturn:
    """Ends the tool with an error."""
    print(f"error: {message}", file=sys.stderr)
    sys.exit(1)


def run(main: Callable[[], None]) -> None:
    """Runs a tool: Ctrl-C and SIGTERM end it cleanly, errors are told in a line or two."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:  # whoever read the output, head(1) say, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (Py2BpfError, OSError) as error:
        refused = isinstance(error, OSError) and error.errno in (errno.EPERM, errno.EACCES)
        fail(f"{error}\nRun it as root, with sudo for example." if refused else str(error))


def ready(what: str) -> None:
    """Tells that everything is attached."""
    print(f"{what} Ctrl-C ends.", file=sys.stderr, flush=True)


Attach = Callable[[ExitStack, str, Callable[[Any], Any], Callable[[Any], Any]], None]
"""What has two programs run at the ends of a system call: attach_call, or what stands for it without a kernel."""


def attach_call(stack: ExitStack, call: str, on_enter: Callable[[Any], Any], on_exit: Callable[[Any], Any]) -> None:
    """Runs programs at both ends of a system call. Raises KernelError, but for old calls that the machine lacks."""
    try:
        stack.enter_context(tracepoint.probe(f"syscalls:sys_enter_{call}")(on_enter)())
        stack.enter_context(tracepoint.probe(f"syscalls:sys_exit_{call}")(on_exit)())
    except KernelError as error:
        if error.errno != errno.ENOENT or call not in OLD_CALLS:
            raise


def remaining(duration: float | None) -> Iterator[float]:
    """Yields the seconds that are left until the time is over; None is forever."""
    end = math.inf if duration is None else time.monotonic() + duration
    while (left := end - time.monotonic()) > 0:
        yield left


def ticks(duration: float | None, interval: float, what: str = "") -> Iterator[None]:
    """Says ``what`` goes on, then yields after every interval, and at the end: after ``duration`` or Ctrl-C."""
    stop = os.eventfd(0)  # an Event's lock may be held by the very wait that a signal interrupts
    try:
        with ended_by_signals(lambda: os.eventfd_write(stop, 1)):
            if what:
                ready(what)
            for left in remaining(duration):
                if select.select([stop], [], [], min(left, interval))[0]:
                    break
                if left > interval:
                    yield
    finally:
        os.close(stop)
    yield


def events(queue: BpfQueue, options: argparse.Namespace, what: str) -> Iterator[Any]:
    """Says ``what`` goes on, then yields the queue's records until --duration or --count is reached or Ctrl-C comes;
    then tells what was lost."""
    with ended_by_signals(queue.close):
        ready(what)
        yield from itertools.islice(records(queue, options.duration), options.count)
    if queue.lost:
        print(f"{queue.lost} events were lost: they came faster than they were read", file=sys.stderr)


def records(queue: BpfQueue, duration: float | None) -> Iterator[Any]:
    """The queue's records until the time is over, or it is closed."""
    with contextlib.suppress(ClosedError):
        for left in remaining(duration):
            yield from queue.poll(min(left, 1.0))


@contextlib.contextmanager
def ended_by_signals(end: Callable[[], None]) -> Iterator[None]:
    """The first Ctrl-C calls ``end``: what was begun is brought to its end. A second one ends at once."""

    def handle(number: int, _frame: object) -> None:
        signal.signal(number, signal.default_int_handler)
        end()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def live_display(**options: Any) -> Any:
    """What keeps something in one place of the terminal: rich's Live. None where output goes elsewhere, or rich isn't
    installed."""
    if not sys.stdout.isatty():
        return None
    try:
        from rich.live import Live
    except ImportError:
        return None
    return Live(**options)


class Printer:
    """Prints events as a table with the given columns (name: width, negative for numbers), or as JSON."""

    def __init__(self, as_json: bool, columns: dict[str, int]) -> None:
        self._as_json, self._columns = as_json, columns
        if not as_json:
            self._line({name: name.upper() for name in columns})

    def show(self, **row: Any) -> None:
        """Prints a row; the names are the columns', further ones appear in JSON only."""
        if self._as_json:
            print(json.dumps(row), flush=True)
        else:
            self._line(row)

    def _line(self, row: dict[str, Any]) -> None:
        cells = (f"{row[name]!s:{'>' if width < 0 else '<'}{abs(width)}}" for name, width in self._columns.items())
        print(" ".join(cells).rstrip(), flush=True)
