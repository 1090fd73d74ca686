"""Network frames to run programs on."""

from __future__ import annotations

import ipaddress
import socket
import struct

MACS = bytes.fromhex("0200000000aa0200000000bb")
PAYLOAD = bytes(i & 0xFF for i in range(1, 87))  # makes frames of 128 bytes


def checksum(data: bytes) -> int:
    """The Internet checksum, RFC 1071, of an even number of bytes."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def ethernet(payload: bytes, ethertype: int = 0x0800) -> bytes:
    return MACS + struct.pack("!H", ethertype) + payload


def ipv4(payload: bytes, protocol: int, source: str = "192.168.1.10", destination: str = "192.168.1.20") -> bytes:
    addresses = ipaddress.IPv4Address(source).packed + ipaddress.IPv4Address(destination).packed
    start = struct.pack("!BBHHHBB", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol)
    return start + struct.pack("!H", checksum(start + b"\0\0" + addresses)) + addresses + payload


def udp(payload: bytes, source: int = 1234, destination: int = 53) -> bytes:
    return struct.pack("!4H", source, destination, 8 + len(payload), 0) + payload


UDP = ethernet(ipv4(udp(PAYLOAD), socket.IPPROTO_UDP))
ARP = ethernet(bytes(46), 0x0806)


def for_socket(frame: bytes) -> bytes:
    """A test run strips the Ethernet header before a socket filter, an AF_PACKET socket doesn't: put one more there."""
    return MACS + struct.pack("!H", 0x0800) + frame
