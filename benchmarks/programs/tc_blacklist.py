"""Drops IPv4 packets from blacklisted hosts and networks, and counts passed and dropped packets."""

import socket
from ctypes import Structure, c_uint32, c_uint64, sizeof

from frames import UDP

from programs import Case, pack
from py2bpf import net
from py2bpf.datastructures import ArrayMap, HashMap, LpmTrieMap
from py2bpf.tc import IngressProgram

TC_ACT_OK, TC_ACT_SHOT = 0, 2
IP_AT = sizeof(net.Ethernet)


class Prefix(Structure):
    _fields_ = (("length", c_uint32), ("address", c_uint32))


def make() -> Case:
    hosts = HashMap(net.Ipv4Address, c_uint32, 1024)
    nets = LpmTrieMap(net.Ipv4Address, c_uint32, 1024)
    nets["10.0.0.0/8"] = 1
    verdicts = ArrayMap(c_uint64, 2)

    def tc_blacklist(skb):
        ethernet, ip = skb.packet(net.Ethernet), skb.packet(net.Ipv4, IP_AT)
        if ip is None or ethernet is None or ethernet.type != net.EtherType.IPV4:
            return TC_ACT_OK
        if ip.source in hosts or ip.source in nets:
            verdicts[1] += 1
            return TC_ACT_SHOT
        verdicts[0] += 1
        return TC_ACT_OK

    ten = Prefix(8, int.from_bytes(socket.inet_aton("10.0.0.0"), "little"))
    return Case(
        "tc_blacklist",
        IngressProgram(tc_blacklist),
        frame=UDP,
        maps={"hosts": hosts, "nets": nets, "verdicts": verdicts},
        tables={"verdicts": {pack(c_uint32(0)): pack(c_uint64(1)), pack(c_uint32(1)): pack(c_uint64(0))}},
        entries=(("nets", pack(ten), pack(c_uint32(1))),),
        baseline="empty_tc",
    )
