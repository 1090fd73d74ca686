"""Counts packets and bytes of each IPv4 TCP or UDP flow; later fragments and cut-off headers are left out.

Addresses and ports stay in network order. The frame begins at offset 0.
"""

import socket
from ctypes import Structure, c_uint8, c_uint16, c_uint32, c_uint64

from frames import UDP, for_socket

from programs import Case, pack
from programs.headers import ETHERTYPE_AT, IP_AT, Ipv4
from py2bpf import funcs
from py2bpf.datastructures import HashMap
from py2bpf.socket_filter import SocketFilter

ETH_P_IP = 0x0800
FRAGMENT_OFFSET = socket.htons(0x1FFF)


class Flow(Structure):
    _fields_ = (
        ("source", c_uint32),
        ("destination", c_uint32),
        ("ports", c_uint16 * 2),
        ("protocol", c_uint8),
        ("zero", c_uint8 * 3),
    )


class Traffic(Structure):
    _fields_ = (("packets", c_uint64), ("bytes", c_uint64))


def make() -> Case:
    flows = HashMap(Flow, Traffic, 65536)

    def flow_counter(skb):
        if funcs.load_skb_short(skb, ETHERTYPE_AT) != ETH_P_IP:
            return 0
        ip = Ipv4()
        if funcs.skb_load_bytes(skb, IP_AT, ip):
            return 0
        words = ip.version_and_words & 15
        if ip.version_and_words >> 4 != 4 or words < 5 or ip.fragment & FRAGMENT_OFFSET:
            return 0
        if ip.protocol != socket.IPPROTO_TCP and ip.protocol != socket.IPPROTO_UDP:
            return 0
        flow = Flow(source=ip.source, destination=ip.destination, protocol=ip.protocol)
        if funcs.skb_load_bytes(skb, IP_AT + 4 * words, flow.ports):
            return 0
        traffic = flows.get(flow)
        if traffic:
            traffic.packets += 1
            traffic.bytes += skb.len
        else:
            flows.add(flow, Traffic(packets=1, bytes=skb.len))
        return 0

    key = UDP[26:38].hex() + pack(c_uint32(socket.IPPROTO_UDP))
    return Case(
        "flow_counter",
        SocketFilter(flow_counter),
        frame=for_socket(UDP),
        maps={"flows": flows},
        tables={"flows": {key: pack(Traffic(1, len(UDP)))}},
    )
