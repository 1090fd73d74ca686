"""Packets: headers as structures, and a dissector that walks through them, for programs and for Python.

    found = net.dissect(ctx)                   where the headers are, up to the transport protocol's
    net.enter(ctx, found)                      goes on into a tunnel
    net.load(ctx, net.Tcp, found.transport)    a header, None where the packet ends before
"""

from __future__ import annotations

from .addresses import Ipv4Address, Ipv6Address, MacAddress
from .dissector import (
    MOST_EXTENSIONS,
    MOST_TAGS,
    NOWHERE,
    WITH_PORTS,
    Dissection,
    Fragment,
    Problem,
    dissect,
    enter,
    load,
)
from .headers import (
    Arp,
    Authentication,
    Dns,
    Ethernet,
    Geneve,
    Gre,
    Icmp,
    Icmpv6,
    Ipv4,
    Ipv6,
    Ipv6Fragment,
    Ipv6Options,
    Ports,
    Sctp,
    Tcp,
    Udp,
    VlanTag,
    Vxlan,
)
from .numbers import DNS_PORT, GENEVE_PORT, LEAST_ETHERTYPE, VXLAN_PORTS, EtherType, Protocol

__all__ = [
    "DNS_PORT",
    "GENEVE_PORT",
    "LEAST_ETHERTYPE",
    "MOST_EXTENSIONS",
    "MOST_TAGS",
    "NOWHERE",
    "VXLAN_PORTS",
    "WITH_PORTS",
    "Arp",
    "Authentication",
    "Dissection",
    "Dns",
    "EtherType",
    "Ethernet",
    "Fragment",
    "Geneve",
    "Gre",
    "Icmp",
    "Icmpv6",
    "Ipv4",
    "Ipv4Address",
    "Ipv6",
    "Ipv6Address",
    "Ipv6Fragment",
    "Ipv6Options",
    "MacAddress",
    "Ports",
    "Problem",
    "Protocol",
    "Sctp",
    "Tcp",
    "Udp",
    "VlanTag",
    "Vxlan",
    "dissect",
    "enter",
    "load",
]
