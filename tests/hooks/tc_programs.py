"""Filters of tc, which other processes import too."""

import socket

from py2bpf import funcs, net, tc
from py2bpf.datastructures import ProgArray

UDP_PAYLOAD = 14 + 20 + 8


def drop_ipv4(skb):
    return skb.protocol == socket.htons(net.EtherType.IPV4)


def drop_b(skb):
    """Datagrams whose text begins with b."""
    if skb.protocol != socket.htons(net.EtherType.IPV4):
        return 0
    return funcs.load_skb_byte(skb, UDP_PAYLOAD) == ord("b")


def drop_c(skb):
    if skb.protocol != socket.htons(net.EtherType.IPV4):
        return 0
    return funcs.load_skb_byte(skb, UDP_PAYLOAD) == ord("c")


def let_pass(skb):
    return tc.TC_ACT_OK


steps = ProgArray(4)


def dispatch(skb):
    funcs.tail_call(skb, steps, 1)
    return tc.TC_ACT_OK


def drop_bad(skb):
    return tc.TC_ACT_SHOT if funcs.load_skb_byte(skb, UDP_PAYLOAD) == ord("b") else tc.TC_ACT_OK


further = ProgArray(1)


def middle(skb):
    funcs.tail_call(skb, further, 0)
    return tc.TC_ACT_OK
