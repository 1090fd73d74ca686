"""What the dissector finds of tags that the kernel takes out of a packet before a program sees it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.kernel

CODE = """
import socket
from py2bpf import net, tc
from py2bpf.datastructures import ArrayMap
from py2bpf.testing import packets

out = ArrayMap(net.Dissection, 1)

def look(skb):
    found = net.dissect(skb)
    if found.ports.destination == 9:
        out[0] = found

with tc.IngressProgram(look) as program, socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
    program.install("right0")
    sock.bind(("left0", 0))
    for tags in (None, 5, [6, 7]):
        sock.send(packets.udp(dport=9, vlan=tags))
        found = out[0]
        print(found.tags, found.vlan, hex(found.ethertype), found.protocol, found.problem)
        out[0] = net.Dissection()
    program.remove("right0")
"""


@pytest.fixture
def pair(missing: Callable[[str], Any]) -> Iterator[str]:
    """A namespace with both ends of a pair of devices: left0 and right0."""
    if os.geteuid() or not shutil.which("ip"):
        missing("network namespaces need root and iproute2")
    name = f"py2bpf-net-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        for words in ("add left0 type veth peer right0", "set left0 up", "set right0 up"):
            subprocess.run(["ip", "-n", name, "link", *words.split()], check=True)
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def test_tags_beside_the_packet(pair: str) -> None:
    """The kernel takes out the outermost tag, and leaves the others in the packet."""
    command = ["ip", "netns", "exec", pair, sys.executable, "-c", CODE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["0 0 0x800 17 0", "1 5 0x800 17 0", "2 6 0x800 17 0"], done.stderr
