"""What packet_counter prints and serves for given reports."""

from __future__ import annotations

import argparse
import io
import ipaddress
import json
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from py2bpf.examples import flows, packet_outputs
from py2bpf.examples.packet_outputs import Source
from py2bpf.examples.packet_rates import NOTHING, Count, FlowRow, Report, Row, Standing

Extra = Callable[[str], Any]
SOURCE = Source("eth0", "xdp")


def key(source: str, destination: str, protocol: int, ports: tuple[int, int] = (0, 0)) -> bytes:
    flow = flows.Flow(protocol=protocol, ethertype=0x0800 if "." in source else 0x86DD)
    flow.ports.source, flow.ports.destination = ports
    for name, text in (("source", source), ("destination", destination)):
        number = int(ipaddress.ip_address(text))
        setattr(flow, name, (number >> 64, number & (1 << 64) - 1))
    return bytes(flow)


TCP = key("fe80::1", "2001:db8::2", 6, (443, 50000))
UDP = key("192.0.2.1", "192.0.2.2", 17, (40000, 53))
ICMP = key("192.0.2.1", "192.0.2.2", 1)
ARP = bytes(flows.Flow(ethertype=0x0806))

REPORT = Report(
    2.0,
    total=Row(1_234_600, 98_765_432_100, 600_000.0, 49e9),
    top=[FlowRow(TCP, Row(1_234_567, 98_765_000_000, 600_000.0, 48.5e9)), FlowRow(UDP, Row(20, 1200, 10.0, 600.0))],
    other=Row(13, 430_900, 1.0, 60.0),
    n_flows=4,
    unattributed=Count(7, 420),
    missed=3,
)


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    packet_outputs.JsonLines(SOURCE).show(REPORT)
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert found.pop("time") > 1.6e9
    tcp, udp = found.pop("flows")
    assert tcp == {
        "protocol": "TCP", "source": "fe80::1", "source_port": 443, "destination": "2001:db8::2",
        "destination_port": 50000, "packets": 1_234_567, "bytes": 98_765_000_000, "packets_per_second": 600_000.0,
        "bytes_per_second": 48.5e9,
    }  # fmt: skip
    assert (udp["protocol"], udp["source"], udp["source_port"]) == ("UDP", "192.0.2.1", 40000)
    assert found == {
        "interface": "eth0", "hook": "xdp", "seconds": 2.0, "n_flows": 4,
        "total": {"packets": 1_234_600, "bytes": 98_765_432_100, "packets_per_second": 600_000.0,
                  "bytes_per_second": 49e9},
        "other": {"packets": 13, "bytes": 430_900, "packets_per_second": 1.0, "bytes_per_second": 60.0},
        "unattributed": {"packets": 7, "bytes": 420}, "missed": 3,
    }  # fmt: skip


def test_flows_without_ports_or_addresses() -> None:
    icmp, arp = packet_outputs.fields(ICMP), packet_outputs.fields(ARP)
    assert (icmp["protocol"], icmp["source_port"], icmp["destination_port"]) == ("ICMP", None, None)
    assert (arp["protocol"], arp["source"], arp["destination"]) == ("ARP", "", "")
    assert packet_outputs.ends(ICMP)[1:] == ("ICMP", "192.0.2.1", "192.0.2.2")


def test_lines(capsys: pytest.CaptureFixture[str]) -> None:
    packet_outputs.Lines().show(REPORT)
    head, tcp, udp, other, total, note, missed = capsys.readouterr().out.splitlines()
    assert head.split() == ["TIME", "PROTOCOL", "SOURCE", "DESTINATION", "PPS", "BPS", "PACKETS", "BYTES"]
    assert tcp.split()[1:] == [
        "TCP", "[fe80::1]:443", "[2001:db8::2]:50000", "600", "k", "48.5", "G", "1234567", "98765000000",
    ]  # fmt: skip
    assert udp.split()[1:] == ["UDP", "192.0.2.1:40000", "192.0.2.2:53", "10", "600", "20", "1200"]
    assert other.split()[1:] == ["other", "2", "flows", "1", "60", "13", "430900"]
    assert total.split()[1] == "total" and total.split()[-2:] == ["1234600", "98765432100"]
    assert "7 packets (420 bytes)" in note and "3 packets were not counted" in missed


def test_the_table(extra: Extra) -> None:
    console = extra("rich.console").Console(record=True, width=140, file=io.StringIO())
    console.print(packet_outputs.table(REPORT, SOURCE))
    shown = console.export_text()
    rows = {tuple(cell.strip() for cell in line.split("│")[1:-1]) for line in shown.splitlines()}
    assert ("TCP", "[fe80::1]:443", "[2001:db8::2]:50000", "600 k", "48.5 G", "1,234,567", "98,765,000,000") in rows
    assert ("UDP", "192.0.2.1:40000", "192.0.2.2:53", "10", "600", "20", "1,200") in rows
    assert ("other", "2 flows", "", "1", "60", "13", "430,900") in rows
    assert ("total", "", "", "600 k", "49 G", "1,234,600", "98,765,432,100") in rows
    assert "eth0 (xdp)" in shown and "7 packets (420 bytes)" in shown and "3 packets were not counted" in shown


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (1.25, "1.25"), (999, "999"), (999.7, "1 k"), (1234, "1.23 k"), (5.6e10, "56 G"), (2e15, "2e+03 T")],
)
def test_numbers_are_scaled(number: float, text: str) -> None:
    assert packet_outputs.scaled(number) == text


KNOWN = {UDP: Count(60, 3600), ICMP: Count(8, 480), TCP: Count(30, 1800)}
STANDING = Standing(1.0, Count(100, 6000), Count(2, 120), KNOWN, 4)


def scrape(extra: Extra, standing: Standing, top: int) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """The samples by name and labels, as a server of Prometheus reads them."""
    parser = extra("prometheus_client.parser")
    with packet_outputs.served(lambda: standing, SOURCE, top, ("127.0.0.1", 0)) as url:
        with urllib.request.urlopen(url, timeout=30) as answer:
            text = answer.read().decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }


def labels(**more: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({"device": "eth0", "hook": "xdp", **more}.items()))


def test_prometheus(extra: Extra) -> None:
    udp = labels(
        protocol="UDP", source="192.0.2.1", source_port="40000", destination="192.0.2.2", destination_port="53"
    )
    tcp = labels(
        protocol="TCP", source="fe80::1", source_port="443", destination="2001:db8::2", destination_port="50000"
    )
    assert scrape(extra, STANDING, 2) == {
        ("packet_counter_packets_total", labels()): 100.0,
        ("packet_counter_bytes_total", labels()): 6000.0,
        ("packet_counter_unattributed_packets_total", labels()): 2.0,
        ("packet_counter_unattributed_bytes_total", labels()): 120.0,
        ("packet_counter_flow_packets_total", udp): 60.0,
        ("packet_counter_flow_bytes_total", udp): 3600.0,
        ("packet_counter_flow_packets_total", tcp): 30.0,
        ("packet_counter_flow_bytes_total", tcp): 1800.0,
        ("packet_counter_flows", labels()): 3.0,
        ("packet_counter_missed_total", labels()): 4.0,
    }


def test_ports_that_are_none_are_empty_labels(extra: Extra) -> None:
    found = scrape(extra, Standing(1.0, Count(8, 480), NOTHING, {ICMP: Count(8, 480)}), 2)
    icmp = labels(protocol="ICMP", source="192.0.2.1", source_port="", destination="192.0.2.2", destination_port="")
    assert found["packet_counter_flow_packets_total", icmp] == 8.0


@pytest.mark.parametrize(
    ("option", "where"),
    [("9100", ("127.0.0.1", 9100)), ("0.0.0.0:80", ("0.0.0.0", 80)), ("[::]:0", ("::", 0)), (":9", ("127.0.0.1", 9))],
)
def test_where_to_serve(option: str, where: tuple[str, int]) -> None:
    assert packet_outputs.endpoint(option) == where


@pytest.mark.parametrize("option", ["", "here", "1.2.3.4:", "65536", "-1", "²"])
def test_where_nobody_can_serve(option: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="no port"):
        packet_outputs.endpoint(option)


def test_what_a_terminal_gets(monkeypatch: pytest.MonkeyPatch, extra: Extra) -> None:
    rich = extra("rich.live")
    updates: list[Any] = []
    monkeypatch.setattr(rich.Live, "update", lambda self, shown, refresh: updates.append((str(shown.title), refresh)))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    with packet_outputs.output(False, SOURCE) as output:
        output.show(REPORT)
    assert updates == [("eth0 (xdp)", True)]
