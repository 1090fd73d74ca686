"""What the tools that count by flow share: headers, what a flow is, how a program finds it, how it is shown.

A flow is one direction of a connection: protocol, addresses and ports. Packets without ports (ICMP, fragments behind
the first) make flows with the ports 0, packets that aren't IP one flow for each EtherType.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from ctypes import c_uint8, c_uint16, c_uint32
from typing import Annotated, Any, Final

from py2bpf import Struct, funcs
from py2bpf.examples import packets

PORTS: Final = (socket.IPPROTO_TCP, socket.IPPROTO_UDP, socket.IPPROTO_SCTP, 33, 136)
"""Protocols whose headers begin with ports; the last two are DCCP and UDP-Lite."""

_OPTIONS: Final = (0, 43, 60, 135)
"""IPv6 headers that tell their length: hop-by-hop options, routing, destination options, mobility. See RFC 8200."""
_FRAGMENT: Final = 44
_MOST_OPTIONS: Final = 4


class Ethernet(Struct, big_endian=True):
    destination: Annotated[Any, c_uint8 * 6]
    source: Annotated[Any, c_uint8 * 6]
    type: Annotated[int, c_uint16]


class Vlan(Struct, big_endian=True):
    """IEEE 802.1Q."""

    control: Annotated[int, c_uint16]
    type: Annotated[int, c_uint16]


class Ipv4(Struct, big_endian=True):
    """RFC 791."""

    version: Annotated[int, c_uint8, 4]
    words: Annotated[int, c_uint8, 4]
    tos: Annotated[int, c_uint8]
    length: Annotated[int, c_uint16]
    id: Annotated[int, c_uint16]
    fragment: Annotated[int, c_uint16]
    ttl: Annotated[int, c_uint8]
    protocol: Annotated[int, c_uint8]
    checksum: Annotated[int, c_uint16]
    source: Annotated[Any, c_uint8 * 4]
    destination: Annotated[Any, c_uint8 * 4]


class Ipv6(Struct, big_endian=True):
    """RFC 8200."""

    version_class_label: Annotated[int, c_uint32]
    length: Annotated[int, c_uint16]
    next_header: Annotated[int, c_uint8]
    hop_limit: Annotated[int, c_uint8]
    source: Annotated[Any, c_uint8 * 16]
    destination: Annotated[Any, c_uint8 * 16]


class Option(Struct, big_endian=True):
    """How extension headers of IPv6 begin; ``fragment`` in those of fragments."""

    next_header: Annotated[int, c_uint8]
    length: Annotated[int, c_uint8]
    fragment: Annotated[int, c_uint16]


class Ports(Struct, big_endian=True):
    source: Annotated[int, c_uint16]
    destination: Annotated[int, c_uint16]


class Flow(Struct):
    """IPv4 addresses take the first four bytes. ``cut`` is 1 where not even the IP header is whole."""

    source: Annotated[Any, c_uint8 * 16]
    destination: Annotated[Any, c_uint8 * 16]
    ports: Ports
    ethertype: Annotated[int, c_uint16]
    protocol: Annotated[int, c_uint8]
    cut: Annotated[int, c_uint8]


# In programs

Load = Callable[[Any, int], Any]
"""load(Type, offset) gives the Type at an offset from the IP header, None where the packet is too short."""


def loader(skb: Any) -> Load:
    """In a program: what reads the headers of an sk_buff, wherever its data begins."""

    def load(header: Any, offset: int) -> Any:
        copy = header()
        if funcs.skb_load_bytes_relative(skb, offset, copy, packets.NETWORK_HEADER):
            return None
        return copy

    return load


def find(flow: Flow, ethertype: int, load: Load) -> bool:
    """In a program: fills in the packet's flow, as far as it has one; whether that has ports."""
    flow.ethertype = ethertype
    if ethertype == packets.ETH_P_IP:
        return _find4(flow, load)
    if ethertype == packets.ETH_P_IPV6:
        return _find6(flow, load)
    return False


def _find4(flow: Flow, load: Load) -> bool:
    ip = load(Ipv4, 0)
    if not ip:
        flow.cut = 1
        return False
    flow.protocol = ip.protocol
    flow.source[:4], flow.destination[:4] = ip.source, ip.destination
    if ip.fragment & 0x1FFF:
        return False
    return _find_ports(flow, 4 * ip.words, load)


def _find6(flow: Flow, load: Load) -> bool:
    ip = load(Ipv6, 0)
    if not ip:
        flow.cut = 1
        return False
    flow.source, flow.destination = ip.source, ip.destination
    protocol, offset = ip.next_header, 40
    for _ in range(_MOST_OPTIONS):
        if protocol not in _OPTIONS and protocol != _FRAGMENT:
            break
        option = load(Option, offset)
        if not option:
            break
        if protocol == _FRAGMENT and option.fragment >> 3:
            flow.protocol = option.next_header
            return False
        offset += 8 if protocol == _FRAGMENT else 8 * (option.length + 1)
        protocol = option.next_header
    flow.protocol = protocol
    return _find_ports(flow, offset, load)


def _find_ports(flow: Flow, offset: int, load: Load) -> bool:
    if flow.protocol not in PORTS:
        return False
    ports = load(Ports, offset)
    if not ports:
        return False
    flow.ports = ports
    return True


# For people


def protocol(flow: Flow) -> str:
    """The protocol's name: that above IP, or the EtherType's."""
    if flow.cut:
        return "IPv4 (cut)" if flow.ethertype == packets.ETH_P_IP else "IPv6 (cut)"
    if flow.ethertype in (packets.ETH_P_IP, packets.ETH_P_IPV6):
        return packets.ip_protocol(flow.protocol)
    return packets.ethertype(flow.ethertype)


def address(flow: Flow, packed: Any) -> str:
    """One of a flow's addresses; "" where it isn't IP, or unknown."""
    if flow.cut:
        return ""
    if flow.ethertype == packets.ETH_P_IP:
        return str(ipaddress.IPv4Address(bytes(packed)[:4]))
    return str(ipaddress.IPv6Address(bytes(packed))) if flow.ethertype == packets.ETH_P_IPV6 else ""


def end(flow: Flow, packed: Any, port: int) -> str:
    """One end of a flow: ``192.0.2.1:80``, ``[2001:db8::1]:80``, an address where there are no ports."""
    text = address(flow, packed)
    if flow.protocol not in PORTS or not text:
        return text
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"
