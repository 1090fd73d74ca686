"""The outputs of packet_counter: a live table, lines of text, lines of JSON, and metrics for Prometheus."""

from __future__ import annotations

import argparse
import contextlib
import heapq
import json
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from py2bpf.examples import common, endings, flows
from py2bpf.examples.flows import Flow
from py2bpf.examples.packet_rates import Report, Row, Standing

if TYPE_CHECKING:
    from prometheus_client.core import Metric
    from rich.table import Table

LOOPBACK: Final = "127.0.0.1"
_UNITS: Final = ("", "k", "M", "G", "T")


class Source(NamedTuple):
    """Whose packets are counted, and where they are seen."""

    interface: str
    hook: str


class Output(Protocol):
    """Shows reports, one after another."""

    def show(self, report: Report) -> None: ...


def scaled(number: float) -> str:
    """Three digits and a unit: ``12.3 M``."""
    for unit in _UNITS[:-1]:
        if abs(number) < 999.5:
            return f"{number:.3g} {unit}".rstrip()
        number /= 1000
    return f"{number:,.3g} {_UNITS[-1]}"


def ends(key: bytes) -> tuple[Flow, str, str, str]:
    """A flow, its protocol, source and destination in words."""
    flow = Flow.from_buffer_copy(key)
    source, destination = flow.ports.source, flow.ports.destination
    return (flow, flows.protocol(flow), flows.end(flow, flow.source, source),
            flows.end(flow, flow.destination, destination))  # fmt: skip


# JSON


def as_json(report: Report, source: Source) -> dict[str, Any]:
    """A report as one object, with separate addresses and ports, and rates per second."""
    return {
        "time": round(time.time(), 3), **source._asdict(), "seconds": round(report.seconds, 6),
        "total": _numbers(report.total),
        "flows": [{**fields(key), **_numbers(row)} for key, row in report.top],
        "other": _numbers(report.other),
        "n_flows": report.n_flows, "unattributed": report.unattributed._asdict(), "missed": report.missed,
    }  # fmt: skip


def fields(key: bytes) -> dict[str, Any]:
    """A flow's fields for JSON. Ports are None if the protocol has none."""
    flow, protocol, *_ = ends(key)
    ports = flows.has_ports(flow)
    return {
        "protocol": protocol,
        "source": flows.address(flow, flow.source), "source_port": flow.ports.source if ports else None,
        "destination": flows.address(flow, flow.destination),
        "destination_port": flow.ports.destination if ports else None,
    }  # fmt: skip


def _numbers(row: Row) -> dict[str, float]:
    return {name: round(number, 3) for name, number in row._asdict().items()}


class JsonLines:
    """One object a line."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def show(self, report: Report) -> None:
        print(json.dumps(as_json(report, self._source)), flush=True)


# Text


class Lines:
    """A table below the other, for files, pipes and machines without rich."""

    def __init__(self) -> None:
        columns = {"time": 8, "protocol": 8, "source": 28, "destination": 28, "pps": -8, "Bps": -8,
                   "packets": -12, "bytes": -14}  # fmt: skip
        self._printer = common.Printer(False, columns)

    def show(self, report: Report) -> None:
        for key, row in report.top:
            _flow, protocol, source, destination = ends(key)
            self._row(protocol, source, destination, row)
        self._row("other", f"{max(report.n_flows - len(report.top), 0)} flows", "", report.other)
        self._row("total", "", "", report.total)
        for note in notes(report):
            print(f"         {note}", flush=True)

    def _row(self, protocol: str, source: str, destination: str, row: Row) -> None:
        self._printer.show(
            time=time.strftime("%H:%M:%S"), protocol=protocol, source=source, destination=destination,
            pps=scaled(row.packets_per_second), Bps=scaled(row.bytes_per_second), packets=row.packets, bytes=row.bytes,
        )  # fmt: skip


def notes(report: Report) -> list[str]:
    """The packets that are missing from the counts, in words."""
    packets, size = report.unattributed
    forgotten = f"{packets} packets ({size} bytes) were of flows forgotten before they were read: give more --flows"
    missed = f"{report.missed} packets were not counted"
    return [note for note, number in ((forgotten, packets), (missed, report.missed)) if number]


def table(report: Report, source: Source) -> Table:
    """A report for rich."""
    from rich.table import Table
    from rich.text import Text

    made = Table(title=Text(f"{source.interface} ({source.hook})"), caption_justify="left")
    for name in ("protocol", "source", "destination"):
        made.add_column(name, no_wrap=True)
    for name in ("packets/s", "bytes/s", "packets", "bytes"):
        made.add_column(name, justify="right", no_wrap=True)
    for key, row in report.top:
        _flow, *names = ends(key)
        made.add_row(*map(Text, names), *_cells(row))  # as they are: [fe80::1] is no markup
    made.add_section()
    made.add_row("other", f"{max(report.n_flows - len(report.top), 0)} flows", "", *_cells(report.other))
    made.add_row("total", "", "", *_cells(report.total), style="bold")
    made.caption = "\n".join(notes(report)) or None
    return made


def _cells(row: Row) -> tuple[str, ...]:
    return scaled(row.packets_per_second), scaled(row.bytes_per_second), f"{row.packets:,}", f"{row.bytes:,}"


class LiveTable:
    """A table in place, from the first report on."""

    def __init__(self, live: Any, source: Source) -> None:
        self._live, self._source = live, source

    def show(self, report: Report) -> None:
        self._live.start()
        self._live.update(table(report, self._source), refresh=True)


@contextlib.contextmanager
def output(as_json: bool, source: Source) -> Iterator[Output]:
    """The requested output, or the one that suits standard output."""
    if as_json:
        yield JsonLines(source)
        return
    live = common.live_display(auto_refresh=False)
    if live is None:
        yield Lines()
    else:
        try:
            yield LiveTable(live, source)
        finally:
            live.stop()


# Prometheus

_FLOW_LABELS: Final = ("protocol", "source", "source_port", "destination", "destination_port")


def endpoint(option: str) -> tuple[str, int]:
    """Parses an option's value: ``9100``, ``0.0.0.0:9100``, ``[::]:9100``."""
    address, _, port = option.rpartition(":")
    if not (port.isascii() and port.isdecimal() and int(port) < 1 << 16):
        raise argparse.ArgumentTypeError(f"{option} is no port, nor ADDRESS:PORT")
    return address.strip("[]") or LOOPBACK, int(port)


class Collector:
    """Reads the counts whenever Prometheus asks. Only the ``top`` largest flows have series of their own."""

    def __init__(self, read: Callable[[], Standing], source: Source, top: int) -> None:
        self._read, self._source, self._top = read, source, top

    def describe(self) -> list[Metric]:
        """Empty, so that registering reads no counts."""
        return []

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        now = self._read()
        names, own = ("device", "hook"), tuple(self._source)
        largest = heapq.nlargest(self._top, now.flows.items(), key=lambda item: item[1].bytes)
        labels = [(*own, *("" if each is None else str(each) for each in fields(key).values())) for key, _ in largest]
        for unit, text in (("packets", "Packets"), ("bytes", "Bytes of frames")):
            yield _family(CounterMetricFamily, unit, f"{text} seen.", names, [(own, getattr(now.total, unit))])
            yield _family(
                CounterMetricFamily, f"flow_{unit}", f"{text} of each of the largest flows.", (*names, *_FLOW_LABELS),
                [(label, getattr(count, unit)) for label, (_, count) in zip(labels, largest, strict=True)],
            )  # fmt: skip
            yield _family(
                CounterMetricFamily, f"unattributed_{unit}", f"{text} of flows forgotten before they were read.",
                names, [(own, getattr(now.unattributed, unit))],
            )  # fmt: skip
        yield _family(CounterMetricFamily, "missed", "Packets that were not counted.", names, [(own, now.missed)])
        yield _family(GaugeMetricFamily, "flows", "Flows that are known.", names, [(own, len(now.flows))])


def _family(
    kind: Any, name: str, text: str, labels: tuple[str, ...], samples: list[tuple[tuple[str, ...], int]]
) -> Metric:
    made: Metric = kind(f"packet_counter_{name}", text, labels=labels)
    for values, number in samples:
        made.add_metric(values, number)
    return made


@contextlib.contextmanager
def served(read: Callable[[], Standing], source: Source, top: int, where: tuple[str, int]) -> Iterator[str]:
    """Answers Prometheus in a new thread, and returns the address. Port 0 means any free port."""
    endings.needs("prometheus_client", "--prometheus")
    from prometheus_client import CollectorRegistry, start_http_server

    registry = CollectorRegistry()
    registry.register(Collector(read, source, top))
    address, port = where
    server, thread = start_http_server(port, address, registry)
    try:
        host = f"[{address}]" if ":" in address else address
        yield f"http://{host}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
