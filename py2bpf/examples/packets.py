"""What the tools that look at packets share: a socket that sees a device's packets, and names of protocols."""

from __future__ import annotations

import argparse
import socket
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final

from py2bpf.examples import common
from py2bpf.socket_filter import SocketFilter

ETH_P_ALL: Final = 0x0003
ETH_P_IP: Final = 0x0800
ETH_P_IPV6: Final = 0x86DD
PACKET_OUTGOING: Final = 4

NETWORK_HEADER: Final = 1
"""BPF_HDR_START_NET: offsets count from the IP header, whatever stands before it on this kind of device."""

IPV4_PROTOCOL: Final = 9
IPV6_NEXT_HEADER: Final = 6
"""Offsets of what says which protocol is inside, from the begin of the IP header."""

_ETHERTYPES: Final = {0x0806: "ARP", 0x8100: "VLAN", 0x88CC: "LLDP", 0x8863: "PPPoE", 0x8864: "PPPoE", 0x8847: "MPLS"}
_IP_PROTOCOLS: Final = {
    number: name.removeprefix("IPPROTO_") for name, number in vars(socket).items() if name.startswith("IPPROTO_")
} | {socket.IPPROTO_ICMPV6: "ICMPv6", 0: "hop-by-hop options", 2: "IGMP", 47: "GRE", 89: "OSPF"}


def ip_protocol(number: int) -> str:
    """The name of a protocol above IP."""
    return _IP_PROTOCOLS.get(number, str(number))


def ethertype(number: int) -> str:
    """The name of a protocol below or beside IP."""
    return _ETHERTYPES.get(number, f"{number:#06x}")


def add_options(parser: argparse.ArgumentParser, direction: str = "both") -> None:
    """The options of the tools that watch an interface."""
    parser.add_argument("-i", "--interface", metavar="NAME", help="default: all interfaces")
    parser.add_argument("--direction", choices=("in", "out", "both"), default=direction, help="default: %(default)s")


def skips(skb: Any, direction: str) -> bool:
    """In a program: whether a packet goes the wrong way. "both" costs nothing."""
    return direction != "both" and (skb.pkt_type == PACKET_OUTGOING) != (direction == "out")


def watch(
    stack: ExitStack, count: Callable[[Any], Any], interface: str | None, kind: int = socket.SOCK_DGRAM
) -> None:
    """Runs ``count`` for each packet of an interface, or of all. Packets begin with their network header, those of the
    kind SOCK_RAW with what the device puts before it.

    The socket gets what the filter lets through: nothing.
    """
    everywhere = socket.htons(ETH_P_ALL) if interface is None else 0
    sock = stack.enter_context(socket.socket(socket.AF_PACKET, kind, everywhere))
    stack.enter_context(SocketFilter(count)).attach(sock)
    if interface is not None:
        sock.bind((known(interface), ETH_P_ALL))


def known(interface: str) -> str:
    """The interface's name, if there is such a one; else the tool ends with an error."""
    names = [name for _index, name in socket.if_nameindex()]
    if interface not in names:
        common.fail(f"no network interface {interface!r}; there are {', '.join(names)}")
    return interface
