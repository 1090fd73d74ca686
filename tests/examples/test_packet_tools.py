"""The tools that look at packets, in a network namespace without other packets."""

from __future__ import annotations

from pathlib import Path

import pytest
from tool_runs import ToolNamespace

pytestmark = pytest.mark.kernel

PACKETS = """
import socket
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        for _ in range(5):
            sock.sendto(b"x", (address, 9))
"""
"""To a port that nobody listens on: ICMP answers each."""

FLOWS = """
import socket
with socket.create_server(("127.0.0.1", 5000)) as server:
    with socket.create_connection(("127.0.0.1", 5000), source_address=("127.0.0.1", 5001)) as client:
        peer, _ = server.accept()
        client.sendall(bytes(3000))
        peer.recv(3000, socket.MSG_WAITALL)
        peer.close()
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((address, 6000))
        for _ in range(3):
            sock.sendto(bytes(100), (address, 6001))
"""


@pytest.mark.parametrize(("direction", "times"), [("both", 2), ("in", 1), ("out", 1)])
def test_count_by_protocol(namespace: ToolNamespace, direction: str, times: int) -> None:
    options = ("-i", "lo", "--json", "--direction", direction, "--interval", 60)
    with namespace.run("count_by_protocol", *options) as tool:
        namespace.python(PACKETS)
        assert tool.end() == 0
    counts = {row["protocol"]: row["packets"] for row in tool.rows}
    expected = dict.fromkeys(("IPv4 UDP", "IPv4 ICMP", "IPv6 UDP", "IPv6 ICMPv6"), 5 * times)
    assert expected.items() <= counts.items()


def test_count_by_protocol_again_and_again(namespace: ToolNamespace) -> None:
    with namespace.run("count_by_protocol", "--interval", 0.2, "--duration", 2) as tool:
        namespace.python(PACKETS)
        assert tool.end(by=None) == 0
    assert tool.lines[0].split() == ["TIME", "PROTOCOL", "PACKETS"]
    assert sum(line.split()[1:] == ["IPv4", "UDP", "10"] for line in tool.lines) > 1


def test_flow_counter(namespace: ToolNamespace) -> None:
    with namespace.run("flow_counter", "-i", "lo", "--json", "--direction", "in", "--interval", 60) as tool:
        namespace.python(FLOWS)
        assert tool.end() == 0
    flows = {(row["protocol"], row["source"], row["destination"]): row for row in tool.rows}
    data = flows["TCP", "127.0.0.1:5001", "127.0.0.1:5000"]
    assert data["bytes"] > 3000 and data["packets"] >= 4
    assert flows["TCP", "127.0.0.1:5000", "127.0.0.1:5001"]["bytes"] < 1000
    for source, destination, header in (("127.0.0.1:6000", "127.0.0.1:6001", 20), ("[::1]:6000", "[::1]:6001", 40)):
        row = flows["UDP", source, destination]
        assert (row["packets"], row["bytes"]) == (3, 3 * (header + 8 + 100))
    assert tool.rows[0] == data, "the largest comes first"


def test_flow_counter_shows_the_top(namespace: ToolNamespace) -> None:
    with namespace.run("flow_counter", "-i", "lo", "--json", "--interval", 60, "--top", 1) as tool:
        namespace.python(FLOWS)
        assert tool.end() == 0
    assert [row["destination"] for row in tool.rows] == ["127.0.0.1:5000"]


RECEIVED = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
    receiver.bind(("127.0.0.1", 0))
    for address in ("127.0.0.1", "127.0.0.9", "127.5.0.1", "127.5.255.1"):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind((address, 0))
            for _ in range(3):
                sender.sendto(address.encode(), receiver.getsockname())
    receiver.settimeout(0.3)
    came = set()
    while True:
        try:
            came.add(receiver.recv(100).decode())
        except TimeoutError:
            break
with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as receiver:
    receiver.bind(("::1", 0))
    receiver.settimeout(0.3)
    receiver.sendto(b"::1", receiver.getsockname())
    try:
        came.add(receiver.recv(100).decode())
    except TimeoutError:
        pass
print(*sorted(came))
"""
RECEIVED_AT = """
import socket
came = []
for port in (5001, 5002):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", port))
        receiver.settimeout(0.3)
        receiver.sendto(b"x", ("127.0.0.1", port))
        try:
            receiver.recv(1)
            came.append(port)
        except TimeoutError:
            pass
print(*came)
"""
ALL = "127.0.0.1 127.0.0.9 127.5.0.1 127.5.255.1 ::1\n"


def test_blacklist(namespace: ToolNamespace) -> None:
    assert namespace.python(RECEIVED) == ALL
    addresses = ("127.0.0.9", "127.5.0.0/24", "10.0.0.0/8", "::/0")
    with namespace.run("blacklist_ingress_ips", "-i", "lo", "--json", *addresses) as tool:
        assert namespace.python(RECEIVED) == "127.0.0.1 127.5.255.1\n"
        assert tool.end() == 0
    assert {row["network"]: row["packets"] for row in tool.rows} == {
        "127.0.0.9/32": 3,
        "127.5.0.0/24": 3,
        "10.0.0.0/8": 0,
        "::/0": 1,
    }
    assert namespace.python(RECEIVED) == ALL, "the filter has gone with the tool"


def test_a_blacklist_that_stays(namespace: ToolNamespace, tmp_path: Path) -> None:
    (tmp_path / "list").write_text("# hosts\n127.0.0.9  # one\n\n")
    assert namespace.call("blacklist_ingress_ips", "-i", "lo", "--file", tmp_path / "list", "--keep").returncode == 0
    assert namespace.python(RECEIVED) == ALL.replace("127.0.0.9 ", "")
    done = namespace.call("blacklist_ingress_ips", "-i", "lo", "--clear")
    assert (done.returncode, done.stdout) == (0, "1 filters removed\n")
    assert namespace.python(RECEIVED) == ALL


@pytest.mark.parametrize("mode", [(), ("--mode", "generic")])
def test_ports(namespace: ToolNamespace, mode: tuple[str, ...]) -> None:
    options = ("-i", "lo", "--json", "--interval", 60, *mode)
    with namespace.run("xdp_ports", *options, "udp/6001", "tcp/4999", "9") as tool:
        namespace.python(FLOWS + PACKETS)
        assert tool.end() == 0
    rows = {(row["protocol"], row["port"]): row for row in tool.rows}
    assert rows["UDP", 6001]["verdict"] == rows["UDP", 9]["verdict"] == "dropped"
    assert rows["UDP", 6001]["packets"] == 6
    assert rows["UDP", 6001]["bytes"] == 3 * (14 + 20 + 8 + 100) + 3 * (14 + 40 + 8 + 100)
    assert [rows[key]["packets"] for key in (("UDP", 9), ("TCP", 9), ("TCP", 4999))] == [10, 0, 0]
    assert rows["TCP", 5000]["verdict"] == "passed" and rows["TCP", 5000]["bytes"] > 3000
    assert ("UDP", 5000) not in rows
    with namespace.run("xdp_ports", *options, "--seconds", 0.2) as tool:
        assert tool.end(by=None) == 0, "the first one has gone from the device"


def test_dropped_ports_hear_nothing(namespace: ToolNamespace) -> None:
    assert namespace.python(RECEIVED_AT) == "5001 5002\n"
    with namespace.run("xdp_ports", "-i", "lo", "udp/5001"):
        assert namespace.python(RECEIVED_AT) == "5002\n"
    assert namespace.python(RECEIVED_AT) == "5001 5002\n"


HIDDEN = """
import socket
from py2bpf.testing import packets

telnet = packets.tcp("192.0.2.1", "10.78.0.2", dport=23)
hidden = [packets.tcp("192.0.2.1", "10.78.0.2", dport=23, vlan=tags) for tags in ([0], [5], [5, 6], [5, 6, 7])]
hidden.append(packets.ethernet(packets.ipv4(telnet[14:], proto=4)))
hidden.append(packets.ethernet(packets.ipv6(bytes([6, 0, 1, 4, 0, 0, 0, 0]) + telnet[34:], proto=60)))
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
    sock.bind(("left0", 0))
    for packet in [telnet, *hidden, telnet[:36], telnet[:20]]:
        sock.send(packet)
    for _ in range(3):
        sock.send(packets.udp(dport=9))
"""
"""A port, plain and hidden in six ways; two packets that end too early; three for another port."""


@pytest.mark.parametrize(("options", "verdict"), [((), "dropped"), (("--unparsed", "pass"), "passed")])
def test_hidden_ports(wire: tuple[ToolNamespace, ToolNamespace], options: tuple[str, ...], verdict: str) -> None:
    left, right = wire
    with right.run("xdp_ports", "-i", "right0", "--json", "--interval", 60, *options, "tcp/23") as tool:
        left.python(HIDDEN)
        assert tool.end() == 0
    rows = {(row["protocol"], row["port"]): (row["packets"], row["verdict"]) for row in tool.rows}
    assert rows["TCP", 23] == (7, "dropped")
    assert rows["truncated", ""] == (2, verdict)
    assert rows["UDP", 9] == (3, "passed")


@pytest.mark.parametrize("options", [(), ("--unparsed", "pass")])
def test_hidden_addresses(wire: tuple[ToolNamespace, ToolNamespace], options: tuple[str, ...]) -> None:
    """All but the packet of IPv6 have the address; one ends within the IP header, behind that."""
    left, right = wire
    with right.run("blacklist_ingress_ips", "-i", "right0", "--json", *options, "192.0.2.1") as tool:
        left.python(HIDDEN)
        assert tool.end() == 0
    rows = {row["network"]: row["packets"] for row in tool.rows}
    assert rows == {"192.0.2.1/32": 10, **({} if options else {"truncated": 1})}
    assert "10 packets dropped; 1 could not be parsed" in tool.errors


def test_a_wrong_line_is_named(namespace: ToolNamespace, tmp_path: Path) -> None:
    (tmp_path / "list").write_text("127.0.0.9\n127.0.0.999\n")
    done = namespace.call("blacklist_ingress_ips", "-i", "lo", "--file", tmp_path / "list")
    assert done.returncode == 2
    assert f"{tmp_path / 'list'}, line 2: '127.0.0.999'" in done.stderr
