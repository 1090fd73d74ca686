"""XDP: functions that decide about packets as they arrive at a device, before the kernel processes them.

    def drop_ipv6(ctx):
        ethernet = ctx.packet(Ethernet)
        return XDP_DROP if ethernet.type == 0x86DD else XDP_PASS

    with py2bpf.xdp.XdpProgram(drop_ipv6) as program:
        program.attach('eth0')
        ...

A BPF link keeps the program on the device until detach(), close(), or the end of the process (Linux 5.9). On older
kernels the program is attached by netlink, and stays if the process dies without close().
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import ExitStack, suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from .exception import DataTypeError, KernelError
from .given import shown
from .hooks.devices import TAKEN, to_device
from .hooks.link import Link
from .kernel.links import Resources
from .kernel.netdev import Device, device, device_name, names_here
from .prog import create_prog
from .uapi.contexts import XDP_MD
from .uapi.prog_types import ProgType
from .uapi.xdp import XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_REDIRECT, XDP_TX, XdpAction, XdpFlags

if TYPE_CHECKING:
    from .programs import TestRun

__all__ = [
    "XDP_ABORTED",
    "XDP_DROP",
    "XDP_PASS",
    "XDP_REDIRECT",
    "XDP_TX",
    "XdpAction",
    "XdpContext",
    "XdpMode",
    "XdpProgram",
]

XdpContext: Final = XDP_MD
"""The type of a program's argument, see struct xdp_md; ``ctx.packet(Type, offset)`` reads and writes the packet."""


class XdpMode(StrEnum):
    """What runs the program."""

    NATIVE = "native"
    """The device's driver, before there is an sk_buff: the fastest."""
    GENERIC = "generic"
    """The kernel's network stack, for any device."""
    OFFLOAD = "offload"
    """The device itself."""


_FLAGS: Final = {
    XdpMode.NATIVE: XdpFlags.DRV_MODE,
    XdpMode.GENERIC: XdpFlags.SKB_MODE,
    XdpMode.OFFLOAD: XdpFlags.HW_MODE,
}
_OTHER_NAMES: Final = {"drv": XdpMode.NATIVE, "driver": XdpMode.NATIVE, "skb": XdpMode.GENERIC, "hw": XdpMode.OFFLOAD}

class XdpProgram(Resources):
    """A compiled and loaded XDP program. ``prog`` is the program.

    ``fn`` returns what happens to the packet: XDP_PASS, XDP_DROP, XDP_TX, XDP_REDIRECT or XDP_ABORTED. Without a
    ``return``, and where Python would raise, the packet passes. Raises TranslationError if the function can't be
    compiled, KernelError if the kernel refuses the program.
    """

    def __init__(self, fn: Callable[[Any], Any]) -> None:
        self._devices: dict[Device, Link] = {}
        with ExitStack() as stack:
            self.prog = stack.enter_context(create_prog(ProgType.XDP, XdpContext, fn))
            stack.callback(self.detach)
            super().__init__(stack.pop_all())

    def __repr__(self) -> str:
        return f"<XdpProgram of {self.prog!r}>"

    def test_run(self, data: bytes = b"", ctx: Any = None, repeat: int = 1) -> TestRun:
        """Runs the program on a packet, see Prog.test_run()."""
        return self.prog.test_run(data, ctx, repeat)

    def attach(self, dev: str | int | None = None, mode: XdpMode | str | None = None) -> Link:
        """Decides about the packets that arrive at ``dev`` from now on. Gives the link that keeps the program attached;
        this object closes the link when it is closed.

        ``dev`` is a device's name or number; None is the device of the default route. ``mode`` is 'native', 'generic'
        or 'offload' (also known as drv, skb and hw); None is native if the driver can, else generic. A device has one
        program, and this call never replaces another one. Raises KernelError (EBUSY if there is one, EOPNOTSUPP if the
        device lacks the mode), DataTypeError for a wrong device or mode, ClosedError, NotInVm in the embedded VM.
        """
        self.prog.need_kernel("attach it to a device")
        self.prog.handle.check_open()
        place = device(dev)
        flags, name = _flags(mode), device_name(place.number)
        if place in self._devices:
            if not self._devices[place].is_gone:
                raise KernelError(errno.EBUSY, f"{self!r} is on device {name} already: detach() it first")
            self._take_off(place)  # of a device that is gone; another one has its number
        link = self._devices[place] = Link(self.prog, f"device {name}")
        try:
            to_device(link, place, flags)
        except BaseException as error:  # also a signal handler's, right after the system call
            with suppress(KernelError):
                self._take_off(place)
            if not isinstance(error, KernelError) or error.errno not in TAKEN:
                raise
            what = f"device {name} has an XDP program already, and one is all that it can have"
            raise KernelError(error.errno, what) from error
        return link

    @property
    def devices(self) -> list[str]:
        """The devices to which the program is attached, if they still exist: those of the caller's network namespace,
        by their present names."""
        return names_here(self._devices, lambda place: not self._devices[place].is_gone)

    def detach(self, dev: str | int | None = None) -> bool:
        """Removes the program from a device, or from all devices; False if it was on none of them.

        ``dev`` is a device of the caller's network namespace, where the program must have been attached.
        """
        places = list(self._devices) if dev is None else [device(dev)]
        found = [place for place in places if place in self._devices]
        was_on = any(not self._devices[place].is_gone for place in found)  # a number may have been reused
        with ExitStack() as stack:
            for place in found:
                stack.callback(self._take_off, place)
        return was_on

    def _take_off(self, place: Device) -> None:
        """Closes the link before forgetting the place: if a signal handler raises, the link can be closed later."""
        link = self._devices.get(place)
        if link is not None:
            link.close()
            self._devices.pop(place, None)


def _flags(mode: XdpMode | str | None) -> int:
    if mode is None:
        return 0
    try:
        return int(_FLAGS[_OTHER_NAMES.get(mode) or XdpMode(mode)])
    except (ValueError, TypeError):
        modes = ", ".join(repr(str(each)) for each in XdpMode)
        raise DataTypeError(f"mode is one of {modes}, or None, not {shown(mode)}") from None
