"""Constants of XDP: verdicts and attach flags, from include/uapi/linux/bpf.h and if_link.h."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Final


class XdpAction(IntEnum):
    """What an XDP program decides about a packet (XDP_*)."""

    ABORTED = 0
    """Dropped, and reported through the tracepoint xdp:xdp_exception."""
    DROP = 1
    PASS = 2
    TX = 3
    REDIRECT = 4


XDP_ABORTED: Final = int(XdpAction.ABORTED)
XDP_DROP: Final = int(XdpAction.DROP)
XDP_PASS: Final = int(XdpAction.PASS)
XDP_TX: Final = int(XdpAction.TX)
XDP_REDIRECT: Final = int(XdpAction.REDIRECT)


class XdpFlags(IntFlag):
    """How a program is attached to a device (XDP_FLAGS_*)."""

    UPDATE_IF_NOEXIST = 1
    SKB_MODE = 2
    DRV_MODE = 4
    HW_MODE = 8
    REPLACE = 16
