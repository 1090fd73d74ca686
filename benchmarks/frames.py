"""Network frames to run programs on."""

from __future__ import annotations

from py2bpf.testing import packets

PAYLOAD = bytes(i & 0xFF for i in range(1, 87))  # makes frames of 128 bytes

UDP = packets.udp("192.168.1.10", "192.168.1.20", 1234, 53, PAYLOAD)
TCP6_TWICE_TAGGED = packets.tcp("2001:db8::1", "2001:db8::2", 40000, 443, PAYLOAD, flags="S", seq=1, vlan=(100, 7))


def for_socket(frame: bytes) -> bytes:
    """Adds an Ethernet header, since a test run strips one before a socket filter, and an AF_PACKET socket doesn't."""
    return packets.ethernet(frame, packets.ETH_P_IP)
