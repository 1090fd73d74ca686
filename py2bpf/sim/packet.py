"""The packet of a simulated program."""

from __future__ import annotations

import socket
from typing import Final

from .errors import SimulationError

ETHERNET: Final = 14
_MIN_TYPE: Final = 0x600
"""Smaller numbers in the place of the Ethernet type are lengths (IEEE 802.3)."""
_ETH_P_802_3, _ETH_P_802_2 = 1, 4


class Packet:
    """The bytes of a packet from its Ethernet header on; the program's begin at ``start``: socket filters see what
    lies behind the Ethernet header. Bytes are numbered from there.
    """

    __slots__ = ("buffer", "start")

    def __init__(self, data: bytes | bytearray, start: int = 0) -> None:
        if len(data) < ETHERNET:
            raise SimulationError(f"a packet of {len(data)} bytes has no Ethernet header, which takes {ETHERNET}; "
                                  "py2bpf.testing.packets makes whole ones")
        self.buffer = bytearray(data)
        self.start = start

    def __len__(self) -> int:
        return len(self.buffer) - self.start

    @property
    def protocol(self) -> int:
        """What the kernel says of the packet's protocol, see eth_type_trans(): 16 bits in network order."""
        number = int.from_bytes(self.buffer[12:14], "big")
        if number < _MIN_TYPE:
            number = _ETH_P_802_3 if self.buffer[14:16] == b"\xff\xff" else _ETH_P_802_2
        return socket.htons(number)

    @property
    def pkt_type(self) -> int:
        """PACKET_HOST, PACKET_MULTICAST or PACKET_OTHERHOST, on the device of test runs: its address is zero."""
        if not any(self.buffer[:6]):
            return 0
        return 2 if self.buffer[0] & 1 else 3

    def read(self, offset: int, size: int) -> bytes | None:
        """size bytes, or None where the packet hasn't got them."""
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
        """Makes the packet another one, in a place of its own: what referred to the old one refers to nothing."""
        self.buffer = bytearray(data)

    def linked(self) -> bytes:
        """The packet afterwards as test runs give it: of a socket filter's the Ethernet header is zeros."""
        return bytes(self.start) + bytes(self.buffer[self.start :])
