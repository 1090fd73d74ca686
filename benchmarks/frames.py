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


def tcp(payload: bytes, source: int = 40000, destination: int = 443) -> bytes:
    return struct.pack("!2H2I2H2H", source, destination, 1, 0, 0x5002, 0xFFFF, 0, 0) + payload


def ipv6(payload: bytes, protocol: int, source: str = "2001:db8::1", destination: str = "2001:db8::2") -> bytes:
    addresses = ipaddress.IPv6Address(source).packed + ipaddress.IPv6Address(destination).packed
    return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + addresses + payload


def tagged(frame: bytes, vlan: int, ethertype: int = 0x8100) -> bytes:
    """The frame with one more VLAN tag, IEEE 802.1Q, before those that it has."""
    return frame[:12] + struct.pack("!2H", ethertype, vlan) + frame[12:]


UDP = ethernet(ipv4(udp(PAYLOAD), socket.IPPROTO_UDP))
TCP6_TWICE_TAGGED = tagged(tagged(ethernet(ipv6(tcp(PAYLOAD), socket.IPPROTO_TCP), 0x86DD), 7), 100, 0x88A8)
ARP = ethernet(bytes(46), 0x0806)


def for_socket(frame: bytes) -> bytes:
    """A test run strips the Ethernet header before a socket filter, an AF_PACKET socket doesn't: put one more there."""
    return MACS + struct.pack("!H", 0x0800) + frame
