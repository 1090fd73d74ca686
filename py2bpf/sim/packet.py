"""The packet of a simulated program."""

from __future__ import annotations

import socket
from typing import Final

from .errors import SimulationError

ETHERNET: Final = 14
_MIN_TYPE: Final = 0x600
"""Smaller numbers in the field of the Ethernet type are lengths (IEEE 802.3)."""
_ETH_P_802_3, _ETH_P_802_2 = 1, 4
_HEADROOM: Final = 256 - 40
"""By how much an XDP packet can grow at its front: XDP_PACKET_HEADROOM without a struct xdp_frame."""
_PAGE: Final = 4096
FIRST_BUFFER: Final = _PAGE - 256 - 320
"""How many bytes of an XDP packet a test run puts into the first buffer, which alone programs see: a page without the
headroom and a struct skb_shared_info. The rest is in fragments of a page each."""
SKB_MAX: Final = 4 * _PAGE - 320
"""The greatest length to which helpers extend an sk_buff: BPF_SKB_MAX_LEN."""


class Packet:
    """The bytes of a packet, from its Ethernet header on. The program sees them from ``start`` on, and offsets count
    from there: socket filters don't see the Ethernet header.

    The bytes are at the beginning of ``memory``, which never moves, so that views stay valid when the packet changes.
    ``front`` are the bytes before the packet, including those that were cut off. ``room`` is how many of the packet's
    bytes fit into its first buffer, which alone programs see.
    """

    __slots__ = ("buffer", "front", "memory", "room", "start")

    def __init__(self, data: bytes | bytearray, start: int = 0, *, room: int) -> None:
        if len(data) < ETHERNET:
            raise SimulationError(f"a packet of {len(data)} bytes has no Ethernet header, which takes {ETHERNET}; "
                                  "py2bpf.testing.packets makes whole ones")
        self.memory = bytearray(max(len(data), SKB_MAX) + _HEADROOM + _PAGE)
        self.start, self.front, self.room = start, bytes(_HEADROOM), room
        self.replace(data)

    def __len__(self) -> int:
        return len(self.buffer) - self.start

    @property
    def direct(self) -> int:
        """How many bytes the program sees in the first buffer."""
        return min(len(self.buffer), self.room) - self.start

    @property
    def tailroom(self) -> int:
        """By how much the packet can grow at its end, in the first buffer or in the last fragment."""
        left = self.room - len(self.buffer)
        return left if left >= 0 else left % _PAGE

    @property
    def protocol(self) -> int:
        """The packet's protocol as the kernel sets it in eth_type_trans(): 16 bits in network order."""
        number = int.from_bytes(self.buffer[12:14], "big")
        if number < _MIN_TYPE:
            number = _ETH_P_802_3 if bytes(self.buffer[14:16]) == b"\xff\xff" else _ETH_P_802_2
        return socket.htons(number)

    @property
    def pkt_type(self) -> int:
        """PACKET_HOST, PACKET_MULTICAST or PACKET_OTHERHOST, for the device of test runs, whose address is zero."""
        if not any(self.buffer[:6]):
            return 0
        return 2 if self.buffer[0] & 1 else 3

    def read(self, offset: int, size: int) -> bytes | None:
        """``size`` bytes; None if the packet is too short."""
        at = self.start + offset
        if offset < 0 or at + size > len(self.buffer):
            return None
        return bytes(self.buffer[at : at + size])

    def write(self, offset: int, data: bytes) -> bool:
        at = self.start + offset
        if offset < 0 or at + len(data) > len(self.buffer):
            return False
        self.buffer[at : at + len(data)] = data
        return True

    def replace(self, data: bytes | bytearray) -> None:
        """Replaces the packet's bytes in the same memory. Views show the new bytes at their offsets."""
        self.memory[: len(data)] = data
        self.buffer = memoryview(self.memory)[: len(data)]

    def resize(self, length: int) -> None:
        """Cuts the packet at its end, or appends zeros."""
        self.replace(bytes(self.buffer[:length]).ljust(length, b"\0"))

    def move_front(self, delta: int) -> None:
        """Cuts ``delta`` bytes off the front. If ``delta`` is negative, adds as many of the bytes before the packet."""
        whole, at = self.front + self.buffer, len(self.front) + delta
        self.front, self.room = whole[:at], self.room - delta
        self.replace(whole[at:])

    def linked(self) -> bytes:
        """The packet as test runs return it. For socket filters, the Ethernet header is zeros."""
        return bytes(self.start) + bytes(self.buffer[self.start :])
