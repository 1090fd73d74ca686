"""The common part of the tools that count by flow: the definition of a flow, finding it in a program, showing it.

A flow is one direction of a connection: protocol, addresses and ports, of the outermost packet where there are tunnels.
Packets without ports (ICMP, fragments after the first) make flows with the ports 0, packets that aren't IP one flow
for each EtherType. Packets that can't be parsed make flows of their own, with as much as is known.
"""

from __future__ import annotations

import ipaddress
from ctypes import c_uint8, c_uint16
from typing import Annotated, Any

from py2bpf import Struct, net
from py2bpf.examples import packets


class Flow(Struct):
    """An IPv4 address is the ``low`` half. ``problem`` is one of net.Problem."""

    source: net.Ipv6Address
    destination: net.Ipv6Address
    ports: net.Ports
    ethertype: Annotated[int, c_uint16]
    protocol: Annotated[int, c_uint8]
    problem: Annotated[int, c_uint8]


def find(flow: Flow, ctx: Any) -> bool:
    """In a program: fills in the packet's flow, as far as it is known. Returns whether the flow has ports."""
    found = net.dissect(ctx)
    flow.ethertype, flow.protocol, flow.problem = found.ethertype, found.protocol, found.problem
    flow.ports = found.ports
    if found.ethertype == net.EtherType.IPV4:
        v4 = net.load(ctx, net.Ipv4, found.network)
        if v4 is not None:
            flow.source.low, flow.destination.low = v4.source.number, v4.destination.number
    elif found.ethertype == net.EtherType.IPV6:
        v6 = net.load(ctx, net.Ipv6, found.network)
        if v6 is not None:
            flow.source, flow.destination = v6.source, v6.destination
    return found.has_ports


# For people


def protocol(flow: Flow) -> str:
    """The name of the protocol above IP, or of the EtherType, and the reason if a packet couldn't be parsed."""
    return packets.protocol(flow.ethertype, flow.protocol, flow.problem)


def has_ports(flow: Flow) -> bool:
    """Whether packets of this flow have ports."""
    return flow.protocol in net.WITH_PORTS and not flow.problem


def address(flow: Flow, packed: net.Ipv6Address) -> str:
    """One of a flow's addresses; "" if the flow isn't IP, or the address is unknown."""
    if flow.ethertype not in (net.EtherType.IPV4, net.EtherType.IPV6) or (flow.problem and not any(bytes(packed))):
        return ""
    return str(ipaddress.IPv4Address(packed.low)) if flow.ethertype == net.EtherType.IPV4 else str(packed)


def end(flow: Flow, packed: net.Ipv6Address, port: int) -> str:
    """One end of a flow: ``192.0.2.1:80``, ``[2001:db8::1]:80``, or only an address if there are no ports."""
    text = address(flow, packed)
    if not has_ports(flow) or not text:
        return text
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"
