"""Walks through a packet's headers to that of its transport protocol: in programs, and the same in simulations."""

from __future__ import annotations

from ctypes import c_uint8, c_uint16, sizeof
from enum import IntEnum
from typing import Annotated, Any, Final

from .. import funcs
from ..records import Struct
from .headers import (
    Ethernet,
    Geneve,
    Gre,
    Ipv4,
    Ipv6,
    Ipv6Fragment,
    Ipv6Options,
    Ports,
    Udp,
    VlanTag,
    Vxlan,
)
from .numbers import GENEVE_PORT, LEAST_ETHERTYPE, VXLAN_PORTS, EtherType, Protocol

MOST_TAGS: Final = 4
MOST_EXTENSIONS: Final = 8
"""How many VLAN tags, and headers behind IP's, dissect() and enter() walk through before they give up."""

VLAN_TAGS: Final = (EtherType.VLAN, EtherType.SERVICE_VLAN, EtherType.OLD_SERVICE_VLAN)
EXTENSIONS: Final = (
    Protocol.HOP_BY_HOP, Protocol.ROUTING, Protocol.DESTINATION_OPTIONS,
    Protocol.MOBILITY, Protocol.HIP, Protocol.SHIM6,
)  # fmt: skip
"""Headers of IPv6 that tell their length in the same way, RFC 6564."""
WITH_PORTS: Final = (Protocol.TCP, Protocol.UDP, Protocol.SCTP, Protocol.DCCP, Protocol.UDP_LITE)

_NETWORK_HEADER: Final = 1
"""BPF_HDR_START_NET of uapi/linux/bpf.h."""

_NO_END: Final = 1 << 17
"""Behind the last byte that can be seen."""


class Problem(IntEnum):
    """Why a walk ended before its end."""

    NONE = 0
    TRUNCATED = 1
    """The packet ends, or its IP header says that it ends, before a header does. A packet that lies in several buffers
    ends with the first one for XDP."""
    MALFORMED = 2
    """A header contradicts itself: a wrong version, a length below the least one."""
    TOO_DEEP = 3
    """There are more than MOST_TAGS tags, or MOST_EXTENSIONS headers between IP's and the transport header."""


class Fragment(IntEnum):
    """Which part of an IP packet this is."""

    NONE = 0
    """The whole one, as an atomic fragment of IPv6 is (RFC 6946)."""
    FIRST = 1
    LATER = 2
    """One behind the first: it has no transport header."""


class Dissection(Struct):
    """Where a packet's headers are, by dissect(). Offsets are in bytes, for load()."""

    ethertype: Annotated[int, c_uint16]
    """The network protocol's EtherType, behind all tags, or that of the tag or frame in which the packet ends; 0 for a
    frame of IEEE 802.3, which has a length there."""
    network: Annotated[int, c_uint16]
    """The offset of that header."""
    transport: Annotated[int, c_uint16]
    """The offset of the transport protocol's header; 0 where there is none."""
    vlan: Annotated[int, c_uint16]
    """The VLAN of the outermost tag; 0 without one."""
    tags: Annotated[int, c_uint8]
    """The number of tags, with that which the kernel or the device has taken out of an sk_buff."""
    protocol: Annotated[int, c_uint8]
    """Of IP: the transport protocol, behind all extension headers."""
    fragment: Annotated[int, c_uint8]
    problem: Annotated[int, c_uint8]
    ports: Ports
    """Of a transport protocol WITH_PORTS; zeros without."""
    tunnels: Annotated[int, c_uint8]
    """How many tunnels enter() went into."""

    @property
    def is_ip(self) -> bool:
        """Whether the network protocol is IPv4 or IPv6."""
        return self.ethertype in (EtherType.IPV4, EtherType.IPV6)

    @property
    def has_ports(self) -> bool:
        """Whether there is a transport header with ports."""
        return self.transport != 0 and self.problem == Problem.NONE and self.protocol in WITH_PORTS


def load(ctx: Any, header: Any, offset: int = 0) -> Any:
    """In a program: the header (any ctypes type) at an offset of the packet, None where the packet ends before.

    With XDP it is a view of the packet (``ctx.packet``), and offsets count from the packet's first byte. Of an sk_buff
    (socket filters, tc, cgroups) it is a copy, also from where the sk_buff isn't linear, and offsets count from the
    network header (bpf_skb_load_bytes_relative of bpf-helpers(7)), in front of which devices put different things.
    """
    if not hasattr(ctx, "protocol"):
        return ctx.packet(header, offset)
    copy = header()
    if funcs.skb_load_bytes_relative(ctx, offset, copy, _NETWORK_HEADER):
        return None
    return copy


def dissect(ctx: Any) -> Dissection:
    """In a program: walks from the packet's first header to its transport header.

    ``ctx`` is the context of an XDP program, or one with an sk_buff. The walk goes through VLAN tags, IPv4 with
    options, IPv6 with extension headers, authentication headers and fragment headers. ``problem`` tells why it ended
    earlier. A network protocol that isn't IP, or a transport protocol that isn't known, is no problem.
    """
    found = Dissection()
    if not hasattr(ctx, "protocol"):
        _walk(ctx, found, EtherType.ETHERNET, 0)
        return found
    _walk(ctx, found, funcs.bswap16(ctx.protocol), 0)
    if ctx.vlan_present:
        found.vlan, found.tags = ctx.vlan_tci & 0xFFF, found.tags + 1
    return found


def enter(ctx: Any, found: Dissection) -> bool:
    """In a program: goes on into the tunnel whose header is the transport header that was found.

    ``found`` tells of the inner packet afterwards. False, and nothing is changed, where there is no tunnel: those known
    are IPv4 and IPv6 in IP, GRE (version 0), VXLAN and Geneve by the ports of UDP.
    """
    inner = _tunnel(ctx, found)
    if not inner:
        return False
    found.tunnels += 1
    _walk(ctx, found, inner >> 32, inner & 0xFFFFFFFF)
    return True


def _tunnel(ctx: Any, found: Dissection) -> Any:
    """The header in the tunnel whose header was found: ``kind << 32 | offset``. 0 without a tunnel."""
    if not found.transport:
        return 0
    if found.protocol == Protocol.IPV4:
        return EtherType.IPV4 << 32 | found.transport
    if found.protocol == Protocol.IPV6:
        return EtherType.IPV6 << 32 | found.transport
    if found.protocol == Protocol.GRE:
        gre = load(ctx, Gre, found.transport)
        if gre is None or gre.version or gre.routing_present:
            return 0
        words = 1 + gre.checksum_present + gre.key_present + gre.sequence_number_present
        return gre.protocol_type << 32 | found.transport + 4 * words
    if found.protocol != Protocol.UDP:
        return 0
    offset = found.transport + sizeof(Udp)
    if found.ports.destination in VXLAN_PORTS:
        vxlan = load(ctx, Vxlan, offset)
        return EtherType.ETHERNET << 32 | offset + sizeof(Vxlan) if vxlan is not None and vxlan.vni_present else 0
    if found.ports.destination != GENEVE_PORT:
        return 0
    geneve = load(ctx, Geneve, offset)
    if geneve is None or geneve.version:
        return 0
    return geneve.protocol_type << 32 | offset + sizeof(Geneve) + 4 * geneve.option_length


def _walk(ctx: Any, found: Dissection, kind: int, offset: int) -> None:
    """Fills in ``found``. At ``offset`` is what the EtherType ``kind`` says."""
    found.transport = found.vlan = found.tags = found.protocol = found.fragment = 0
    found.ports.source = found.ports.destination = 0
    found.problem = Problem.TRUNCATED  # until the end is reached
    found.ethertype, found.network = kind, offset
    if kind == EtherType.ETHERNET:
        ethernet = load(ctx, Ethernet, offset)
        if ethernet is None:
            return
        kind, offset = ethernet.type, offset + sizeof(Ethernet)
    tags = vlan = 0
    for _ in range(MOST_TAGS):
        if kind not in VLAN_TAGS:
            break
        tag = load(ctx, VlanTag, offset)
        if tag is None:
            break
        vlan = vlan if tags else tag.vlan
        tags += 1
        kind, offset = tag.type, offset + sizeof(VlanTag)
    else:
        if kind in VLAN_TAGS:
            found.problem = Problem.TOO_DEEP
    found.tags, found.vlan = tags, vlan
    found.ethertype, found.network = kind if kind >= LEAST_ETHERTYPE else 0, offset
    if found.is_ip:
        _ip(ctx, found, kind, offset)
    elif kind not in VLAN_TAGS:
        found.problem = Problem.NONE


def _ip(ctx: Any, found: Dissection, kind: int, offset: int) -> None:
    """Goes on behind the IP header at ``offset``."""
    end = _NO_END
    if kind == EtherType.IPV4:
        v4 = load(ctx, Ipv4, offset)
        if v4 is None:
            return
        found.protocol = kind = v4.protocol
        if v4.version != 4 or v4.ihl < 5:
            found.problem = Problem.MALFORMED
            return
        if not _is_begin(found, v4):
            return
        if v4.total_length:  # 0 in what the kernel has put together, beyond 64 KiB
            end = offset + v4.total_length
        offset += 4 * v4.ihl
    else:
        v6 = load(ctx, Ipv6, offset)
        if v6 is None:
            return
        found.protocol = kind = v6.next_header
        if v6.version != 6:
            found.problem = Problem.MALFORMED
            return
        offset += sizeof(Ipv6)
        if v6.payload_length:  # 0 in jumbograms
            end = offset + v6.payload_length
    if kind not in WITH_PORTS:
        for _ in range(MOST_EXTENSIONS + 1):  # the last turn is for what is behind them
            if kind == Protocol.AUTHENTICATION:  # apart from the others: as one branch they cost the verifier sixfold
                header = load(ctx, Ipv6Options, offset)
                if header is None:
                    return
                kind, offset = header.next_header, offset + 4 * (header.length + 2)
            elif found.ethertype == EtherType.IPV6 and kind in EXTENSIONS:
                options = load(ctx, Ipv6Options, offset)
                if options is None:
                    return
                kind, offset = options.next_header, offset + 8 * (options.length + 1)
            elif found.ethertype == EtherType.IPV6 and kind == Protocol.FRAGMENT:
                part = load(ctx, Ipv6Fragment, offset)
                if part is None:
                    return
                found.protocol = part.next_header
                if not _is_begin(found, part):
                    return
                kind, offset = part.next_header, offset + sizeof(Ipv6Fragment)
            else:
                break
            found.protocol = kind
        else:
            found.problem = Problem.TOO_DEEP
            return
    _arrive(ctx, found, offset, end)


def _is_begin(found: Dissection, header: Any) -> bool:
    """Whether what follows the header is the begin of what IP carries."""
    if header.fragment_offset:
        found.fragment, found.problem = Fragment.LATER, Problem.NONE
        return False
    if header.more_fragments:
        found.fragment = Fragment.FIRST
    return True


def _arrive(ctx: Any, found: Dissection, offset: int, end: int) -> None:
    """Fills in the transport header, if it is there."""
    if found.protocol in WITH_PORTS:
        ports = load(ctx, Ports, offset)
        if ports is None or offset + sizeof(Ports) > end:
            return
        found.ports = ports
    elif offset > end or load(ctx, c_uint8, offset - 1) is None:
        return
    found.transport, found.problem = offset, Problem.NONE
