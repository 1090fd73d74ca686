"""Numbers in headers, as IEEE and IANA assign them."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class EtherType(IntEnum):
    """The protocol after the header of Ethernet, GRE or Geneve, or after a VLAN tag. See IEEE 802 Numbers of IANA."""

    IPV4 = 0x0800
    ARP = 0x0806
    VLAN = 0x8100
    """IEEE 802.1Q: customers' tags."""
    SERVICE_VLAN = 0x88A8
    """IEEE 802.1ad: providers' tags."""
    OLD_SERVICE_VLAN = 0x9100
    """Providers' tags before 802.1ad."""
    ETHERNET = 0x6558
    """Transparent Ethernet bridging: an Ethernet header follows."""
    IPV6 = 0x86DD
    MPLS = 0x8847
    MPLS_MULTICAST = 0x8848
    PPPOE_DISCOVERY = 0x8863
    PPPOE_SESSION = 0x8864
    LLDP = 0x88CC


LEAST_ETHERTYPE: Final = 0x0600
"""Smaller numbers in the type field are lengths, in frames of IEEE 802.3."""


class Protocol(IntEnum):
    """The values of IPv4's ``protocol`` and IPv6's ``next_header``. See Protocol Numbers of IANA."""

    HOP_BY_HOP = 0
    ICMP = 1
    IGMP = 2
    IPV4 = 4
    TCP = 6
    UDP = 17
    DCCP = 33
    IPV6 = 41
    ROUTING = 43
    FRAGMENT = 44
    GRE = 47
    ESP = 50
    AUTHENTICATION = 51
    ICMPV6 = 58
    NO_NEXT_HEADER = 59
    DESTINATION_OPTIONS = 60
    OSPF = 89
    SCTP = 132
    MOBILITY = 135
    UDP_LITE = 136
    HIP = 139
    SHIM6 = 140


DNS_PORT: Final = 53
VXLAN_PORTS: Final = (4789, 8472)
"""IANA's port, and the one that Linux used before IANA assigned one."""
GENEVE_PORT: Final = 6081
