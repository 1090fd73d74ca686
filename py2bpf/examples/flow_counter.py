"""Counts packets and bytes of TCP and UDP flows, IPv4 and IPv6, and shows the largest.

A flow is one direction of a connection. Fragments behind the first have no ports: they are left out. A packet on the
loopback interface passes twice, out and in.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from ctypes import c_uint64
from typing import Annotated, Any

from py2bpf import Struct, funcs
from py2bpf.datastructures import LruHashMap
from py2bpf.examples import common, flows, packets
from py2bpf.examples.flows import Flow


class Traffic(Struct):
    packets: Annotated[int, c_uint64]
    bytes: Annotated[int, c_uint64]


def counter(counts: LruHashMap, direction: str = "both") -> Any:
    """A socket filter that counts in ``counts``: Flow to Traffic."""

    def count(skb: Any) -> int:
        if packets.skips(skb, direction):
            return 0
        flow = Flow()
        if flows.find(flow, funcs.bswap16(skb.protocol), flows.loader(skb)):
            traffic = counts.get(flow) or counts.setdefault(flow, Traffic())
            if traffic:
                traffic.packets += 1
                traffic.bytes += skb.len
        return 0

    return count


def main() -> None:
    parser = common.parser("flow_counter", __doc__)
    packets.add_options(parser)
    parser.add_argument("--interval", type=common.positive, default=1.0, metavar="SECONDS", help="default: %(default)s")
    parser.add_argument("--top", type=common.whole, default=20, metavar="N", help="default: %(default)s")
    parser.add_argument("--flows", type=common.whole, default=65536, metavar="N",
                        help="flows to keep, the longest unseen goes first (default: %(default)s)")  # fmt: skip
    options = parser.parse_args()
    with ExitStack() as stack, LruHashMap(Flow, Traffic, options.flows) as counts:
        packets.watch(stack, counter(counts, options.direction), options.interface)
        columns = {"time": 8, "protocol": 8, "source": 32, "destination": 32, "packets": -10, "bytes": -14}
        printer = common.Printer(options.json, columns)
        for _ in common.ticks(
            options.duration, options.interval, f"Counting flows of {options.interface or 'all interfaces'}."
        ):
            for flow, traffic in sorted(counts.items(), key=lambda item: -item[1].bytes)[: options.top]:
                printer.show(
                    time=time.strftime("%H:%M:%S"), protocol=flows.protocol(flow),
                    source=flows.end(flow, flow.source, flow.ports.source),
                    destination=flows.end(flow, flow.destination, flow.ports.destination),
                    packets=traffic.packets, bytes=traffic.bytes,
                )  # fmt: skip


if __name__ == "__main__":
    common.run(main)
