"""``py2bpf.losses()``: asks every queue, map, program and probe of the process what it lost.

Each object counts its own losses. This module only has the list of the living objects, with weak references.
"""

from __future__ import annotations

import functools
import itertools
import sys
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from .borders import public

_OURS: Final = __name__.partition(".")[0]
_USERS: Final = f"{_OURS}.examples"
_HEAD: Final = ("count", "what", "name", "where", "hint")


@dataclass(frozen=True, slots=True)
class Loss:
    """``count`` losses of the object ``name``. ``kind`` is its kind, ``where`` the line that made it (for errors, the
    line that they come from). ``hint`` says what was lost, and what helps."""

    kind: str
    name: str
    where: str
    count: int
    hint: str

    def __str__(self) -> str:
        return f"{self.count} lost by the {self.kind} {self.name} of {self.where}: {self.hint}"


class Reporter(Protocol):
    """An object that can lose records, entries or runs."""

    def losses(self, where: str) -> Iterable[Loss]:
        """The losses so far, including counts of 0; ``where`` is the line that made the object."""


class Ledger(list[Loss]):
    """Losses, those of the oldest object first; ``str()`` gives a table."""

    @property
    def total(self) -> int:
        """The sum of all counts."""
        return sum(loss.count for loss in self)

    def __str__(self) -> str:
        if not self:
            return "nothing was lost"
        rows = [(str(loss.count), loss.kind, loss.name, loss.where, loss.hint) for loss in self]
        widths = [max(len(row[i]) for row in (_HEAD, *rows)) for i in range(len(_HEAD))]
        return "\n".join(_line(row, widths) for row in (_HEAD, *rows))


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    cells = [row[0].rjust(widths[0]), *(cell.ljust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
    return "  ".join(cells).rstrip()


class _Entry(NamedTuple):
    reporter: weakref.ref[Reporter]
    filename: str
    line: int


_numbers: Final = itertools.count()
_alive: Final[dict[int, _Entry]] = {}


def register(reporter: Reporter) -> None:
    """Lists an object that was made just now, until it is collected.

    The callback that removes the entry is no Python function: a signal handler that raises in such a function during a
    collection would leave the entry behind, and the exception would be lost.
    """
    number = next(_numbers)
    _alive[number] = _Entry(weakref.ref(reporter, functools.partial(_alive.pop, number)), *_users_line())


def _users_line() -> tuple[str, int]:
    """The innermost line that is being run outside this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        name = f"{frame.f_globals.get('__name__', '')}."
        if not name.startswith(f"{_OURS}.") or name.startswith(f"{_USERS}."):
            break
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def _rows() -> Iterator[Loss]:
    for entry in list(_alive.values()):  # a copy in one step: other threads make queues, too
        reporter = entry.reporter()
        if reporter is not None:
            yield from reporter.losses(f"{entry.filename}:{entry.line}")


@public
def losses(all: bool = False) -> Ledger:
    """What the queues, maps, programs and probes of this process lost so far, if something still refers to them.

    - records that found no room in a queue or ring buffer: ``q.lost``
    - entries that programs could not insert into a full map: ``m.lost``
    - runs of a program that the kernel skipped because a program was running on that CPU (Linux 5.12), or because a
      return probe had no room (6.7)
    - runs that ended where Python would have raised: ``prog.errors``

    ``all`` also lists those that lost nothing. ``print(py2bpf.losses())`` shows a table. The call makes one system call
    for each program. Closed objects are left out; queues and maps keep their own last count.
    """
    return Ledger(loss for loss in _rows() if loss.count or all)
