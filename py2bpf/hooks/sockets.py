"""Programs as filters of sockets (SO_ATTACH_BPF)."""

from __future__ import annotations

from ..core.handles import Handle
from ..kernel.sockets import HasFileno, attach_filter, detach_filter
from .attachments import Attachment
from .link import Link


class SocketLink(Attachment):
    """A socket's filter (SO_ATTACH_BPF): stays until it is replaced or detached, or the socket is closed."""

    def __init__(self, sock: HasFileno | int) -> None:
        self._sock = sock

    def end(self) -> None:
        if isinstance(self._sock, int) or self._sock.fileno() >= 0:
            detach_filter(self._sock)

    def is_gone(self) -> bool:
        return not isinstance(self._sock, int) and self._sock.fileno() < 0

    def update(self, old: Handle, new: Handle) -> None:
        attach_filter(self._sock, new)


def to_socket(link: Link, sock: HasFileno | int) -> None:
    """Attaches a program as the socket's filter, which replaces any other filter."""
    attach_filter(sock, link.prog.handle)
    link.kept_by(SocketLink(sock))
