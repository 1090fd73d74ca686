"""Handles own descriptors and objects of the C core, and release them when no call uses them any more.

A handle is made empty, and a call of the core fills it. So at no moment can a signal handler's exception lose the
result of a system call. Calls hold the handles that they use: a close() from another thread takes effect when the last
such call has ended, and later calls raise ClosedError. Descriptors are not passed on as numbers, since a number may
mean another file by the time it is used; code that needs a number for longer makes a copy().

The collector closes a handle to which nothing refers, without running Python code. The memory that calls read lives as
long as the Python object: a handle in a reference cycle may be closed early, but its memory is never freed early.
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
"""The place where a program is installed, and the program's id: see kept.py."""


class Handle:
    """Owns a descriptor or an object of the core. ``what`` describes it for messages: "the hash map 'counts'"."""

    __slots__ = ("__weakref__", "_closer", "cell", "reach", "what")

    def __init__(self, what: str) -> None:
        self.what = what
        self.reach: Reach | None = None
        """Only for a program array: the arrays that its programs use."""
        self.cell: Any = ffi.new("struct p2b_handle *")
        """The argument for calls of the core."""
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
        """Releases the content as soon as no call uses it. Idempotent."""
        lib.p2b_handle_close(self.cell)
        self.reach = None

    @classmethod
    def of(cls, fd: int, what: str) -> Handle:
        """A handle of a copy of the descriptor ``fd``. Raises KernelError, DataTypeError and DataRangeError for an
        invalid descriptor."""
        made, fd = cls(what), checked_int(fd, -1, INT_MAX, f"the descriptor of {what}")
        checked(lib.p2b_handle_borrow(fd, made.cell), f"cannot use the descriptor {fd} of {what}")
        return made

    def copy(self) -> Handle:
        """Another handle of the same open file (dup(2)). Raises ClosedError, KernelError."""
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
    """The program arrays that the programs in one array use. All handles of that array in this process share it."""

    def __init__(self, max_entries: int) -> None:
        self._room = max_entries
        self._held: Final[dict[int, list[Handle]]] = {}
        self.places: Final[set[Place]] = set()
        """The installed programs for which the array is pinned."""

    @property
    def arrays(self) -> list[Handle]:
        return [each for held in self._held.values() for each in held]

    def hold(self, prog_id: int, arrays: Iterable[Handle], present: Callable[[], Collection[int]]) -> None:
        """Holds the arrays of a program that is about to be stored in this array. If as many programs are held as the
        array has entries, those that ``present`` no longer lists are released first."""
        if prog_id in self._held:
            return
        if len(self._held) >= self._room:
            there = present()
            for gone in [each for each in self._held if each not in there]:
                for handle in self._held.pop(gone):
                    handle.close()
        self._held[prog_id] = [each.copy() for each in arrays if each.reach is not self]


def uncopyable(what: str) -> DataTypeError:
    """The error for copy and pickle of the owner ``what``: a copy would close what the original owns."""
    return DataTypeError(f"{what} can't be copied or pickled: it owns what the kernel gave to this process. Pass it on "
                         "as it is")
