"""Counts IPv4 packets by protocol. The frame begins at offset 0."""

from ctypes import c_uint32, c_uint64, sizeof

from frames import UDP, for_socket

from programs import Case, pack
from py2bpf import funcs, net
from py2bpf.datastructures import HashMap
from py2bpf.socket_filter import SocketFilter

IP_AT = sizeof(net.Ethernet)


def make() -> Case:
    counts = HashMap(c_uint32, c_uint64, 256)

    def count_by_protocol(skb):
        if funcs.load_skb_short(skb, net.Ethernet.type.offset) == net.EtherType.IPV4:
            counts[funcs.load_skb_byte(skb, IP_AT + net.Ipv4.protocol.offset)] += 1
        return 0

    return Case(
        "count_by_protocol",
        SocketFilter(count_by_protocol),
        frame=for_socket(UDP),
        maps={"counts": counts},
        tables={"counts": {pack(c_uint32(17)): pack(c_uint64(1))}},
    )
