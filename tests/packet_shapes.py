"""Packets of every shape: sequences of headers that scapy builds, and what a dissector must find in them."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import pytest

pytest.importorskip("scapy")
from scapy.contrib.geneve import GENEVE
from scapy.contrib.mpls import MPLS
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    PadN,
)
from scapy.layers.ipsec import AH, ESP
from scapy.layers.l2 import ARP, GRE, Dot1AD, Dot1Q, Ether
from scapy.layers.sctp import SCTP
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw

SOURCE, DESTINATION = "192.0.2.1", "198.51.100.2"
SOURCE6, DESTINATION6 = "2001:db8::1", "2001:db8::2"
PORTS = 40001, 23
PAYLOAD = bytes(range(0x80, 0xA0))


class Header(NamedTuple):
    """``build(number, size)`` makes the header in front of ``size`` bytes; the header there has this number."""

    build: Callable[[int, int], Packet]
    ethertype: int | None = None
    protocol: int | None = None
    """What the header before says of this one."""
    needs: int = 0
    """How many of its bytes the dissector looks at."""
    role: str = "transport"


def _v4(number: int, size: int, **fields: Any) -> Packet:
    made = IP(src=SOURCE, dst=DESTINATION, proto=number, id=7, **fields)
    made.len = len(made) + size
    return made


def _udp(port: int, header: Packet, size: int) -> Packet:
    return UDP(sport=PORTS[0], dport=port, len=8 + len(header) + size, chksum=0) / header


def _geneve(number: int, size: int) -> Packet:
    header = GENEVE(vni=9, proto=number, optionlen=2) / Raw(b"\x01\x02\x03\x01abcd")
    return _udp(6081, header, size)


_LINK = {
    "VLAN": Header(lambda n, s: Dot1Q(vlan=5, prio=3, type=n), 0x8100, needs=4, role="tag"),
    "priority tag": Header(lambda n, s: Dot1Q(vlan=0, type=n), 0x8100, needs=4, role="tag"),
    "service tag": Header(lambda n, s: Dot1AD(vlan=6, type=n), 0x88A8, needs=4, role="tag"),
}
_OTHERS = {
    "ARP": Header(lambda n, s: ARP(psrc=SOURCE, pdst=DESTINATION), 0x0806, role="other"),
    "MPLS": Header(lambda n, s: MPLS(label=100), 0x8847, role="other"),
}
_IPV4 = {
    "IPv4": Header(_v4, 0x0800, 4, 20, "ip"),
    "IPv4 with options": Header(
        lambda n, s: _v4(n, s, options=[b"\x94\x04\0\0", b"\x01", b"\x01", b"\x01"]), 0x0800, 4, 20, "ip"
    ),
    "IPv4 first fragment": Header(lambda n, s: _v4(n, s, flags="MF"), 0x0800, 4, 20, "first"),
    "IPv4 later fragment": Header(lambda n, s: _v4(n, s, flags="MF", frag=3), 0x0800, 4, 20, "later"),
}
_IPV6 = {
    "IPv6": Header(
        lambda n, s: IPv6(src=SOURCE6, dst=DESTINATION6, nh=n, plen=s, tc=8, fl=77), 0x86DD, 41, 40, "ip"
    ),
}
_EXTENSIONS = {
    "hop-by-hop": Header(
        lambda n, s: IPv6ExtHdrHopByHop(nh=n, options=[PadN(optdata=bytes(12))]), None, 0, 2, "extension"
    ),
    "destination options": Header(lambda n, s: IPv6ExtHdrDestOpt(nh=n), None, 60, 2, "extension"),
    "routing": Header(lambda n, s: IPv6ExtHdrRouting(nh=n, addresses=[DESTINATION6]), None, 43, 2, "extension"),
    "atomic fragment": Header(lambda n, s: IPv6ExtHdrFragment(nh=n, id=5), None, 44, 8, "extension"),
    "first fragment": Header(lambda n, s: IPv6ExtHdrFragment(nh=n, m=1, id=5), None, 44, 8, "first"),
    "later fragment": Header(lambda n, s: IPv6ExtHdrFragment(nh=n, offset=9, id=5), None, 44, 8, "later"),
}
_BOTH = {
    "authentication": Header(
        lambda n, s: AH(nh=n, spi=1, seq=2, icv=bytes(12), payloadlen=4), None, 51, 2, "extension"
    ),
}
_TRANSPORTS = {
    "TCP": Header(lambda n, s: TCP(sport=PORTS[0], dport=PORTS[1], flags="S", chksum=0), None, 6, 4, "ports"),
    "UDP": Header(lambda n, s: UDP(sport=PORTS[0], dport=PORTS[1], len=8 + s, chksum=0), None, 17, 4, "ports"),
    "SCTP": Header(lambda n, s: SCTP(sport=PORTS[0], dport=PORTS[1], chksum=0), None, 132, 4, "ports"),
    "ICMP": Header(lambda n, s: ICMP(chksum=0), None, 1),
    "ESP": Header(lambda n, s: ESP(spi=1, seq=2, data=b"\xff" * 16), None, 50),
}
_GRE = {
    "GRE": Header(lambda n, s: GRE(proto=n), None, 47, 4, "tunnel"),
    "GRE with key": Header(
        lambda n, s: GRE(proto=n, key_present=1, seqnum_present=1, chksum_present=1, chksum=0), None, 47, 4, "tunnel"
    ),
}
_UDP_TUNNELS = {
    "VXLAN": Header(lambda n, s: _udp(4789, VXLAN(vni=9, flags=8), s), None, 17, 16, "ethernet"),
    "Geneve": Header(_geneve, None, 17, 16, "tunnel"),
}
_MACS = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02"}
_ETHERNET = {"Ethernet": Header(lambda n, s: Ether(**_MACS, type=n), 0x6558, None, 14, "link")}

_IP = {**_IPV4, **_IPV6}
_ABOVE_IP = {**_IP, **_BOTH, **_TRANSPORTS, **_GRE, **_UDP_TUNNELS}
_ABOVE_LINK = {**_LINK, **_OTHERS, **_IP}
_IN_TUNNEL = {**_IP, **_ETHERNET}
HEADERS = {**_ABOVE_LINK, **_ABOVE_IP, **_EXTENSIONS, **_ETHERNET}


def followers(shape: Sequence[str]) -> dict[str, Header]:
    """What may stand behind the last header of a shape."""
    last = HEADERS[shape[-1]]
    if last.role in ("link", "tag"):
        return _ABOVE_LINK
    if last.role in ("ip", "first", "extension"):
        network = next(name for name in reversed(shape) if HEADERS[name].role in ("ip", "first") and name in _IP)
        return {**_ABOVE_IP, **_EXTENSIONS} if network in _IPV6 else _ABOVE_IP
    if last.role == "ethernet":
        return _ETHERNET
    return _IN_TUNNEL if last.role == "tunnel" else {}


def shapes(depth: int) -> Iterator[tuple[str, ...]]:
    """All shapes of at most so many headers behind Ethernet's; the Ethernet header in VXLAN counts as VXLAN's."""
    waiting = [("Ethernet",)]
    while waiting:
        shape = waiting.pop()
        if len(shape) > 1 and HEADERS[shape[-1]].role != "ethernet":
            yield shape
        if sum(name not in ("Ethernet",) for name in shape) < depth or HEADERS[shape[-1]].role == "ethernet":
            waiting += [(*shape, name) for name in followers(shape)]


@functools.cache
def _built(name: str, number: int, size: int) -> bytes:
    return bytes(HEADERS[name].build(number, size))


def build(shape: Sequence[str], payload: bytes = PAYLOAD) -> tuple[bytes, list[int]]:
    """The packet, and the offset of each of its headers, with that of the payload at the end."""
    data, lengths = payload, []
    following: Header | None = None
    for name in reversed(shape):
        is_ip = HEADERS[name].role in ("ip", "first", "later", "extension")
        number = None if following is None else following.protocol if is_ip else following.ethertype
        header = _built(name, 59 if number is None else number, len(data))
        data, following = header + data, HEADERS[name]
        lengths.append(len(header))
    return data, list(itertools.accumulate(reversed(lengths), initial=0))


@dataclass(frozen=True)
class Expected:
    """What is to be found; offsets count from the packet's begin."""

    ethertype: int = 0
    network: int = 0
    transport: int = 0
    vlan: int = 0
    tags: int = 0
    protocol: int = 0
    fragment: int = 0
    problem: int = 0
    ports: tuple[int, int] = (0, 0)
    tunnels: int = 0


class Level(NamedTuple):
    """The headers of one packet, of which others may be in the tunnel that its last one begins."""

    names: list[str]
    offsets: list[int]
    """One more than names: where the transport header is."""
    transport: str | None = None


def levels(shape: Sequence[str], offsets: Sequence[int]) -> list[Level]:
    """The outermost packet first."""
    found = [Level([], [])]
    for i, name in enumerate(shape):
        role, before = HEADERS[name].role, HEADERS[shape[i - 1]].role if i else "link"
        if name in _IP and before in ("ip", "first", "extension"):
            found[-1] = found[-1]._replace(offsets=[*found[-1].offsets, offsets[i]], transport=name)
            found.append(Level([], []))
        if role in ("tunnel", "ethernet", "ports", "transport"):
            found[-1] = found[-1]._replace(offsets=[*found[-1].offsets, offsets[i]], transport=name)
            found.append(Level([], []))
        else:
            found[-1].names.append(name)
            found[-1].offsets.append(offsets[i])
    if HEADERS[shape[-1]].role in ("ports", "transport"):
        found.pop()
    else:
        found[-1].offsets.append(offsets[-1])
    return found


def walked(parts: Sequence[Level], length: int, most: int) -> list[Expected]:
    """What is to be found in a packet of which ``length`` bytes are there, and in its tunnels: a level an item."""
    found: list[Expected] = []
    for i, level in enumerate(parts[:most]):
        if i and parts[i - 1].transport == "Geneve" and parts[i - 1].offsets[-1] + 16 > length:
            # Nothing tells how long the options are, and what follows them.
            found.append(Expected(0x6558, parts[i - 1].offsets[-1] + 16, problem=1, tunnels=i))
            break
        found.append(expected(level, length, i))
        if found[-1].problem or not found[-1].transport or not is_entered(level):
            break
    return found


def is_entered(level: Level) -> bool:
    """Whether the transport header is that of a tunnel."""
    role = HEADERS[level.transport].role if level.transport else ""
    return role in ("tunnel", "ethernet", "ip", "first", "later")


def expected(level: Level, length: int, tunnels: int = 0) -> Expected:
    """What is to be found in one level of a packet of which ``length`` bytes are there."""
    found = Expected(tunnels=tunnels)
    for i, name in enumerate(level.names):
        header, begin, behind = HEADERS[name], level.offsets[i], [*level.names, level.transport][i + 1]
        if name in (*_IP, *_OTHERS):
            found = replace(found, ethertype=header.ethertype, network=begin)
        if name in _OTHERS:
            return found
        if begin + header.needs > length:
            kind = found.ethertype or header.ethertype
            return replace(found, problem=1, network=found.network or begin, ethertype=kind)
        if header.role == "tag":
            found = replace(found, tags=found.tags + 1, vlan=found.vlan if found.tags else VLANS[name])
        elif header.role != "link":
            found = replace(found, protocol=HEADERS[behind].protocol if behind else 59)
        if header.role in ("first", "later"):
            found = replace(found, fragment=1 if header.role == "first" else 2)
        if header.role == "later":
            return found
    transport = level.offsets[-1]
    if found.ethertype == 0:
        return replace(found, network=transport, problem=int(transport > length))
    if transport + LEAST.get(level.transport or "", 0) > length:
        return replace(found, problem=1)
    if level.transport is None or HEADERS[level.transport].protocol not in (6, 17, 132):
        return replace(found, transport=transport)
    ports = {"VXLAN": (PORTS[0], 4789), "Geneve": (PORTS[0], 6081)}.get(level.transport, PORTS)
    return replace(found, transport=transport, ports=ports)


LEAST = {
    "TCP": 20, "UDP": 8, "VXLAN": 8, "Geneve": 8, "SCTP": 12, "ICMP": 8, "GRE": 4, "GRE with key": 4,
}  # fmt: skip
"""How much of a transport header must be there: of tunnels in UDP, UDP's."""
VLANS = {"VLAN": 5, "priority tag": 0, "service tag": 6}
