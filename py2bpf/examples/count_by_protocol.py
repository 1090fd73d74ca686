"""Counts packets by protocol, as they pass an interface.

A packet on the loopback interface passes twice, out and in.
"""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from ctypes import c_uint32, c_uint64
from typing import Any

from py2bpf import funcs
from py2bpf.datastructures import HashMap, create_map
from py2bpf.examples import common, packets

IPV4, IPV6 = socket.htons(packets.ETH_P_IP), socket.htons(packets.ETH_P_IPV6)


def counter(counts: HashMap, direction: str = "both") -> Any:
    """A socket filter that counts in ``counts``: EtherType << 8 | IP protocol."""

    def count(skb: Any) -> int:
        if packets.skips(skb, direction):
            return 0
        if skb.protocol == IPV4:
            counts[packets.ETH_P_IP << 8 | funcs.load_skb_byte(skb, packets.IPV4_PROTOCOL)] += 1
        elif skb.protocol == IPV6:
            counts[packets.ETH_P_IPV6 << 8 | funcs.load_skb_byte(skb, packets.IPV6_NEXT_HEADER)] += 1
        else:
            counts[funcs.bswap16(skb.protocol) << 8] += 1
        return 0

    return count


def protocol_name(key: int) -> str:
    """What ``counter`` counts under a key."""
    versions = {packets.ETH_P_IP: "IPv4", packets.ETH_P_IPV6: "IPv6"}
    version = versions.get(key >> 8)
    return f"{version} {packets.ip_protocol(key & 0xFF)}" if version else packets.ethertype(key >> 8)


def most_first(counts: HashMap) -> list[tuple[str, int]]:
    """(protocol, packets) of all that was seen."""
    return sorted(((protocol_name(key), number) for key, number in counts.items()), key=lambda row: -row[1])


def main() -> None:
    parser = common.parser("count_by_protocol", __doc__)
    packets.add_options(parser)
    parser.add_argument("--interval", type=common.positive, default=1.0, metavar="SECONDS", help="default: %(default)s")
    options = parser.parse_args()
    with ExitStack() as stack, create_map(c_uint32, c_uint64, 4096) as counts:
        packets.watch(stack, counter(counts, options.direction), options.interface)
        printer = common.Printer(options.json, {"time": 8, "protocol": 20, "packets": -12})
        for _ in common.ticks(
            options.duration, options.interval, f"Counting packets of {options.interface or 'all interfaces'}."
        ):
            for protocol, number in most_first(counts):
                printer.show(time=time.strftime("%H:%M:%S"), protocol=protocol, packets=number)


if __name__ == "__main__":
    common.run(main)
