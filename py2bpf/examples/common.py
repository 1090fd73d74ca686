"""What the example tools share: options, waiting, and printing."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from py2bpf.datastructures import BpfQueue
from py2bpf.examples.endings import accounted, ended_by_signals, tell
from py2bpf.exception import ClosedError
from py2bpf.optional import usable
from py2bpf.terminal import printable

LOOK: Final = 1.0
"""Seconds between two checks whether, for example, the device still exists."""


CUT: Final = "..."
"""Shown on a terminal at the end of a text that was cut."""


class Cut(str):
    """The beginning of a longer text. Tables show ``shown``, JSON names the column in ``cut``."""

    shown: str

    def __new__(cls, text: str, shown: str | None = None) -> Cut:
        made = super().__new__(cls, text)
        made.shown = text + CUT if shown is None else shown
        return made


def text(data: bytes, size: int | None = None) -> str:
    """Bytes from the kernel, such as names and paths, as text. Printing it on a terminal also needs printable().

    ``size`` is the size of the bytes' field. The result is a Cut if they fill the field, since there may be more.
    """
    found = data.decode("utf-8", "backslashreplace")
    return found if size is None or len(data) < size - 1 else Cut(found)


def error_name(result: int) -> str:
    """A system call's result as text: the number, or the error in words."""
    if -result in _RESTARTS:
        return "interrupted by a signal"
    return str(result) if result >= 0 else os.strerror(-result)


_RESTARTS: Final = (512, 513, 514, 516)
"""ERESTARTSYS and the like, include/linux/errno.h: after the signal, the call is restarted or fails with EINTR."""


# Options


def positive(option: str) -> float:
    """Parses an option's value: a number above 0."""
    number = float(option)
    if not (number > 0 and math.isfinite(number)):
        raise argparse.ArgumentTypeError(f"{option} is not above 0")
    return number


def whole(option: str) -> int:
    """Parses an option's value: a whole number from 1."""
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


def ready(what: str) -> None:
    """Says that everything is attached."""
    tell(f"{what} Ctrl-C ends.")


def remaining(duration: float | None) -> Iterator[float]:
    """Yields the seconds that are left until the time is over; None is forever."""
    end = math.inf if duration is None else time.monotonic() + duration
    while (left := end - time.monotonic()) > 0:
        yield left


def ticks(
    duration: float | None, interval: float, what: str = "", gone: Callable[[], str] = lambda: ""
) -> Iterator[None]:
    """Prints ``what``, then yields after every interval, and at the end: after ``duration``, on Ctrl-C, or when
    ``gone`` gives a sentence about something that no longer exists, which is printed."""
    stop = os.eventfd(0)  # an Event's lock may be held by the very wait that a signal interrupts
    try:
        with ended_by_signals(lambda: os.eventfd_write(stop, 1)):
            if what:
                ready(what)
            at = time.monotonic() + interval
            for left in remaining(duration):
                wait = min(left, at - time.monotonic(), LOOK)
                if select.select([stop], [], [], max(wait, 0))[0]:
                    break
                if sentence := gone():
                    tell(f"{sentence}: the tool ends with what it has.")
                    break
                if left > wait and time.monotonic() >= at:
                    at = time.monotonic() + interval
                    yield
    finally:
        os.close(stop)
    yield


def show_events(
    queue: BpfQueue, options: argparse.Namespace, what: str, columns: dict[str, int],
    row: Callable[[Any], dict[str, Any] | None],
) -> None:  # fmt: skip
    """Prints ``what``, then shows the queue's records until --duration or --count is reached or a signal comes.

    ``row`` makes the arguments of Printer.show() from a record, or None if the record isn't wanted. At the end, prints
    how many records came, were shown, and were lost.
    """
    received = shown = 0

    def account() -> str:
        rest = f", {received - shown} not shown" if received != shown else ""
        return f"{received} events: {shown} shown{rest}, {queue.lost} lost"

    with accounted(account):
        printer = Printer(options.json, columns)
        with ended_by_signals(queue.close):
            ready(what)
            for record in records(queue, options.duration):
                received += 1
                cells = row(record)
                if cells is not None:
                    printer.show(**cells)
                    shown += 1
                    if shown == options.count:
                        break
        received += sum(1 for _ in rest_of(queue))


def rest_of(queue: BpfQueue) -> Iterator[Any]:
    """Closes the queue, and gives the records that came before."""
    queue.close()
    with contextlib.suppress(ClosedError):
        while came := queue.poll(0):
            yield from came


def records(queue: BpfQueue, duration: float | None) -> Iterator[Any]:
    """The queue's records until the time is over, or the queue is closed."""
    with contextlib.suppress(ClosedError):
        for left in remaining(duration):
            yield from queue.poll(min(left, 1.0))


def live_display(**options: Any) -> Any:
    """rich's Live, which updates a display in place; None if the output is no terminal, or rich isn't installed."""
    if not (sys.stdout.isatty() and usable("rich", "rich.live")):
        return None
    from rich.live import Live

    return Live(**options)


class Printer:
    """Prints events as a table with the given columns (name: width, negative for numbers), or as JSON."""

    def __init__(self, as_json: bool, columns: dict[str, int]) -> None:
        self._as_json, self._columns = as_json, columns
        if not as_json:
            self._line({name: name.upper() for name in columns})

    def show(self, **row: Any) -> None:
        """Prints a row, by column names. Names that are no columns appear only in JSON, as does ``cut``: the names of
        the texts that were cut."""
        cut = [name for name, cell in row.items() if isinstance(cell, Cut)]
        if self._as_json:
            print(json.dumps({**row, "cut": cut} if cut else row), flush=True)
        else:
            self._line({**row, **{name: row[name].shown for name in cut}})

    def _line(self, row: dict[str, Any]) -> None:
        cells = (f"{printable(str(row[name])):{'>' if width < 0 else '<'}{abs(width)}}"
                 for name, width in self._columns.items())  # fmt: skip
        print(" ".join(cells).rstrip(), flush=True)
