"""Programs at perf events: probes and tracepoints."""

from __future__ import annotations

import errno
import os

from ..core.handles import Handle
from ..exception import NotSupported
from ..kernel import perf_event
from ..kernel.links import LinkInfo, kprobe_link_misses
from .attachments import Attachment, BpfLink
from .link import Link


class PerfLink(BpfLink):
    """A program at a perf event, kept by a link of the kernel or, before Linux 5.15, by the open event itself."""

    def __init__(self, event: Handle, link: Handle | None) -> None:
        super().__init__(event if link is None else link)
        self._event, self._has_link = event, link is not None

    def end(self) -> None:
        self.handle.close()
        self._event.close()

    def detach(self) -> None:
        self.end()

    def is_gone(self) -> bool:
        return self._event.closed

    def update(self, old: Handle, new: Handle) -> None:
        raise NotSupported(errno.EOPNOTSUPP, "replacing the program of a perf event")

    def pin(self, path: str | os.PathLike[str], arrays: tuple[Handle, ...]) -> None:
        if not self._has_link:
            Attachment.pin(self, path, arrays)
        super().pin(path, arrays)

    def info(self) -> LinkInfo:
        return super().info() if self._has_link else Attachment.info(self)

    def misses(self) -> int:
        return kprobe_link_misses(self.handle) if self._has_link else 0


def to_event(link: Link, event: Handle) -> None:
    """Attaches a program to an open perf event."""
    link.kept_by(PerfLink(event, perf_event.attach(event, link.prog.handle)))
