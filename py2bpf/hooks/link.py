"""Links: a program at its place in the kernel, as users see it.

A Link is made empty, and a function of attach.py gives it the attachment that keeps the program at its place. Whoever
attaches holds the link before: an exception of a signal handler behind the system call leaves nothing attached that
nobody knows of.
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

    A context manager: close() takes the program off, unless a pin keeps it. What the kernel keeps without a link, such
    as filters of sockets and of traffic control, also stays when this object is dropped without close().
    """

    def __init__(self, prog: Prog, target: str, stack: ExitStack | None = None) -> None:
        """``stack`` has what is closed after the link: what it owns."""
        self.prog, self.target = prog, target
        self._attachment: Attachment = Nowhere()
        self._missed_in_all: int | None = None
        super().__init__(ExitStack() if stack is None else stack)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.prog!r} to {self.target}>"

    def kept_by(self, attachment: Attachment) -> None:
        """Says what keeps the program at its place."""
        self._attachment = attachment

    def close(self) -> None:
        """Takes the program off its place, unless a pin keeps it there; again is harmless."""
        self._end(self._attachment.end)

    def detach(self) -> bool:
        """Takes the program off its place, also where a pin keeps it, and closes the link; False where it was no longer
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
        self._closed = True  # else it can be tried again

    def update(self, prog: Prog) -> None:
        """Has another program run at the place from now on, and misses nothing in between.

        Raises NotSupported at places that can't, KernelError for a program of another kind (EINVAL), ClosedError.
        """
        if not isinstance(prog, Prog):
            raise DataTypeError(f"what takes the program's place is a Prog, not {shown(prog)}")
        prog.need_kernel(f"attach it to {self.target}")
        self._present().update(self.prog.handle, prog.handle)
        self.prog = prog

    def pin(self, path: str | os.PathLike[str]) -> None:
        """Gives the link a name in a bpf file system, where it outlives the process. The program arrays that its
        program uses get the same name with ``_array0``, ``_array1`` ... behind it. Raises NotSupported where the kernel
        has no link, ClosedError."""
        self._present().pin(path, tuple(self.prog.arrays))

    @property
    def info(self) -> LinkInfo:
        """What the kernel knows of the link. Raises NotSupported where there is none, ClosedError."""
        return self._present().info()

    @property
    def is_gone(self) -> bool:
        """Whether the program is no longer at its place: after close(), or since the place itself is gone."""
        return self._closed or self._attachment.is_gone()

    @property
    def missed(self) -> int:
        """How often the place was passed without the program running, as far as the kernel tells (since Linux 5.12).

        A program is not run while it runs on that CPU, nor a return probe when all its slots are taken. After close()
        it tells what it was then.
        """
        return self._misses() if self._missed_in_all is None else self._missed_in_all

    def _misses(self) -> int:
        return prog_info(self.prog.handle).recursion_misses + self._attachment.misses()

    def _keep_missed(self) -> None:
        with suppress(ClosedError):  # of a program that was closed by itself
            self._missed_in_all = self._misses()

    def _present(self) -> Attachment:
        if self._closed or isinstance(self._attachment, Nowhere):
            raise ClosedError(f"{self!r} is closed")
        return self._attachment
