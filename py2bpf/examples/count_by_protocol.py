"""Counts packets by protocol, as they pass an interface.

Of IP that is the transport protocol, behind all extension headers, of the outermost packet where there are tunnels.
Packets that can't be parsed are rows of their own, which say why. A packet on the loopback interface passes twice, out
and in.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from ctypes import c_uint32, c_uint64
from typing import Any

from py2bpf import net
from py2bpf.datastructures import HashMap, create_map
from py2bpf.examples import common, endings, packets


def counter(counts: HashMap, direction: str = "both") -> Any:
    """A socket filter that counts in ``counts``: net.Problem << 24 | EtherType << 8 | IP protocol."""

    def count(skb: Any) -> int:
        if packets.skips(skb, direction):
            return 0
        found = net.dissect(skb)
        counts[found.problem << 24 | found.ethertype << 8 | found.protocol] += 1
        return 0

    return count


def protocol_name(key: int) -> str:
    """The name for a key of ``counter``'s map."""
    return packets.protocol(key >> 8 & 0xFFFF, key & 0xFF, key >> 24, version=True)


def most_first(counts: HashMap) -> list[tuple[str, int]]:
    """(protocol, packets) of all protocols, the most frequent first."""
    return sorted(((protocol_name(key), number) for key, number in counts.items()), key=lambda row: -row[1])


def main() -> None:
    parser = common.parser("count_by_protocol", __doc__)
    packets.add_options(parser)
    parser.add_argument("--interval", type=common.positive, default=1.0, metavar="SECONDS", help="default: %(default)s")
    options = parser.parse_args()
    with ExitStack() as stack:
        counts = stack.enter_context(create_map(c_uint32, c_uint64, 4096))
        gone = packets.watch(stack, counter(counts, options.direction), options.interface)
        stack.enter_context(endings.accounted(lambda: f"{sum(counts.values())} packets counted, {counts.lost} not"))
        printer = common.Printer(options.json, {"time": 8, "protocol": 20, "packets": -12})
        what = f"Counting packets of {options.interface or 'all interfaces'}."
        for _ in common.ticks(options.duration, options.interval, what, gone):
            for protocol, number in most_first(counts):
                printer.show(time=time.strftime("%H:%M:%S"), protocol=protocol, packets=number)


if __name__ == "__main__":
    endings.run(main)
