"""packet_counter counts real packets between two namespaces exactly, at every hook and with every kind of output."""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tool_runs import PATIENCE, ToolNamespace, command

from py2bpf import vm
from py2bpf.examples import flows
from py2bpf.examples.packet_counter import Counters
from py2bpf.examples.packet_rates import Count
from py2bpf.socket_filter import SocketFilter
from py2bpf.testing import packets
from py2bpf.xdp import XDP_DROP, XdpProgram

SEND = """
import os, pathlib, socket, sys
from py2bpf.testing import packets

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # so that packets stay in order

def datagrams(family, address, size, count):
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind(("", 6000))
        for _ in range(count):
            sock.sendto(bytes(size), (address, 9))

datagrams(socket.AF_INET, "10.78.0.2", 100, 25)
datagrams(socket.AF_INET6, "fd78::2", 50, 40)

def raw(protocol, frames):
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol) as sock:
        for frame in frames:
            sock.sendto(frame[14 + 20:], ("10.78.0.2", 0))

ends = ("10.78.0.1", "10.78.0.2")
raw(socket.IPPROTO_ICMP, [packets.icmp(*ends, rest=1 << 16 | number, payload=bytes(32)) for number in range(7)])

# SYNs to a port where nobody listens. Not of connect(), which sends more of them when the answer is late.
raw(socket.IPPROTO_TCP, [packets.tcp(*ends, 7000, 7001, flags="S", window=1024)] * 3)

# The last packets come back, so all those before them have been there: of each family, since it may have waited for
# the other side's address.
for family, address in (socket.AF_INET, "10.78.0.2"), (socket.AF_INET6, "fd78::2"):
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.connect((address, 10))
        sock.settimeout(0.2)
        for _ in range(300):
            try:
                sock.send(b"there?")
                sock.recv(1)
            except ConnectionRefusedError:
                break
            except TimeoutError:
                continue
        else:
            sys.exit("no answer")
"""
"""What the left side sends: known numbers of packets to addresses where nobody listens."""

ETHERNET = 14
EXPECTED = {
    ("UDP", "10.78.0.1", 6000, "10.78.0.2", 9): (25, 25 * (ETHERNET + 20 + 8 + 100)),
    ("UDP", "fd78::1", 6000, "fd78::2", 9): (40, 40 * (ETHERNET + 40 + 8 + 50)),
    ("ICMP", "10.78.0.1", None, "10.78.0.2", None): (7, 7 * (ETHERNET + 20 + 8 + 32)),
    ("TCP", "10.78.0.1", 7000, "10.78.0.2", 7001): (3, 3 * (ETHERNET + 20 + 20)),
}

Wire = tuple[ToolNamespace, ToolNamespace]


def by_flow(report: dict[str, Any]) -> dict[tuple[Any, ...], tuple[int, int]]:
    names = ("protocol", "source", "source_port", "destination", "destination_port")
    return {tuple(row[name] for name in names): (row["packets"], row["bytes"]) for row in report["flows"]}


def check(report: dict[str, Any]) -> None:
    found = by_flow(report)
    assert EXPECTED.items() <= found.items()
    sums = [sum(column) for column in zip(*found.values(), strict=True)]
    assert sums == [report["total"]["packets"], report["total"]["bytes"]]
    assert report["other"] == {"packets": 0, "bytes": 0, "packets_per_second": 0, "bytes_per_second": 0}
    assert report["unattributed"] == {"packets": 0, "bytes": 0}


@pytest.mark.kernel
@pytest.mark.parametrize(
    "where",
    [("--hook", "xdp"), ("--hook", "xdp", "--mode", "generic"), ("--hook", "tc"), ("--hook", "socket")],
    ids=lambda where: "-".join(where[1::2]),
)
def test_json(wire: Wire, where: tuple[str, ...]) -> None:
    left, right = wire
    with right.run("packet_counter", "-i", "right0", "--json", "--interval", PATIENCE, *where) as tool:
        assert ("prog/xdp" in right.shell("ip", "link", "show", "right0")) == (where[1] == "xdp")
        left.python(SEND)
        assert tool.end() == 0
    report = tool.rows[-1]
    check(report)
    assert (report["interface"], report["hook"]) == ("right0", where[1])
    assert report["total"]["packets_per_second"] == pytest.approx(
        report["total"]["packets"] / report["seconds"], rel=0.01
    )
    assert "prog/xdp" not in right.shell("ip", "link", "show", "right0"), "it is detached"


@pytest.mark.kernel
@pytest.mark.parametrize("hook", ["tc", "socket"])
def test_both_directions(wire: Wire, hook: str) -> None:
    """The sender's side has the packets as they leave, and the answers."""
    left, _right = wire
    options = ("-i", "left0", "--json", "--hook", hook, "--direction", "both", "--interval", PATIENCE)
    with left.run("packet_counter", *options) as tool:
        left.python(SEND)
        assert tool.end() == 0
    found = by_flow(tool.rows[-1])
    assert EXPECTED.items() <= found.items()
    assert found["ICMP", "10.78.0.2", None, "10.78.0.1", None][0] >= 7, "answers to pings"
    assert found["TCP", "10.78.0.2", 7001, "10.78.0.1", 7000][0] == 3, "resets"


@pytest.mark.kernel
def test_intervals_add_up(wire: Wire) -> None:
    left, right = wire
    with right.run("packet_counter", "-i", "right0", "--json", "--interval", 0.1, "--top", 100) as tool:
        left.python(SEND)
        time.sleep(0.3)
        left.python(SEND)
        assert tool.end() == 0
    assert len(tool.rows) >= 3
    check({**tool.rows[-1], "flows": [_halved(row) for row in tool.rows[-1]["flows"]],
           "total": {name: number / 2 for name, number in tool.rows[-1]["total"].items()}})  # fmt: skip
    came = sum(row["total"]["packets_per_second"] * row["seconds"] for row in tool.rows)
    assert came == pytest.approx(tool.rows[-1]["total"]["packets"], abs=0.05)
    totals = [row["total"]["packets"] for row in tool.rows]
    assert totals == sorted(totals)


def _halved(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "packets": row["packets"] / 2, "bytes": row["bytes"] / 2}


@pytest.mark.kernel
def test_lines(wire: Wire) -> None:
    left, right = wire
    with right.run("packet_counter", "-i", "right0", "--interval", PATIENCE) as tool:
        left.python(SEND)
        assert tool.end() == 0
    assert tool.lines[0].split() == ["TIME", "PROTOCOL", "SOURCE", "DESTINATION", "PPS", "BPS", "PACKETS", "BYTES"]
    rows = [line.split() for line in tool.lines[1:]]
    found = {tuple(row[1:4]): (row[-2], row[-1]) for row in rows}
    assert found["UDP", "10.78.0.1:6000", "10.78.0.2:9"] == ("25", "3550")
    assert found["UDP", "[fd78::1]:6000", "[fd78::2]:9"] == ("40", "4480")
    assert found["ICMP", "10.78.0.1", "10.78.0.2"] == ("7", "518")
    assert rows[-1][1] == "total"


@pytest.mark.kernel
def test_the_live_table(wire: Wire, extra: Callable[[str], Any]) -> None:
    extra("rich")
    left, right = wire
    with right.in_terminal("packet_counter", "-i", "right0", "--interval", 0.2) as tool:
        left.python(SEND)
        assert tool.end() == 0
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", tool.output).rpartition("right0 (xdp)")[2]
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in last.splitlines()]
    found = {tuple(row[:3]): tuple(row[-2:]) for row in rows if row}
    assert found["UDP", "10.78.0.1:6000", "10.78.0.2:9"] == ("25", "3,550")
    assert found["UDP", "[fd78::1]:6000", "[fd78::2]:9"] == ("40", "4,480")
    assert found["ICMP", "10.78.0.1", "10.78.0.2"] == ("7", "518")
    assert found["TCP", "10.78.0.1:7000", "10.78.0.2:7001"] == ("3", "162")


SCRAPE = """
import sys, urllib.request
sys.stdout.write(urllib.request.urlopen({url!r}, timeout=60).read().decode())
"""


@pytest.mark.kernel
def test_prometheus(wire: Wire, extra: Callable[[str], Any]) -> None:
    parser = extra("prometheus_client.parser")
    left, right = wire
    with right.run("packet_counter", "-i", "right0", "--prometheus", "0", "--interval", PATIENCE) as tool:
        found = re.search(r"Serving (\S+)", tool.errors)
        assert found
        left.python(SEND)
        text = right.python(SCRAPE.format(url=found[1]))
        assert tool.end() == 0
    samples = {
        (sample.name, *map(sample.labels.get, ("protocol", "source", "destination_port"))): sample
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }
    for (protocol, source, *_, port), (count, size) in EXPECTED.items():
        flow = (protocol, source, str(port or ""))
        sample = samples["packet_counter_flow_packets_total", *flow]
        assert sample.value == count and sample.labels["device"] == "right0" and sample.labels["hook"] == "xdp"
        assert samples["packet_counter_flow_bytes_total", *flow].value == size
    assert samples["packet_counter_packets_total", None, None, None].value >= 75


@pytest.mark.kernel
def test_a_port_that_is_taken(wire: Wire) -> None:
    _left, right = wire
    with right.run("packet_counter", "-i", "lo", "--prometheus", "9105", "--interval", PATIENCE) as tool:
        done = right.call("packet_counter", "-i", "right0", "--prometheus", "9105")
        assert tool.end() == 0
    assert done.returncode == 1
    assert "Address already in use" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.kernel
def test_a_driver_that_refuses(wire: Wire) -> None:
    """The pair's driver takes no XDP program where the other end may send frames larger than a page."""
    left, right = wire
    left.shell("ip", "link", "set", "left0", "mtu", "9000")
    with right.run("packet_counter", "-i", "right0", "--json", "--interval", PATIENCE) as tool:
        assert "counting in the network stack instead" in tool.errors
        left.python(SEND)
        assert tool.end() == 0
    check(tool.rows[-1])
    done = right.call("packet_counter", "-i", "right0", "--mode", "native")
    assert done.returncode == 1 and "MTU is too large" in done.stderr


@pytest.mark.kernel
def test_an_interface_that_has_a_program_already(wire: Wire) -> None:
    _left, right = wire
    with right.run("packet_counter", "-i", "right0", "--interval", PATIENCE):
        done = right.call("packet_counter", "-i", "right0")
    assert done.returncode == 1
    assert "has an XDP program already" in done.stderr


# Of programs run on packets made here: in the kernel, and in the VM without privileges


@pytest.fixture(params=[pytest.param("kernel", marks=pytest.mark.kernel), "vm"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


FRAMES = {
    ("UDP", "192.0.2.1:40000", "192.0.2.2:9"): packets.udp(payload=b"some"),
    ("TCP", "[fd00::1]:443", "[fd00::2]:50000"): packets.tcp("fd00::1", "fd00::2", 443, 50000, vlan=[7, 8]),
    ("UDP", "10.0.0.1:53", "10.0.0.2:9"): packets.udp("10.0.0.1", "10.0.0.2", 53, vlan=7),
    ("ICMPv6", "fd00::1", "fd00::2"): packets.icmp("fd00::1", "fd00::2"),
    ("UDP", "192.0.2.9:1", "192.0.2.2:2"): packets.ethernet(
        packets.ipv4(bytes([0, 1, 0, 2, 0, 8, 0, 0]), "192.0.2.9", options=bytes(8))
    ),
    ("UDP", "192.0.2.8:0", "192.0.2.2:0"): packets.ethernet(packets.ipv4(bytes(8), "192.0.2.8", fragment=100)),
    ("UDP", "[fd00::7]:1", "[fd00::2]:2"): packets.ethernet(packets.ipv6(
        bytes([44, 0]) + bytes(6) + bytes([17, 0, 0, 1]) + bytes(4) + bytes([0, 1, 0, 2, 0, 8, 0, 0]),
        "fd00::7", "fd00::2", 60,
    )),
    ("TCP", "[fd00::6]:0", "[fd00::2]:0"): packets.ethernet(
        packets.ipv6(bytes([6, 0, 0, 9]) + bytes(20), "fd00::6", "fd00::2", 44)
    ),
    ("TCP", "192.0.2.6:1", "192.0.2.2:2"): packets.tcp("192.0.2.6", sport=1, dport=2, vlan=[0, 1, 2]),
    ("VLAN (too deep)", "", ""): packets.udp("192.0.2.7", vlan=[1, 2, 3, 4, 5]),
    ("GRE", "192.0.2.1", "192.0.2.2"): packets.ethernet(packets.ipv4(bytes(8), proto=47)),
    ("ARP", "", ""): packets.ethernet(bytes(28), 0x0806),
    ("UDP (truncated)", "192.0.2.5", "192.0.2.2"): packets.udp("192.0.2.5")[: 14 + 20 + 3],
    ("IEEE 802.3", "", ""): packets.ethernet(b"", 0x0101),
}  # fmt: skip
"""VLAN tags, options, extension headers, fragments, cut-off headers."""


def test_all_kinds_of_packets(backend: str) -> None:
    with ExitStack() as stack:
        stack.enter_context(vm.backend(backend))
        counters = Counters(stack, 1000)
        program = stack.enter_context(XdpProgram(counters.xdp(XDP_DROP)))
        for number, frame in enumerate(FRAMES.values(), 1):
            assert program.test_run(frame, repeat=number).retval == XDP_DROP
        standing = counters.read()
    shown = {}
    for key, count in standing.flows.items():
        flow = flows.Flow.from_buffer_copy(key)
        name = (flows.protocol(flow), *(flows.end(flow, *end) for end in (
            (flow.source, flow.ports.source), (flow.destination, flow.ports.destination))))  # fmt: skip
        shown[name] = count
    assert shown == {name: Count(n, n * len(frame)) for n, (name, frame) in enumerate(FRAMES.items(), 1)}
    assert standing.total == Count(*map(sum, zip(*shown.values(), strict=True)))


def test_counts_stay_right_when_flows_are_forgotten(backend: str) -> None:
    """Many more flows than there is room for: the total is exact, and all of it is some flow's, or told."""
    with ExitStack() as stack:
        stack.enter_context(vm.backend(backend))
        counters = Counters(stack, 32)
        program = stack.enter_context(SocketFilter(counters.skb(0))).prog
        for turn in range(1, 6):
            for port in range(200):
                program.test_run(packets.udp(sport=1000 + port), repeat=2)
            program.test_run(packets.udp(sport=1), repeat=3)
            standing = counters.read()
            attributed = Count(*map(sum, zip(*standing.flows.values(), strict=True)))
            assert standing.total.packets == turn * 403
            assert len(standing.flows) <= 64
            by_port = {flows.Flow.from_buffer_copy(key).ports.source: count for key, count in standing.flows.items()}
            assert by_port[1].packets == 3 * turn, "it was forgotten and came back, and goes on"
        assert 0 < standing.unattributed.packets <= standing.total.packets - attributed.packets


def pcap(frames: list[bytes]) -> bytes:
    """A capture of a packet a second."""
    records = (struct.pack("=IIII", 1000 + at, 0, len(each), len(each)) + each for at, each in enumerate(frames))
    return struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1) + b"".join(records)


def test_a_capture(tmp_path: Path) -> None:
    """As nobody would need to be root for."""
    file = tmp_path / "some.pcap"
    file.write_bytes(pcap([*FRAMES.values(), *FRAMES.values()]))
    done = subprocess.run(
        command("packet_counter", "--pcap", file, "--json"), capture_output=True, text=True, timeout=PATIENCE,
        env={**os.environ, "PY2BPF_BACKEND": "kernel"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["hook"], report["interface"], report["n_flows"]) == ("vm", str(file), len(FRAMES))
    assert report["total"]["packets"] == 2 * len(FRAMES)
    assert report["total"]["bytes"] == 2 * sum(map(len, FRAMES.values()))
    assert report["seconds"] == 2 * len(FRAMES) - 1
    assert by_flow(report)["UDP", "192.0.2.1", 40000, "192.0.2.2", 9] == (2, 2 * len(packets.udp(payload=b"some")))


def test_a_capture_of_parts_that_ends_early(tmp_path: Path) -> None:
    """What is there is counted and told, and what is missing too."""
    frame, file = packets.udp(payload=b"some"), tmp_path / "cut.pcap"
    whole = pcap([frame, frame[:20]])
    file.write_bytes(whole[:-24] + struct.pack("=I", len(frame)) + whole[-20:] + whole[24:60])
    done = subprocess.run(
        command("packet_counter", "--pcap", file, "--json"), capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["total"]["packets"] == 2 and report["total"]["bytes"] == len(frame) + 20
    assert [row["protocol"] for row in report["flows"]] == ["UDP", "IPv4 (truncated)"]
    assert "1 packets were captured in part only" in done.stderr
    assert "ends within a record, after 2 whole packets" in done.stderr and "Traceback" not in done.stderr


def test_no_capture(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no capture")
    done = subprocess.run(
        command("packet_counter", "--pcap", tmp_path / "text"), capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 1
    assert "is no capture" in done.stderr and "Traceback" not in done.stderr
