"""Socket filters: a function decides how much of each arriving packet a socket gets. See socket(7), SO_ATTACH_BPF.

def only_tcp(skb):
    return skb.len if py2bpf.funcs.load_skb_byte(skb, 23) == socket.IPPROTO_TCP else 0

with py2bpf.socket_filter.SocketFilter(only_tcp) as filter:
    filter.attach(raw_sock)
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final

from .hooks.link import Link
from .hooks.sockets import to_socket
from .kernel.links import Resources
from .kernel.sockets import HasFileno, detach_filter
from .prog import create_prog
from .uapi.contexts import SK_BUFF
from .uapi.prog_types import ProgType

SkBuffContext: Final = SK_BUFF
"""The type of a socket filter's argument: ``len``, ``protocol`` (network order) and so on, see struct __sk_buff."""


class SocketFilter(Resources):
    """A compiled and loaded socket filter.

    ``fn`` takes the packet (SkBuffContext) and returns how many of its bytes the socket gets: 0 drops the packet,
    a number that is at least the packet's length keeps the whole packet. ``prog`` is the loaded program.
    Raises TranslationError if the function can't be compiled, KernelError if the kernel refuses the program.
    """

    def __init__(self, fn: Callable[[Any], Any]) -> None:
        with ExitStack() as stack:
            self.prog = stack.enter_context(create_prog(ProgType.SOCKET_FILTER, SkBuffContext, fn))
            super().__init__(stack.pop_all())

    def __repr__(self) -> str:
        return f"<SocketFilter of {self.prog!r}>"

    def attach(self, sock: HasFileno | int) -> Link:
        """Filters the packets that arrive at ``sock`` from now on, and replaces any other filter. Gives a link, whose
        close() removes the filter.

        The socket keeps the filter until the socket is closed or the filter detached, even if this object is closed or
        the link is dropped. Raises KernelError (EPERM if the socket's filter is locked, SO_LOCK_FILTER), DataTypeError
        if ``sock`` is no socket, ClosedError if this filter is closed, NotInVm for a filter of the embedded VM.
        """
        self.prog.need_kernel("attach it to a socket")
        link = Link(self.prog, "a socket")
        to_socket(link, sock)
        return link

    def detach(self, sock: HasFileno | int) -> None:
        """Removes the socket's filter, even one that another program attached. Does nothing if the socket has none.
        Raises KernelError."""
        detach_filter(sock)
