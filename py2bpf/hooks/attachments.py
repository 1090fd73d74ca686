"""What keeps a program at its place in the kernel; here the link of the kernel. Each other way has a module of its own.

An operation that a place doesn't support raises NotSupported.
"""

from __future__ import annotations

import errno
import os
from typing import Final

from ..core.handles import Handle
from ..exception import KernelError, NotSupported
from ..kernel import pins, syscalls
from ..kernel.links import LinkInfo, link_info
from ..uapi.prog_types import LinkType

_ON_DEVICES: Final = (LinkType.XDP, LinkType.TCX, LinkType.NETKIT)
_CANNOT_DETACH: Final = (errno.EOPNOTSUPP, errno.EINVAL)


class Attachment:
    """What keeps a program at its place."""

    def end(self) -> None:
        """Takes the program off, unless something else keeps it there, such as a pin."""
        raise NotImplementedError

    def detach(self) -> None:
        """Takes the program off in any case."""
        self.end()

    def is_gone(self) -> bool:
        """Whether the program is known to be no longer at its place. False if the kernel doesn't tell."""
        return False

    def update(self, old: Handle, new: Handle) -> None:
        """Replaces the program by another one, without missing an event in between."""
        raise NotSupported(errno.EOPNOTSUPP, "replacing a program at this place")

    def pin(self, path: str | os.PathLike[str], arrays: tuple[Handle, ...]) -> None:
        """Pins the attachment, and the program arrays that the program uses, in a bpf file system."""
        raise NotSupported(errno.EOPNOTSUPP, "pinning at this place, which has no link")

    def info(self) -> LinkInfo:
        raise NotSupported(errno.EOPNOTSUPP, "information about this place, which has no link")

    def misses(self) -> int:
        """How many events were missed, not counting those in the program's own ``recursion_misses``."""
        return 0


class Nowhere(Attachment):
    """The attachment of a link whose program is not attached, or not yet."""

    def end(self) -> None:
        """There is nothing to take off."""

    def is_gone(self) -> bool:
        return True


class BpfLink(Attachment):
    """A link of the kernel (BPF_LINK_CREATE): the program stays until its last descriptor and pin are gone."""

    def __init__(self, handle: Handle) -> None:
        self.handle = handle

    def end(self) -> None:
        self.handle.close()

    def detach(self) -> None:
        try:
            syscalls.link_detach(self.handle)
        except KernelError as error:
            if error.errno not in _CANNOT_DETACH:
                raise
        self.handle.close()

    def is_gone(self) -> bool:
        if self.handle.closed:
            return True
        info = self.info()
        return info.kind in _ON_DEVICES and info.device == 0

    def update(self, old: Handle, new: Handle) -> None:
        syscalls.link_update(self.handle, new)

    def pin(self, path: str | os.PathLike[str], arrays: tuple[Handle, ...]) -> None:
        pins.pin(path, self.handle, arrays)

    def info(self) -> LinkInfo:
        return link_info(self.handle)
