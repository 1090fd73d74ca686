"""Programs that only return: the least cost of running a program of each type."""

from frames import UDP, for_socket

from programs import Case
from py2bpf.socket_filter import SocketFilter
from py2bpf.tc import IngressProgram
from py2bpf.xdp import XDP_PASS, XdpProgram


def make_socket() -> Case:
    def empty_socket(skb):
        return 0

    return Case("empty_socket", SocketFilter(empty_socket), frame=for_socket(UDP))


def make_tc() -> Case:
    def empty_tc(skb):
        return 0

    return Case("empty_tc", IngressProgram(empty_tc), frame=UDP, baseline="empty_tc")


def make_xdp() -> Case:
    def empty_xdp(ctx):
        return XDP_PASS

    return Case("empty_xdp", XdpProgram(empty_xdp), frame=UDP, retval=XDP_PASS, baseline="empty_xdp")
