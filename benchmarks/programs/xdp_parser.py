"""Counts packets by destination port: Ethernet, VLAN tags, IPv4 or IPv6, TCP or UDP. All others count as port 0."""

from ctypes import c_uint32, c_uint64, sizeof

from frames import TCP6_TWICE_TAGGED

from programs import Case, pack
from py2bpf import net
from py2bpf.datastructures import ArrayMap
from py2bpf.xdp import XDP_PASS, XdpProgram

MOST_TAGS = 2
PORTS = 1 << 16


def transport(ctx, protocol, offset):
    if protocol == net.Protocol.TCP:
        tcp = ctx.packet(net.Tcp, offset)
        return tcp.destination_port if tcp else 0
    if protocol == net.Protocol.UDP:
        udp = ctx.packet(net.Udp, offset)
        return udp.destination_port if udp else 0
    return 0


def destination(ctx):
    ethernet = ctx.packet(net.Ethernet)
    if ethernet is None:
        return 0
    kind, offset = ethernet.type, sizeof(net.Ethernet)
    for _ in range(MOST_TAGS):
        if kind not in (net.EtherType.VLAN, net.EtherType.SERVICE_VLAN):
            break
        tag = ctx.packet(net.VlanTag, offset)
        if tag is None:
            return 0
        kind, offset = tag.type, offset + sizeof(net.VlanTag)
    if kind == net.EtherType.IPV4:
        ip = ctx.packet(net.Ipv4, offset)
        if ip is None or ip.ihl < 5 or ip.fragment_offset:
            return 0
        return transport(ctx, ip.protocol, offset + 4 * ip.ihl)
    if kind == net.EtherType.IPV6:
        ip = ctx.packet(net.Ipv6, offset)
        return transport(ctx, ip.next_header, offset + sizeof(net.Ipv6)) if ip else 0
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
