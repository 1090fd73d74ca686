"""Counts packets and bytes of TCP, UDP and SCTP flows, IPv4 and IPv6, and shows the largest.

A flow is one direction of a connection, of the outermost packet where there are tunnels. Fragments behind the first
have no ports: they are left out. Packets that can't be parsed are rows of their own, which say why. Bytes
are those from the network header on. A packet on the loopback interface passes twice, out and in.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any

from py2bpf.datastructures import LruHashMap
from py2bpf.examples import common, endings, flows, packets
from py2bpf.examples.flows import Flow
from py2bpf.examples.packets import Traffic


def counter(counts: LruHashMap, direction: str = "both") -> Any:
    """A socket filter that counts in ``counts``: Flow to Traffic."""

    def count(skb: Any) -> int:
        if packets.skips(skb, direction):
            return 0
        flow = Flow()
        if flows.find(flow, skb) or flow.problem:
            packets.add(counts.get(flow) or counts.setdefault(flow, Traffic()), skb.len)
        return 0

    return count


def account(counts: LruHashMap) -> str:
    """The final account of the packets; a full map forgets flows."""
    found = [traffic.packets for traffic in counts.values()]
    most = counts.map_spec.max_entries
    return f"{sum(found)} packets counted, of the {len(found)} flows that are kept (at most {most})"


def main() -> None:
    parser = common.parser("flow_counter", __doc__)
    packets.add_options(parser)
    parser.add_argument("--interval", type=common.positive, default=1.0, metavar="SECONDS", help="default: %(default)s")
    parser.add_argument("--top", type=common.whole, default=20, metavar="N", help="default: %(default)s")
    parser.add_argument("--flows", type=common.whole, default=65536, metavar="N",
                        help="flows to keep, the longest unseen goes first (default: %(default)s)")  # fmt: skip
    options = parser.parse_args()
    with ExitStack() as stack:
        counts = stack.enter_context(LruHashMap(Flow, Traffic, options.flows))
        gone = packets.watch(stack, counter(counts, options.direction), options.interface)
        stack.enter_context(endings.accounted(lambda: account(counts)))
        columns = {"time": 8, "protocol": 8, "source": 32, "destination": 32, "packets": -10, "bytes": -14}
        printer = common.Printer(options.json, columns)
        what = f"Counting flows of {options.interface or 'all interfaces'}."
        for _ in common.ticks(options.duration, options.interval, what, gone):
            for flow, traffic in sorted(counts.items(), key=lambda item: -item[1].bytes)[: options.top]:
                printer.show(
                    time=time.strftime("%H:%M:%S"), protocol=flows.protocol(flow),
                    source=flows.end(flow, flow.source, flow.ports.source),
                    destination=flows.end(flow, flow.destination, flow.ports.destination),
                    packets=traffic.packets, bytes=traffic.bytes,
                )  # fmt: skip


if __name__ == "__main__":
    endings.run(main)
