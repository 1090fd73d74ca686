"""Counts packets by destination port: Ethernet, VLAN tags, IPv4 or IPv6, TCP or UDP. All others count as port 0."""

import socket
from ctypes import c_uint32, c_uint64, sizeof

from frames import TCP6_TWICE_TAGGED

from programs import Case, pack
from programs.headers import ETH_P_8021AD, ETH_P_8021Q, ETH_P_IP, ETH_P_IPV6, Ethernet, HostIpv4, Ipv6, Tag, Tcp, Udp
from py2bpf.datastructures import ArrayMap
from py2bpf.xdp import XDP_PASS, XdpProgram

MOST_TAGS = 2
PORTS = 1 << 16


def transport(ctx, protocol, offset):
    if protocol == socket.IPPROTO_TCP:
        tcp = ctx.packet(Tcp, offset)
        return tcp.destination if tcp else 0
    if protocol == socket.IPPROTO_UDP:
        udp = ctx.packet(Udp, offset)
        return udp.destination if udp else 0
    return 0


def destination(ctx):
    ethernet = ctx.packet(Ethernet)
    if ethernet is None:
        return 0
    kind, offset = ethernet.type, sizeof(Ethernet)
    for _ in range(MOST_TAGS):
        if kind not in (ETH_P_8021Q, ETH_P_8021AD):
            break
        tag = ctx.packet(Tag, offset)
        if tag is None:
            return 0
        kind, offset = tag.type, offset + sizeof(Tag)
    if kind == ETH_P_IP:
        ip = ctx.packet(HostIpv4, offset)
        if ip is None or ip.words < 5 or ip.fragment & 0x1FFF:
            return 0
        return transport(ctx, ip.protocol, offset + 4 * ip.words)
    if kind == ETH_P_IPV6:
        ip = ctx.packet(Ipv6, offset)
        return transport(ctx, ip.next, offset + sizeof(Ipv6)) if ip else 0
    return 0


def make() -> Case:
    ports = ArrayMap(c_uint64, PORTS)

    def xdp_parser(ctx):
        ports[destination(ctx)] += 1
        return XDP_PASS

    return Case(
        "xdp_parser",
        XdpProgram(xdp_parser),
        frame=TCP6_TWICE_TAGGED,
        retval=XDP_PASS,
        maps={"ports": ports},
        tables={"ports": {pack(c_uint32(port)): pack(c_uint64(port == 443)) for port in range(PORTS)}},
        baseline="empty_xdp",
    )
