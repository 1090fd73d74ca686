"""What the dissector finds of tags on the wire: of those that the kernel takes out of a packet, and of packets that a
packet socket sends, whose network header lies behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from namespaces import Namespace, alone

pytestmark = pytest.mark.kernel

CODE = """
import socket
from py2bpf import net, tc
from py2bpf.datastructures import ArrayMap
from py2bpf.socket_filter import SocketFilter
from py2bpf.testing import packets

out = ArrayMap(net.Dissection, 1)

def look(skb):
    found = net.dissect(skb)
    if found.ports.destination == 9 or found.problem or found.ethertype == 0:
        out[0] = found

def outgoing(skb):
    if skb.pkt_type == 4:
        look(skb)

ETH_P_ALL = 3
with {program} as program, socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
    {attach}
    sock.bind(("{sender}", 0))
    for frame in ({frames}):
        out[0] = net.Dissection()
        sock.send(frame)
        found = out[0]
        print(found.tags, found.vlan, hex(found.ethertype), found.protocol, found.ports.destination, found.problem)
    {detach}
"""
TAGGED = "packets.udp(dport=9, vlan=tags) for tags in (None, 5, [6, 7], [1280, 6, 6], [6, 6, 6, 6])"
FOUND = ["0 0 0x800 17 9 0", "1 5 0x800 17 9 0", "2 6 0x800 17 9 0", "3 1280 0x800 17 9 0", "4 6 0x800 17 9 0"]


@pytest.fixture
def namespace(missing: Callable[[str], Any]) -> Iterator[Namespace]:
    """One with both ends of a pair of devices: left0 and right0."""
    with alone(missing, Namespace) as made:
        for words in ("add left0 type veth peer right0", "set left0 up", "set right0 up"):
            made.shell("ip", "link", *words.split())
        yield made


WAYS = {
    "arriving": ("tc.IngressProgram(look)", "program.install('right0')", "program.remove('right0')"),
    "sent": ("tc.EgressProgram(look)", "program.install('{sender}')", "program.remove('{sender}')"),
    "sent, seen by a socket": (
        "socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))",
        "program.bind(('{sender}', ETH_P_ALL)); attached = SocketFilter(outgoing); attached.attach(program)",
        "attached.close()",
    ),
}


def found(namespace: Namespace, way: str, sender: str, frames: str) -> list[str]:
    program, attach, detach = (part.format(sender=sender) for part in WAYS[way])
    code = CODE.format(program=program, attach=attach, detach=detach, frames=frames, sender=sender)
    return namespace.python(code).splitlines()


@pytest.mark.parametrize("way", WAYS)
def test_tags(namespace: Namespace, way: str) -> None:
    """The kernel takes out the outermost tag of what arrives, and leaves the others in the packet."""
    assert found(namespace, way, "left0", TAGGED) == FOUND


def test_tags_on_loopback(namespace: Namespace) -> None:
    """There the network header of what is sent is at the first tag."""
    assert found(namespace, "sent", "lo", TAGGED) == FOUND


def test_a_packet_that_could_be_two(namespace: Namespace) -> None:
    """Its tag's bytes are those of IP's header: where the network header is can't be told."""
    twice = "packets.udp(vlan=1280)[:14] + 4 * bytes.fromhex('45000800') + bytes(40),"
    assert [row.split()[-1] for row in found(namespace, "sent", "left0", twice)] == ["2"]
