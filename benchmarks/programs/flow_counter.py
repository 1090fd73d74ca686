"""Counts packets and bytes of each IPv4 TCP or UDP flow; later fragments and cut-off headers are left out.

The frame begins at offset 0.
"""

from ctypes import Structure, c_uint8, c_uint32, c_uint64, sizeof

from frames import UDP, for_socket

from programs import Case, pack
from py2bpf import Struct, funcs, net
from py2bpf.datastructures import HashMap
from py2bpf.socket_filter import SocketFilter

IP_AT = sizeof(net.Ethernet)


class Flow(Struct):
    source: net.Ipv4Address
    destination: net.Ipv4Address
    ports: net.Ports
    protocol: c_uint8
    zero: c_uint8 * 3


class Traffic(Structure):
    _fields_ = (("packets", c_uint64), ("bytes", c_uint64))


def make() -> Case:
    flows = HashMap(Flow, Traffic, 65536)

    def flow_counter(skb):
        if funcs.load_skb_short(skb, net.Ethernet.type.offset) != net.EtherType.IPV4:
            return 0
        ip = net.Ipv4()
        if funcs.skb_load_bytes(skb, IP_AT, ip):
            return 0
        if ip.version != 4 or ip.ihl < 5 or ip.fragment_offset:
            return 0
        if ip.protocol != net.Protocol.TCP and ip.protocol != net.Protocol.UDP:
            return 0
        flow = Flow(source=ip.source, destination=ip.destination, protocol=ip.protocol)
        if funcs.skb_load_bytes(skb, IP_AT + 4 * ip.ihl, flow.ports):
            return 0
        traffic = flows.get(flow)
        if traffic:
            traffic.packets += 1
            traffic.bytes += skb.len
        else:
            flows.add(flow, Traffic(packets=1, bytes=skb.len))
        return 0

    key = UDP[26:38].hex() + pack(c_uint32(net.Protocol.UDP))
    return Case(
        "flow_counter",
        SocketFilter(flow_counter),
        frame=for_socket(UDP),
        maps={"flows": flows},
        tables={"flows": {key: pack(Traffic(1, len(UDP)))}},
    )
