"""Links: a program at its place in the kernel, as users see it.

A Link is made empty, and a function of attach.py then gives it the attachment that keeps the program at its place.
Since the caller holds the link before anything is attached, an exception from a signal handler right after the system
call leaves no program attached without an owner.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack, suppress

from ..exception import ClosedError, DataTypeError
from ..given import shown
from ..kernel.links import LinkInfo, Resources
from ..kernel.program_info import prog_info
from ..prog import Prog
from .attachments import Attachment, Nowhere


class Link(Resources):
    """A program at its place in the kernel. ``prog`` is the program, ``target`` the place in words.

    A context manager: close() detaches the program, unless a pin keeps it. Programs that the kernel keeps without a
    link, such as filters of sockets and of traffic control, stay attached if this object is dropped without close().
    """

    def __init__(self, prog: Prog, target: str, stack: ExitStack | None = None) -> None:
        """``stack`` holds the resources that the link owns; they are closed after the program is detached."""
        self.prog, self.target = prog, target
        self._attachment: Attachment = Nowhere()
        self._missed_in_all: int | None = None
        super().__init__(ExitStack() if stack is None else stack)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.prog!r} to {self.target}>"

    def kept_by(self, attachment: Attachment) -> None:
        """Sets what keeps the program at its place."""
        self._attachment = attachment

    def close(self) -> None:
        """Detaches the program, unless a pin keeps it attached. Idempotent."""
        self._end(self._attachment.end)

    def detach(self) -> bool:
        """Detaches the program even if a pin keeps it attached, and closes the link. False if the program was no longer
        there. Raises KernelError."""
        was_there = not self.is_gone
        self._end(self._attachment.detach if was_there else self._attachment.end)
        return was_there

    def _end(self, take_off: Callable[[], None]) -> None:
        if self._closed:
            return
        self._keep_missed()
        try:
            take_off()
        finally:
            self._stack.close()
        self._closed = True  # only now: if take_off() raised, close() can be called again

    def update(self, prog: Prog) -> None:
        """Replaces the program by another one, without missing an event in between.

        Raises NotSupported if the place can't replace its program, KernelError (EINVAL) for a program of another type,
        and ClosedError.
        """
        if not isinstance(prog, Prog):
            raise DataTypeError(f"what takes the program's place is a Prog, not {shown(prog)}")
        prog.need_kernel(f"attach it to {self.target}")
        self._present().update(self.prog.handle, prog.handle)
        self.prog = prog

    def pin(self, path: str | os.PathLike[str]) -> None:
        """Gives the link a name in a bpf file system, where it outlives the process. The program arrays that its
        program uses get the same name followed by ``_array0``, ``_array1`` ... Raises NotSupported if the kernel has no
        link for this place, and ClosedError."""
        self._present().pin(path, tuple(self.prog.arrays))

    @property
    def info(self) -> LinkInfo:
        """What the kernel knows about the link. Raises NotSupported if there is no kernel link, and ClosedError."""
        return self._present().info()

    @property
    def is_gone(self) -> bool:
        """Whether the program is no longer at its place: after close(), or because the place itself is gone."""
        return self._closed or self._attachment.is_gone()

    @property
    def missed(self) -> int:
        """How often the place was passed without the program running, as far as the kernel counts (since Linux 5.12).

        The kernel skips a program that is already running on the same CPU, and a return probe whose slots are all
        taken. After close(), this is the count at the time of close().
        """
        return self._misses() if self._missed_in_all is None else self._missed_in_all

    def _misses(self) -> int:
        return prog_info(self.prog.handle).recursion_misses + self._attachment.misses()

    def _keep_missed(self) -> None:
        with suppress(ClosedError):  # the program may have been closed by itself
            self._missed_in_all = self._misses()

    def _present(self) -> Attachment:
        if self._closed or isinstance(self._attachment, Nowhere):
            raise ClosedError(f"{self!r} is closed")
        return self._attachment
