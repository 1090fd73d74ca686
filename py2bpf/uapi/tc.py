"""Constants of traffic control: verdicts of classifiers, and the places to which they are attached.

From include/uapi/linux/pkt_cls.h and pkt_sched.h.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class TcAction(IntEnum):
    """What a classifier decides about a packet (TC_ACT_*)."""

    UNSPEC = -1
    """No decision: the next filter is asked."""
    OK = 0
    """The packet passes; no further filter is asked."""
    RECLASSIFY = 1
    SHOT = 2
    """The packet is dropped."""
    PIPE = 3
    STOLEN = 4
    QUEUED = 5
    REPEAT = 6
    REDIRECT = 7
    TRAP = 8


TC_ACT_UNSPEC: Final = int(TcAction.UNSPEC)
TC_ACT_OK: Final = int(TcAction.OK)
TC_ACT_RECLASSIFY: Final = int(TcAction.RECLASSIFY)
TC_ACT_SHOT: Final = int(TcAction.SHOT)
TC_ACT_PIPE: Final = int(TcAction.PIPE)
TC_ACT_STOLEN: Final = int(TcAction.STOLEN)
TC_ACT_QUEUED: Final = int(TcAction.QUEUED)
TC_ACT_REPEAT: Final = int(TcAction.REPEAT)
TC_ACT_REDIRECT: Final = int(TcAction.REDIRECT)
TC_ACT_TRAP: Final = int(TcAction.TRAP)

CLSACT_HANDLE: Final = 0xFFFF0000
"""The clsact qdisc's handle, ffff:."""
CLSACT_PARENT: Final = 0xFFFFFFF1
"""The parent of a clsact qdisc (TC_H_CLSACT)."""
CLSACT_INGRESS: Final = 0xFFFFFFF2
CLSACT_EGRESS: Final = 0xFFFFFFF3
"""The parents of filters for arriving and for leaving packets."""
