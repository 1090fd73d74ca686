"""Packet builders: the bytes against the RFCs' layouts, checksums that prove themselves."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from py2bpf.exception import DataRangeError, DataTypeError
from py2bpf.testing import packets

PORTS = st.integers(0, 65535)


def pseudo(packet: bytes) -> bytes:
    """The pseudo header of an IP packet, taken from its own header."""
    if packet[0] >> 4 == 4:
        return packet[12:20] + bytes((0, packet[9])) + struct.pack("!H", len(packet) - 20)
    return packet[8:40] + struct.pack("!I", len(packet) - 40) + bytes((0, 0, 0, packet[6]))


def test_a_known_header() -> None:
    """RFC 1071's way of adding, by hand over a header."""
    header = packets.ipv4(b"", "192.168.0.1", "192.168.0.199", 17, ident=0, fragment=0x4000)
    assert header.hex() == "450000140000400040" + "11" + f"{0xFFFF - sum_by_hand():04x}" + "c0a80001c0a800c7"


def sum_by_hand() -> int:
    total = 0x4500 + 0x0014 + 0x4000 + 0x4011 + 0xC0A8 + 0x0001 + 0xC0A8 + 0x00C7
    return (total & 0xFFFF) + (total >> 16)


@given(st.binary(max_size=300), PORTS, PORTS)
def test_checksums_prove_right(payload: bytes, sport: int, dport: int) -> None:
    for src, dst in (("10.0.0.1", "10.9.8.7"), ("fe80::1", "ff02::fb")):
        for frame, protocol in (
            (packets.udp(src, dst, sport, dport, payload), 17),
            (packets.tcp(src, dst, sport, dport, payload, flags="PA", options=b"\x02\x04\x05"), 6),
            (packets.icmp(src, dst, payload=payload, rest=sport), 1 if "." in src else 58),
        ):
            packet = frame[14:]
            assert packet[9 if "." in src else 6] == protocol
            assert "." not in src or packets.checksum(packet[:20]) == 0
            transport = packet[20 if "." in src else 40 :]
            extra = b"" if protocol == 1 else pseudo(packet)
            assert packets.checksum(extra + transport) == 0


@given(st.binary(max_size=300))
def test_the_sum_is_ones_complement(data: bytes) -> None:
    """Slowly: what is added to the data to make zero, modulo 0xffff."""
    padded = data + b"\0" * (len(data) % 2)
    assert (int.from_bytes(padded, "big") + packets.checksum(data)) % 0xFFFF == 0


def test_lengths_and_ports() -> None:
    frame = packets.udp("192.0.2.9", "192.0.2.8", 1, 2, b"abc", ttl=3)
    assert frame[:14] == packets.mac("02:00:00:00:00:02") + packets.mac("02:00:00:00:00:01") + b"\x08\x00"
    assert struct.unpack("!H", frame[16:18]) == (31,)
    assert (frame[22], frame[26:30]) == (3, ipaddress.ip_address("192.0.2.9").packed)
    assert struct.unpack("!HHH", frame[34:40]) == (1, 2, 11)
    assert frame[42:] == b"abc"


def test_tcp_flags_and_options() -> None:
    frame = packets.tcp(flags="sa", seq=5, ack=6, options=b"\x01" * 5)
    assert frame[34 + 12] >> 4 == 7
    assert frame[34 + 13] == 0x12
    assert struct.unpack("!II", frame[38:46]) == (5, 6)


@pytest.mark.parametrize(("vlan", "tags"), [(None, ""), (5, "81000005"), ((7, 4095), "88a8000781000fff")])
def test_vlans(vlan: object, tags: str) -> None:
    frame = packets.udp(vlan=vlan)  # type: ignore[arg-type]
    assert frame[12:-28].hex() == tags + "0800"


def test_ipv4_options_and_fragments() -> None:
    packet = packets.ipv4(b"xy", options=b"\x94\x04\0\0\x01", fragment=3, more=True)
    assert (packet[0], len(packet)) == (0x47, 30)
    assert struct.unpack("!H", packet[6:8]) == (0x2003,)
    assert packets.checksum(packet[:28]) == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: packets.ethernet(b"\x12"),
        lambda: packets.ethernet(b""),
        lambda: packets.udp("10.0.0.1", "::1"),
        lambda: packets.udp("10.0.0"),
        lambda: packets.udp(vlan=4096),
        lambda: packets.tcp(flags="X"),
        lambda: packets.tcp(options=bytes(41)),
        lambda: packets.ipv4(options=bytes(41)),
        lambda: packets.ipv4(bytes(65530)),
        lambda: packets.ipv6(bytes(65536)),
        lambda: packets.mac("1:2"),
    ],
)
def test_what_no_packet_can_hold_is_refused(make: object) -> None:
    with pytest.raises(packets.PacketError):  # a ValueError
        make()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: packets.udp(dport=70000), DataRangeError, "dport is 0 to 65535, not 70000"),
        (lambda: packets.tcp(sport=-1), DataRangeError, "sport is 0 to 65535, not -1"),
        (lambda: packets.tcp(dport="80"), DataTypeError, "dport is an integer, not '80'"),
        (lambda: packets.udp(payload="x"), DataTypeError, "payload is bytes, not 'x'"),
        (lambda: packets.tcp(options=None), DataTypeError, "options is bytes, not None"),
        (lambda: packets.ethernet("x"), DataTypeError, "payload is bytes, not 'x'"),
        (lambda: packets.ethernet(b"", 65536), DataRangeError, "ethertype is 0 to 65535, not 65536"),
        (lambda: packets.udp(payload=bytes(70000)), DataRangeError, "payload is at most 65507 bytes here, over IPv4"),
        (lambda: packets.tcp("::1", "::2", payload=bytes(65516)), DataRangeError, "payload is at most 65515 bytes"),
        (lambda: packets.icmp(payload=bytes(65508)), DataRangeError, "payload is at most 65507 bytes"),
        (lambda: packets.icmp(kind=256), DataRangeError, "kind is 0 to 255, not 256"),
        (lambda: packets.udp(ttl=256), DataRangeError, "ttl is 0 to 255, not 256"),
        (lambda: packets.ipv6(flow=1 << 20), DataRangeError, "flow is 0 to 1048575, not 1048576"),
    ],
)
def test_wrong_arguments_are_named(make: Callable[[], bytes], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        make()


def test_the_largest_payloads() -> None:
    assert len(packets.udp(payload=bytes(65507))) == 14 + 65535
    assert len(packets.tcp("::1", "::2", payload=bytes(65515))) == 14 + 40 + 65535
