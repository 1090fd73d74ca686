"""Counts IPv4 packets by protocol. The frame begins at offset 0."""

from ctypes import c_uint32, c_uint64

from frames import UDP, for_socket

from programs import Case, pack
from programs.headers import ETHERTYPE_AT, IP_AT, Ipv4
from py2bpf import funcs
from py2bpf.datastructures import HashMap
from py2bpf.socket_filter import SocketFilter

ETH_P_IP = 0x0800


def make() -> Case:
    counts = HashMap(c_uint32, c_uint64, 256)

    def count_by_protocol(skb):
        if funcs.load_skb_short(skb, ETHERTYPE_AT) == ETH_P_IP:
            counts[funcs.load_skb_byte(skb, IP_AT + Ipv4.protocol.offset)] += 1
        return 0

    return Case(
        "count_by_protocol",
        SocketFilter(count_by_protocol),
        frame=for_socket(UDP),
        maps={"counts": counts},
        tables={"counts": {pack(c_uint32(17)): pack(c_uint64(1))}},
    )
