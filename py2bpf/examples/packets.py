"""The common part of the tools that watch packets: a socket that sees a device's packets, counts, protocol names."""

from __future__ import annotations

import argparse
import socket
from collections.abc import Callable
from contextlib import ExitStack
from ctypes import c_uint64
from typing import Annotated, Any, Final

from py2bpf import Struct, net
from py2bpf.datastructures import ArrayMap, HashMap, LpmTrieMap
from py2bpf.examples import endings
from py2bpf.socket_filter import SocketFilter
from py2bpf.util import packet_socket

ETH_P_ALL: Final = 0x0003
PACKET_OUTGOING: Final = 4
TUNNELS: Final = 2
"""How many nested tunnels a filter enters."""

_ETHERTYPES: Final = {
    0: "IEEE 802.3", 0x6558: "Ethernet", 0x0806: "ARP", 0x8100: "VLAN", 0x88CC: "LLDP", 0x8863: "PPPoE",
    0x8864: "PPPoE", 0x8847: "MPLS",
}  # fmt: skip
_IP_PROTOCOLS: Final = {
    number: name.removeprefix("IPPROTO_") for name, number in vars(socket).items() if name.startswith("IPPROTO_")
} | {socket.IPPROTO_ICMPV6: "ICMPv6", 0: "hop-by-hop options", 2: "IGMP", 47: "GRE", 89: "OSPF"}


def ip_protocol(number: int) -> str:
    """The name of a protocol above IP."""
    return _IP_PROTOCOLS.get(number, str(number))


def ethertype(number: int) -> str:
    """The name of a protocol below or beside IP."""
    return _ETHERTYPES.get(number, f"{number:#06x}")


_VERSIONS: Final[dict[int, str]] = {net.EtherType.IPV4: "IPv4", net.EtherType.IPV6: "IPv6"}


def protocol(kind: int, number: int, problem: int = net.Problem.NONE, *, version: bool = False) -> str:
    """The name of the protocol above IP, optionally with IP's ``version``, or of the EtherType; and the reason if the
    packet couldn't be parsed."""
    name = _VERSIONS.get(kind) or ethertype(kind)
    if kind in _VERSIONS and (number or not problem):
        name = f"{name} {ip_protocol(number)}" if version else ip_protocol(number)
    return f"{name} ({problem_name(problem)})" if problem else name


def problem_name(problem: int) -> str:
    return net.Problem(problem).name.lower().replace("_", " ")


class Traffic(Struct):
    """The counts of a tool for a key."""

    packets: Annotated[int, c_uint64]
    bytes: Annotated[int, c_uint64]


def add(traffic: Traffic | None, size: int) -> None:
    """In a program: counts a packet and its bytes."""
    if traffic:
        traffic.packets += 1
        traffic.bytes += size


def in_all(counted: HashMap | LpmTrieMap | ArrayMap) -> int:
    """The packets under all keys."""
    return sum(traffic.packets for traffic in counted.values())


def add_unparsed(parser: argparse.ArgumentParser, default: str | None, why: str) -> None:
    """The option of the tools that drop packets."""
    parser.add_argument("--unparsed", choices=("drop", "pass"), default=default,
                        help=f"what to do with packets whose headers can't be parsed (default: {why})")  # fmt: skip


def add_options(parser: argparse.ArgumentParser, direction: str = "both") -> None:
    """The options of the tools that watch an interface."""
    parser.add_argument("-i", "--interface", metavar="NAME", help="default: all interfaces")
    parser.add_argument("--direction", choices=("in", "out", "both"), default=direction, help="default: %(default)s")


def skips(skb: Any, direction: str) -> bool:
    """In a program: whether a packet has the wrong direction. "both" costs nothing."""
    return direction != "both" and (skb.pkt_type == PACKET_OUTGOING) != (direction == "out")


def watch(
    stack: ExitStack, count: Callable[[Any], Any], interface: str | None, kind: int = socket.SOCK_DGRAM
) -> Callable[[], str]:
    """Runs ``count`` for each packet of an interface, or of all interfaces. Returns the result of gone(). Packets begin
    with their network header, or with SOCK_RAW, with the device's own header before it.

    The filter lets no packet through to the socket.
    """
    everywhere = socket.htons(ETH_P_ALL) if interface is None else 0
    sock = stack.enter_context(packet_socket(kind, everywhere))
    stack.enter_context(SocketFilter(count)).attach(sock)
    if interface is not None:
        sock.bind((known(interface), ETH_P_ALL))
    return gone(interface)


def gone(interface: str | None) -> Callable[[], str]:
    """A function that gives a sentence when an interface was deleted, and "" as long as it exists, even if renamed."""
    index = None if interface is None else socket.if_nametoindex(interface)

    def found() -> str:
        try:
            return "" if index is None else socket.if_indextoname(index) and ""
        except OSError:
            return f"the interface {interface} has been deleted"

    return found


def known(interface: str) -> str:
    """The interface's name. If there is no such interface, ends the tool with an error."""
    names = [name for _index, name in socket.if_nameindex()]
    if interface not in names:
        endings.fail(f"no network interface {interface!r}; there are {', '.join(names)}")
    return interface
