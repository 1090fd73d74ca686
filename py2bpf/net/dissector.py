"""Walks through a packet's headers to the header of the transport protocol, in programs and in simulations."""

from __future__ import annotations

from ctypes import c_uint8, c_uint16, c_uint32, c_uint64, sizeof
from enum import IntEnum
from typing import Annotated, Any, Final

from .. import funcs
from ..records import Struct
from .headers import (
    Ethernet,
    Geneve,
    Gre,
    Icmp,
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
from .numbers import GENEVE_PORT, LEAST_ETHERTYPE, VXLAN_PORTS, EtherType, Protocol

MOST_TAGS: Final = 4
MOST_EXTENSIONS: Final = 8
"""How many VLAN tags, and headers between IP's and the transport's, dissect() and enter() walk through at most."""

VLAN_TAGS: Final = (EtherType.VLAN, EtherType.SERVICE_VLAN, EtherType.OLD_SERVICE_VLAN)
EXTENSIONS: Final = (
    Protocol.HOP_BY_HOP, Protocol.ROUTING, Protocol.DESTINATION_OPTIONS,
    Protocol.MOBILITY, Protocol.HIP, Protocol.SHIM6,
)  # fmt: skip
"""Headers of IPv6 that encode their length in the same way, RFC 6564."""
WITH_PORTS: Final = (Protocol.TCP, Protocol.UDP, Protocol.SCTP, Protocol.DCCP, Protocol.UDP_LITE)

_LEAST: Final[dict[int, int]] = {
    Protocol.TCP: sizeof(Tcp), Protocol.UDP: sizeof(Udp), Protocol.UDP_LITE: sizeof(Udp), Protocol.SCTP: sizeof(Sctp),
    Protocol.DCCP: 12, Protocol.ICMP: sizeof(Icmp), Protocol.GRE: sizeof(Gre),
}  # fmt: skip
"""The least size of transport headers in bytes. DCCP: RFC 4340."""

NOWHERE: Final = 0xFFFF
"""The offset of a header that isn't there: load() finds nothing at it."""

_LINK_HEADER: Final = 0
_NETWORK_HEADER: Final = 1
"""BPF_HDR_START_MAC and BPF_HDR_START_NET of uapi/linux/bpf.h."""

_NO_END: Final = 1 << 17
"""An offset beyond any byte that a program can see."""


class Problem(IntEnum):
    """Why a walk ended early."""

    NONE = 0
    TRUNCATED = 1
    """The packet ends, or ends according to its IP header, within a header. The fixed part of the headers of TCP, UDP,
    UDP-Lite, SCTP, DCCP, ICMP and GRE must be complete, also in a first fragment (RFC 1858). Of a packet in several
    buffers, only the first buffer counts."""
    MALFORMED = 2
    """A header contradicts itself: a wrong version, or a length that is too small."""
    TOO_DEEP = 3
    """There are more than MOST_TAGS tags, or MOST_EXTENSIONS headers between IP's and the transport header."""


class Fragment(IntEnum):
    """Which part of an IP packet this is."""

    NONE = 0
    """The whole packet; an atomic fragment of IPv6, too (RFC 6946)."""
    FIRST = 1
    LATER = 2
    """A fragment after the first one, which has no transport header."""


class Dissection(Struct):
    """Where a packet's headers are, by dissect(). Offsets are in bytes, for load()."""

    ethertype: Annotated[int, c_uint16]
    """The EtherType of the network protocol, after all tags, or of the tag or frame in which the packet ends; 0 for a
    frame of IEEE 802.3, which has a length in its place."""
    network: Annotated[int, c_uint16]
    """The offset of the network protocol's header."""
    transport: Annotated[int, c_uint16]
    """The offset of the transport protocol's header; NOWHERE if there is none."""
    vlan: Annotated[int, c_uint16]
    """The VLAN of the outermost tag; 0 without tags."""
    tags: Annotated[int, c_uint8]
    """The number of tags, including one that the kernel or the device has taken out of an sk_buff."""
    protocol: Annotated[int, c_uint8]
    """For IP, the transport protocol, after all extension headers."""
    fragment: Annotated[int, c_uint8]
    problem: Annotated[int, c_uint8]
    ports: Ports
    """The ports of a transport protocol WITH_PORTS; else zeros."""
    tunnels: Annotated[int, c_uint8]
    """How many tunnels enter() has entered."""
    end: Annotated[int, c_uint32]
    """The offset at which the packet ends by the lengths of its IP headers; beyond all packets if none has a length."""

    @property
    def is_ip(self) -> bool:
        """Whether the network protocol is IPv4 or IPv6."""
        return self.ethertype in (EtherType.IPV4, EtherType.IPV6)

    @property
    def has_ports(self) -> bool:
        """Whether there is a transport header with ports."""
        return self.transport != NOWHERE and self.problem == Problem.NONE and self.protocol in WITH_PORTS


def load(ctx: Any, header: Any, offset: int = 0) -> Any:
    """In a program: the header (any ctypes type) at an offset of the packet, or None if the packet ends before.

    In XDP programs the header is a view of the packet (``ctx.packet``), and offsets count from the packet's first byte.
    In programs with an sk_buff (socket filters, tc, cgroups) it is a copy, and offsets count from the network header
    (bpf_skb_load_bytes_relative of bpf-helpers(7)), because devices put different headers before it. Only the linear
    part of an sk_buff is seen; ``funcs.skb_pull_data(ctx, size)`` makes more of it linear.
    """
    if _is_xdp(ctx):
        return ctx.packet(header, offset)
    return _load(ctx, header, offset, _NETWORK_HEADER)


def dissect(ctx: Any) -> Dissection:
    """In a program: goes from the packet's first header to its transport header.

    ``ctx`` is the context of an XDP program, or one with an sk_buff. The walk passes VLAN tags, IPv4 with options, IPv6
    with extension headers, authentication headers and fragment headers. If it ends early, ``problem`` says why. A
    network protocol that isn't IP, or an unknown transport protocol, is no problem.
    """
    found = Dissection()
    if _is_xdp(ctx):
        _walk(ctx, found, EtherType.ETHERNET, 0, _NO_END, 0, 0)
        return found
    begin = kind = funcs.bswap16(ctx.protocol)
    offset = tags = vlan = 0
    if kind in VLAN_TAGS:
        begin = _behind_tags(ctx, kind)
        kind, vlan, tags, offset = begin >> 32, begin >> 16 & 0xFFFF, begin >> 8 & 0xFF, begin & 0xFF
    _walk(ctx, found, kind, offset, _NO_END, tags, vlan)
    if not begin:
        found.problem = Problem.MALFORMED
    if ctx.vlan_present:
        found.vlan, found.tags = ctx.vlan_tci & 0xFFF, found.tags + 1
    return found


def enter(ctx: Any, found: Dissection) -> bool:
    """In a program: continues inside of the tunnel whose header is the transport header that was found.

    Afterwards ``found`` describes the inner packet, or has a ``problem``. Returns False, and changes nothing, if there
    is no tunnel. Known tunnels are IPv4 and IPv6 in IP, GRE (version 0), and VXLAN and Geneve by their UDP ports.
    """
    inner = _tunnel(ctx, found)
    if not inner:
        return False
    found.tunnels += 1
    _walk(ctx, found, inner >> 32, inner & 0xFFFFFFFF, found.end, 0, 0)
    return True


def _is_xdp(ctx: Any) -> bool:
    """For any other context without an sk_buff, the compiler reports that it has no packet."""
    return not hasattr(ctx, "vlan_present")


def _load(ctx: Any, header: Any, offset: int, begin: int) -> Any:
    """A copy of a header at ``offset`` from the link header or the network header of an sk_buff."""
    copy = header()
    if not 0 <= offset < NOWHERE or funcs.skb_load_bytes_relative(ctx, offset, copy, begin):
        return None
    return copy


def _behind_tags(ctx: Any, kind: int) -> int:
    """What follows the tags that an sk_buff contains: ``kind << 32 | vlan << 16 | tags << 8 | offset``.

    If the packet was received, or came through a VLAN device, its network header is at the first tag; if a packet
    socket sent it, after all tags (packet_parse_headers in net/packet/af_packet.c). So the tags are read from the link
    header on, and the network header is found by comparing bytes. Returns 0 if both places have the same bytes.
    """
    link, here = _load(ctx, Ethernet, 0, _LINK_HEADER), _load(ctx, c_uint64, 0, _NETWORK_HEADER)
    if link is None or link.type != kind:  # a device without Ethernet: the network header is at the first tag
        return kind << 32
    if here is None:  # too short for an IP header
        return kind << 32
    offset = sizeof(Ethernet)
    first = _load(ctx, c_uint64, offset, _LINK_HEADER)
    vlan = tags = 0
    for _ in range(MOST_TAGS):
        if kind not in VLAN_TAGS:
            break
        tag = _load(ctx, VlanTag, offset, _LINK_HEADER)
        if tag is None:
            break
        vlan = vlan if tags else tag.vlan
        kind, tags, offset = tag.type, tags + 1, offset + sizeof(VlanTag)
    last = _load(ctx, c_uint64, offset, _LINK_HEADER)
    at_first = first is not None and first.value == here.value
    at_last = last is not None and last.value == here.value
    if at_first == at_last:
        return 0
    return kind << 32 | vlan << 16 | tags << 8 | (tags * sizeof(VlanTag) if at_first else 0)


def _tunnel(ctx: Any, found: Dissection) -> Any:
    """The first header inside the tunnel whose header was found: ``kind << 32 | offset``. 0 if there is no tunnel."""
    if found.transport == NOWHERE:
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
        if vxlan is not None and not vxlan.vni_present:
            return 0
        return EtherType.ETHERNET << 32 | offset + sizeof(Vxlan)  # TRUNCATED there if VXLAN's header is truncated
    if found.ports.destination != GENEVE_PORT:
        return 0
    geneve = load(ctx, Geneve, offset)
    if geneve is None:
        return EtherType.ETHERNET << 32 | offset + sizeof(Geneve)
    if geneve.version:
        return 0
    return geneve.protocol_type << 32 | offset + sizeof(Geneve) + 4 * geneve.option_length


def _walk(ctx: Any, found: Dissection, kind: int, offset: int, end: int, tags: int, vlan: int) -> None:
    """Fills in ``found``. At ``offset`` is a header of EtherType ``kind``, after ``tags`` tags and before ``end``."""
    found.transport, found.protocol, found.fragment = NOWHERE, 0, Fragment.NONE
    found.ports.source = found.ports.destination = 0
    found.problem = Problem.TRUNCATED  # until the end is reached
    found.ethertype, found.network, found.end = kind, offset, end
    found.tags, found.vlan = tags, vlan
    if kind == EtherType.ETHERNET:
        ethernet = load(ctx, Ethernet, offset)
        if ethernet is None:
            return
        kind, offset = ethernet.type, offset + sizeof(Ethernet)
    if not tags:
        for _ in range(MOST_TAGS):
            if kind not in VLAN_TAGS:
                break
            tag = load(ctx, VlanTag, offset)
            if tag is None:
                break
            vlan = vlan if tags else tag.vlan
            tags += 1
            kind, offset = tag.type, offset + sizeof(VlanTag)
        found.tags, found.vlan = tags, vlan
    found.ethertype, found.network = kind if kind >= LEAST_ETHERTYPE else 0, offset
    if kind in VLAN_TAGS:
        if tags == MOST_TAGS:
            found.problem = Problem.TOO_DEEP
    elif found.is_ip:
        _ip(ctx, found, kind, offset, end)
    elif offset <= end and (not offset or load(ctx, c_uint8, offset - 1) is not None):
        found.problem = Problem.NONE


def _ip(ctx: Any, found: Dissection, kind: int, offset: int, end: int) -> None:
    """Continues after the IP header at ``offset``, in a packet that ends at ``end``."""
    if kind == EtherType.IPV4:
        v4 = load(ctx, Ipv4, offset)
        if v4 is None:
            return
        found.protocol = kind = v4.protocol
        length = v4.total_length  # 0 in packets above 64 KiB that the kernel has merged
        if v4.version != 4 or v4.ihl < 5 or 0 < length < 4 * v4.ihl:
            found.problem = Problem.MALFORMED
            return
        if length:
            end = min(end, offset + length)
        offset += 4 * v4.ihl
        if offset > end or not _is_begin(found, v4):
            return
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
            end = min(end, offset + v6.payload_length)
        if offset > end:
            return
    found.end = end
    if kind not in WITH_PORTS:
        for _ in range(MOST_EXTENSIONS + 1):  # the last turn is for the transport header
            if kind == Protocol.AUTHENTICATION:  # merged with the next branch, the verifier takes six times as long
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
                found.protocol = kind = part.next_header
                offset += sizeof(Ipv6Fragment)
                if offset > end or not _is_begin(found, part):
                    return
            else:
                break
            found.protocol = kind
        else:
            found.problem = Problem.TOO_DEEP
            return
    _arrive(ctx, found, offset, end)


def _is_begin(found: Dissection, header: Any) -> bool:
    """Whether the start of IP's payload follows the header."""
    if header.fragment_offset:
        found.fragment, found.problem = Fragment.LATER, Problem.NONE
        return False
    if header.more_fragments:
        found.fragment = Fragment.FIRST
    return True


def _arrive(ctx: Any, found: Dissection, offset: int, end: int) -> None:
    """Fills in the transport header, if its fixed part is complete."""
    behind = offset + _LEAST.get(found.protocol, 0)
    if behind > end or load(ctx, c_uint8, behind - 1) is None:
        return
    if found.protocol in WITH_PORTS:
        ports = load(ctx, Ports, offset)
        if ports is None:
            return
        found.ports = ports
    found.transport, found.problem = offset, Problem.NONE
