"""Builds whole packets, from the Ethernet header on, with correct lengths and checksums.

    packets.udp(dport=53, payload=b"query")
    packets.tcp("2001:db8::1", "2001:db8::2", 40000, 443, flags="S", vlan=7)
    packets.ethernet(packets.ipv4(b"payload", proto=47))

By default, addresses are those reserved for documentation (RFC 5737, RFC 3849). The functions named after transports
make whole frames; ipv4() and ipv6() make the payload of a frame.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from ..borders import public
from ..exception import DataRangeError, DataTypeError
from ..given import shown

ETH_P_IP: Final = 0x0800
ETH_P_IPV6: Final = 0x86DD
ETH_P_8021Q: Final = 0x8100
ETH_P_8021AD: Final = 0x88A8
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
TCP_FLAGS: Final = "FSRPAUEC"
"""The letters of TCP's flags, the lowest bit first: FIN, SYN, RST, PSH, ACK, URG, ECE, CWR."""

_SRC, _DST = "192.0.2.1", "192.0.2.2"
_MAC_SRC, _MAC_DST = "02:00:00:00:00:01", "02:00:00:00:00:02"
_MAX_VLAN: Final = 4095

_T = TypeVar("_T")
Address = str | ipaddress.IPv4Address | ipaddress.IPv6Address
Vlan = int | Sequence[int] | None


class PacketError(DataRangeError, ValueError):
    """An argument doesn't fit a packet."""


def _check(data: dict[str, Any], **bits: tuple[int, Any]) -> None:
    """Checks arguments, given by name: ``data`` must be bytes; the others are (bits, number), where the number must fit
    into so many bits.

    Raises DataTypeError and PacketError.
    """
    for name, value in data.items():
        if not isinstance(value, (bytes, bytearray, memoryview)):
            raise DataTypeError(f"{name} is bytes, not {shown(value)}")
    for name, (size, number) in bits.items():
        if not isinstance(number, int):
            raise DataTypeError(f"{name} is an integer, not {shown(number)}")
        if not 0 <= number < 1 << size:
            raise PacketError(f"{name} is 0 to {(1 << size) - 1}, not {shown(number)}")


def _told(make: Callable[[], _T]) -> _T:
    """Calls a parser of Python's library. Its ValueError becomes a PacketError, which shows only the user's frames."""
    try:
        return make()
    except ValueError as error:
        raise PacketError(str(error)) from None


@public
def checksum(data: bytes) -> int:
    """The Internet checksum of RFC 1071."""
    padded = data + b"\0" if len(data) % 2 else data
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@public
def mac(text: str) -> bytes:
    """The six bytes of ``02:00:00:00:00:01``. Raises ValueError."""
    parts = text.split(":")
    if len(parts) != 6:
        raise PacketError(f"{shown(text)} is no Ethernet address such as {_MAC_SRC}")
    return _told(lambda: bytes(int(part, 16) for part in parts))


@public
def ethernet(
    payload: bytes = b"", ethertype: int | None = None, *, src: str = _MAC_SRC, dst: str = _MAC_DST, vlan: Vlan = None
) -> bytes:
    """A frame. ``ethertype`` defaults to the type for the payload's IP version. ``vlan`` is a number, or a sequence of
    numbers beginning with the outermost tag (802.1ad). Raises ValueError for a payload that is no IP packet without
    ``ethertype``, for wrong addresses, and for VLANs above 4095; DataTypeError for a payload that is no bytes.
    """
    _check({"payload": payload})
    if ethertype is None:
        version = payload[0] >> 4 if payload else 0
        if version not in (4, 6):
            raise PacketError("the payload is neither IPv4 nor IPv6: give the frame's ethertype")
        ethertype = ETH_P_IP if version == 4 else ETH_P_IPV6
    _check({}, ethertype=(16, ethertype))
    return mac(dst) + mac(src) + _tags(vlan) + struct.pack("!H", ethertype) + payload


def _tags(vlan: Vlan) -> bytes:
    numbers = [] if vlan is None else list(vlan) if isinstance(vlan, (list, tuple)) else [vlan]
    if any(not isinstance(number, int) or not 0 <= number <= _MAX_VLAN for number in numbers):
        raise PacketError(f"VLANs are 0 to {_MAX_VLAN}, not {shown(vlan)}")
    kinds = [ETH_P_8021AD] * (len(numbers) - 1) + [ETH_P_8021Q]
    return b"".join(struct.pack("!HH", kind, number) for kind, number in zip(kinds, numbers, strict=False))


@public
def ipv4(
    payload: bytes = b"", src: Address = _SRC, dst: Address = _DST, proto: int = UDP, *, ttl: int = 64, tos: int = 0,
    ident: int = 0, fragment: int = 0, more: bool = False, options: bytes = b"",
) -> bytes:  # fmt: skip
    """An IPv4 packet. ``fragment`` is its offset in units of 8 bytes, ``more`` whether fragments follow. ``options``
    are filled up with zeros to a multiple of 4 bytes, at most 40. Raises ValueError and DataTypeError.
    """
    _check({"payload": payload, "options": options}, proto=(8, proto), ttl=(8, ttl), tos=(8, tos), ident=(16, ident),
           fragment=(16, fragment))  # fmt: skip
    options = bytes(options) + bytes(-len(options) % 4)
    if len(options) > 40:
        raise PacketError(f"IPv4 has room for 40 bytes of options, not for {len(options)}")
    words = 5 + len(options) // 4
    length = 4 * words + len(payload)
    if length > 0xFFFF:
        raise PacketError(f"payload: an IPv4 packet has at most 65535 bytes, not {length}")
    header = struct.pack(
        "!BBHHHBBH4s4s", 4 << 4 | words, tos, length, ident, fragment | more << 13, ttl, proto, 0,
        _told(lambda: ipaddress.IPv4Address(src).packed), _told(lambda: ipaddress.IPv4Address(dst).packed),
    ) + options  # fmt: skip
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


@public
def ipv6(
    payload: bytes = b"", src: Address = "2001:db8::1", dst: Address = "2001:db8::2", proto: int = UDP, *,
    hops: int = 64, traffic_class: int = 0, flow: int = 0,
) -> bytes:  # fmt: skip
    """An IPv6 packet without extension headers. Raises ValueError and DataTypeError."""
    _check({"payload": payload}, proto=(8, proto), hops=(8, hops), traffic_class=(8, traffic_class), flow=(20, flow))
    if len(payload) > 0xFFFF:
        raise PacketError(f"payload: an IPv6 packet has at most 65535 bytes of it, not {len(payload)}")
    first = 6 << 28 | traffic_class << 20 | flow
    addresses = _told(lambda: ipaddress.IPv6Address(src).packed + ipaddress.IPv6Address(dst).packed)
    return struct.pack("!IHBB", first, len(payload), proto, hops) + addresses + payload


@public
def udp(
    src: Address = _SRC, dst: Address = _DST, sport: int = 40000, dport: int = 9, payload: bytes = b"", *,
    vlan: Vlan = None, ttl: int = 64,
) -> bytes:  # fmt: skip
    """A frame with a UDP datagram, over the addresses' version of IP. Raises ValueError and DataTypeError."""
    _check({"payload": payload}, sport=(16, sport), dport=(16, dport), ttl=(8, ttl))
    _fits(src, dst, 8, payload)
    segment = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
    total = checksum(_pseudo(src, dst, UDP, len(segment)) + segment) or 0xFFFF
    return _framed(src, dst, UDP, segment[:6] + struct.pack("!H", total) + payload, vlan, ttl)


@public
def tcp(
    src: Address = _SRC, dst: Address = _DST, sport: int = 40000, dport: int = 80, payload: bytes = b"", *,
    flags: str = "A", seq: int = 0, ack: int = 0, window: int = 65535, options: bytes = b"", vlan: Vlan = None,
    ttl: int = 64,
) -> bytes:  # fmt: skip
    """A frame with a TCP segment. ``flags`` has the letters of TCP_FLAGS: ``"SA"`` acknowledges a SYN.

    Raises ValueError and DataTypeError.
    """
    _check({"payload": payload, "options": options}, sport=(16, sport), dport=(16, dport), seq=(32, seq), ack=(32, ack),
           window=(16, window), ttl=(8, ttl))  # fmt: skip
    if not isinstance(flags, str):
        raise DataTypeError(f"flags is a str of the letters {TCP_FLAGS}, not {shown(flags)}")
    unknown = set(flags.upper()) - set(TCP_FLAGS)
    if unknown:
        raise PacketError(f"TCP has the flags {TCP_FLAGS}, not {''.join(sorted(unknown))}")
    bits = sum(1 << TCP_FLAGS.index(letter) for letter in set(flags.upper()))
    options = bytes(options) + bytes(-len(options) % 4)
    if len(options) > 40:
        raise PacketError(f"TCP has room for 40 bytes of options, not for {len(options)}")
    _fits(src, dst, 20 + len(options), payload)
    offset = 5 + len(options) // 4
    segment = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, offset << 4, bits, window, 0, 0) + options + payload
    total = checksum(_pseudo(src, dst, TCP, len(segment)) + segment)
    return _framed(src, dst, TCP, segment[:16] + struct.pack("!H", total) + segment[18:], vlan, ttl)


@public
def icmp(
    src: Address = _SRC, dst: Address = _DST, kind: int | None = None, code: int = 0, payload: bytes = b"", *,
    rest: int = 0, vlan: Vlan = None, ttl: int = 64,
) -> bytes:  # fmt: skip
    """A frame with an ICMP message (ICMPv6 between IPv6 addresses). ``kind`` defaults to an echo request.

    ``rest`` is the header's last word: an echo's identifier and sequence number. Raises ValueError and DataTypeError.
    """
    six = _version(src, dst) == 6
    kind = (128 if six else 8) if kind is None else kind
    _check({"payload": payload}, kind=(8, kind), code=(8, code), rest=(32, rest), ttl=(8, ttl))
    _fits(src, dst, 8, payload)
    message = struct.pack("!BBHI", kind, code, 0, rest) + payload
    pseudo = _pseudo(src, dst, ICMPV6, len(message)) if six else b""
    total = checksum(pseudo + message)
    return _framed(src, dst, ICMPV6 if six else ICMP, message[:2] + struct.pack("!H", total) + message[4:], vlan, ttl)


def _version(src: Address, dst: Address) -> int:
    versions = _told(lambda: {ipaddress.ip_address(each).version for each in (src, dst)})
    if len(versions) > 1:
        raise PacketError(f"{src} and {dst} are of different IP versions")
    return versions.pop()


def _fits(src: Address, dst: Address, header: int, payload: bytes) -> None:
    """Raises PacketError if the payload is too long for an IP packet with these headers."""
    version = _version(src, dst)
    room = 0xFFFF - header - (20 if version == 4 else 0)
    if len(payload) > room:
        raise PacketError(f"payload is at most {room} bytes here, over IPv{version}, not {len(payload)}")


def _pseudo(src: Address, dst: Address, proto: int, length: int) -> bytes:
    """The pseudo header that transports include in their checksums: RFC 768, RFC 8200."""
    packed = ipaddress.ip_address(src).packed + ipaddress.ip_address(dst).packed
    return packed + (struct.pack("!BBH", 0, proto, length) if len(packed) == 8 else struct.pack("!II", length, proto))


def _framed(src: Address, dst: Address, proto: int, segment: bytes, vlan: Vlan, ttl: int) -> bytes:
    if _version(src, dst) == 4:
        return ethernet(ipv4(segment, src, dst, proto, ttl=ttl), vlan=vlan)
    return ethernet(ipv6(segment, src, dst, proto, hops=ttl), vlan=vlan)
