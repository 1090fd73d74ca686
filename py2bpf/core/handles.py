"""Handles: who owns a descriptor or an object of the C core, who uses it, and when it is given back.

A handle is made empty; a call of the core fills it. So there is no moment at which a signal handler's exception could
lose what a system call gave. Calls hold the handles that they use: a close() from another thread takes effect when the
last of them is over, and a later call raises ClosedError. Nobody passes descriptors on as numbers, which may be another
file's by the time they are used; who needs a number for longer makes a copy().

The collector closes what nobody has any more. It does so without running Python code, and the memory that calls look at
lives as long as anything can call: a handle in a reference cycle is closed, and never gone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from types import TracebackType
from typing import Any, Final, NoReturn, Self

from .._ffi import ffi, lib
from ..exception import ClosedError, DataTypeError
from ..given import INT_MAX, checked_int
from .failures import checked

Place = tuple[str, int]
"""Where a program is installed, and its id: see kept.py."""


class Handle:
    """Owns a descriptor or an object of the core. ``what`` it is, in words: "the hash map 'counts'"."""

    __slots__ = ("__weakref__", "_closer", "cell", "reach", "what")

    def __init__(self, what: str) -> None:
        self.what = what
        self.reach: Reach | None = None
        """Of a program array: what its programs use."""
        self.cell: Any = ffi.new("struct p2b_handle *")
        """What calls of the core take."""
        self._closer = ffi.gc(self.cell, lib.p2b_handle_close)

    @property
    def fd(self) -> int:
        """The descriptor. Raises ClosedError after close(). Use it at once: another thread may close it."""
        result: int = lib.p2b_handle_fd(self.cell)
        if result < 0:
            raise self.closed_error()
        return result

    def fileno(self) -> int:
        return self.fd

    @property
    def closed(self) -> bool:
        return bool(lib.p2b_handle_fd(self.cell) < 0)

    def check_open(self) -> None:
        """Raises ClosedError after close()."""
        if lib.p2b_handle_fd(self.cell) < 0:
            raise self.closed_error()

    def closed_error(self) -> ClosedError:
        return ClosedError(f"{self.what} is closed")

    def close(self) -> None:
        """Gives back what it owns, as soon as no call uses it; again is harmless."""
        lib.p2b_handle_close(self.cell)
        self.reach = None

    @classmethod
    def of(cls, fd: int, what: str) -> Handle:
        """Of a copy of somebody's descriptor. Raises KernelError, DataTypeError and DataRangeError for what is none."""
        made, fd = cls(what), checked_int(fd, -1, INT_MAX, f"the descriptor of {what}")
        checked(lib.p2b_handle_borrow(fd, made.cell), f"cannot use the descriptor {fd} of {what}")
        return made

    def copy(self) -> Handle:
        """A handle of its own on the same open file (dup(2)). Raises ClosedError, KernelError."""
        made = Handle(self.what)
        checked(lib.p2b_handle_copy(self.cell, made.cell), f"cannot copy the descriptor of {self.what}", self)
        made.reach = self.reach
        return made

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise uncopyable(self.what)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class Reach:
    """What one array's programs use. All handles of the array in this process have the same."""

    def __init__(self, max_entries: int) -> None:
        self._room = max_entries
        self._held: Final[dict[int, list[Handle]]] = {}
        self.places: Final[set[Place]] = set()
        """For which installed programs the array is pinned."""

    @property
    def arrays(self) -> list[Handle]:
        return [each for held in self._held.values() for each in held]

    def hold(self, prog_id: int, arrays: Iterable[Handle], present: Callable[[], Collection[int]]) -> None:
        """Holds the arrays of a program that is about to be put into this one; ``present`` tells which programs are in
        it, of which no more are held than there is room for."""
        if prog_id in self._held:
            return
        if len(self._held) >= self._room:
            there = present()
            for gone in [each for each in self._held if each not in there]:
                for handle in self._held.pop(gone):
                    handle.close()
        self._held[prog_id] = [each.copy() for each in arrays if each.reach is not self]


def uncopyable(what: str) -> DataTypeError:
    """For copy and pickle of an owner, ``what``: a copy would close what isn't its own."""
    return DataTypeError(f"{what} can't be copied or pickled: it owns what the kernel gave to this process. Pass it on "
                         "as it is")

