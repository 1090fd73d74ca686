"""Shows the results of the demo's programs, in place or as lines, with an introduction and suggestions at the end."""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import py2bpf
from py2bpf.examples import common

REFRESH: Final = 0.25
"""Seconds between two reads of the maps and the queues."""
EVENTS_KEPT: Final = 8
EVENTS_AT_ONCE: Final = 4
"""How many events of one read are shown as plain lines; a busy machine has thousands a second."""
WIDTH: Final = 120
"""Characters of an event's line; some programs have kilobytes of arguments."""
ROWS: Final = 6
"""Rows of the tables, which fit into 24 lines together with the events."""


@dataclass(frozen=True)
class Event:
    """Something that a process did. ``own``: the process is one of the demo's."""

    pid: int
    comm: str
    what: str
    own: bool

    def __str__(self) -> str:
        line = f"{mark(self.own)} {self.pid:>7} {self.comm:16} {self.what}"
        return line if len(line) <= WIDTH else line[: WIDTH - 4] + " ..."


def mark(own: bool) -> str:
    """The mark of the demo's own events."""
    return "*" if own else " "


class Found(Protocol):
    """The results of the programs so far."""

    packets_of: str

    def protocols(self) -> list[tuple[str, int]]:
        """(protocol, packets), the most frequent first."""

    def turns(self) -> list[tuple[str, bool, int]]:
        """(process, whether it's the demo's, turns), the most frequent first."""

    @property
    def n_events(self) -> int: ...


def fair(events: Sequence[Event], most: int) -> list[Event]:
    """At most a given number of events, in their order: one of the demo's own, and one of each other program before a
    program gets a second one. So neither a busy process nor the demo itself hides the others.
    """
    turns: dict[str, int] = {}
    rounds = []
    for number, event in enumerate(events):
        kind = "" if event.own else event.comm
        turn = turns[kind] = turns.get(kind, -1) + 1
        if not (event.own and turn):
            rounds.append((turn, event.own, number))
    return [events[number] for number in sorted(number for *_, number in sorted(rounds)[:most])]


class View(Protocol):
    """Shows the results repeatedly."""

    def update(self, found: Found, came: list[Event]) -> None: ...


class PlainView:
    """Lines of text, for files, pipes and machines without rich."""

    def __init__(self) -> None:
        self._next_table = time.monotonic() + 1

    def update(self, found: Found, came: list[Event]) -> None:
        shown = fair(came, EVENTS_AT_ONCE)
        for event in shown:
            print(event)
        if len(came) > len(shown):
            print(f"  {len(came) - len(shown):>7} more events")
        if time.monotonic() >= self._next_table:
            self._next_table = time.monotonic() + 1
            print("  packets:", ", ".join(f"{name} {number}" for name, number in found.protocols()) or "none yet")
            rows = [f"{mark(own).strip()}{name} {number}" for name, own, number in found.turns()[:ROWS]]
            print("  turns:  ", ", ".join(rows) or "none yet")
        sys.stdout.flush()


class RichView:
    """Two tables and the newest events, in place."""

    def __init__(self, live: Any) -> None:
        self._live = live
        self._newest: list[Event] = []

    def update(self, found: Found, came: list[Event]) -> None:
        from rich.console import Group
        from rich.panel import Panel
        from rich.table import Table
        from rich.text import Text

        self._newest = [*self._newest, *fair(came, EVENTS_KEPT)][-EVENTS_KEPT:]
        tables = Table.grid(padding=(0, 2))
        packets = self._table("protocol", "packets", found.packets_of, found.protocols()[:ROWS])
        turns = self._table(
            "process", "turns", "turns on a processor",
            [(f"{mark(own)} {name}", number) for name, own, number in found.turns()[:ROWS]],
        )  # fmt: skip
        tables.add_row(packets, turns)
        events = Text("\n".join(map(str, self._newest)), no_wrap=True, overflow="ellipsis")
        panel = Panel(events, title=f"{found.n_events} events (* the demo's own)", height=EVENTS_KEPT + 2)
        self._live.update(Group(tables, panel))

    @staticmethod
    def _table(what: str, number: str, title: str, rows: list[tuple[str, int]]) -> Any:
        from rich.table import Table
        from rich.text import Text

        made = Table(what, title=title, min_width=36)
        made.add_column(number, justify="right")
        for name, count in [*rows, *[("", None)] * (ROWS - len(rows))]:
            made.add_row(Text(name), "" if count is None else str(count))
        return made


@contextlib.contextmanager
def view() -> Iterator[View]:
    """The view that suits the output."""
    live = common.live_display(refresh_per_second=1 / REFRESH)
    if live is None:
        yield PlainView()
    else:
        with live:
            yield RichView(live)


# The first words, and the last


def introduce(program: Callable[..., Any], instructions: int, runner: str, note: str) -> None:
    """Shows the Python source of a program that now runs at every switch between processes."""
    print(f"py2bpf {py2bpf.__version__}: {runner} runs this Python, as {instructions} BPF instructions,")
    print("whenever a processor turns to another process:\n")
    _print_code(textwrap.indent(textwrap.dedent(inspect.getsource(program)), "    "))
    print("Other programs count packets by protocol, and tell of programs that start and of sleeps that end.")
    print(f"{note}\n", flush=True)


def _print_code(source: str) -> None:
    """The source with syntax colours, if possible."""
    if common.live_display() is None:
        print(source)
        return
    from rich.console import Console
    from rich.syntax import Syntax

    Console().print(Syntax(source, "python", theme="ansi_dark", background_color="default"))


def suggest(in_kernel: bool) -> None:
    """Suggests commands to try next."""
    tool = f"{sys.executable.removeprefix(os.getcwd() + os.sep)} -m py2bpf.examples."
    root = "" if in_kernel or not os.geteuid() else "sudo "
    rows = [
        (f"{root}{tool}execsnoop", "each program that starts, with its arguments"),
        (f"{root}{tool}opensnoop -d 10", "each file that is opened, for 10 seconds"),
        (f"{root}{tool}packet_counter", "who talks to whom, and how much"),
    ]
    if not in_kernel:
        rows.insert(0, (f"{root}{tool}demo", "this demo in the kernel"))
    width = max(len(command) for command, _what in rows)
    print("\nTry next:")
    for command, what in rows:
        print(f"    {command:{width}}  # {what}")
    print('README.md has a first program to start your own from, and docs/quickstart.md goes on from there.')
