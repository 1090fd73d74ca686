"""Counts packets and bytes of TCP and UDP flows, IPv4 and IPv6, and shows the largest.

A flow is one direction of a connection. Fragments behind the first, and IPv6 packets with extension headers, have no
ports where they are looked for: they are left out. A packet on the loopback interface passes twice, out and in.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from contextlib import ExitStack
from ctypes import c_uint8, c_uint16, c_uint32, c_uint64
from typing import Annotated, Any

from py2bpf import Struct, funcs
from py2bpf.datastructures import LruHashMap
from py2bpf.examples import common, packets

IPV4, IPV6 = socket.htons(packets.ETH_P_IP), socket.htons(packets.ETH_P_IPV6)
PORTS = (socket.IPPROTO_TCP, socket.IPPROTO_UDP)


class Ipv4(Struct, big_endian=True):
    """RFC 791."""

    version: Annotated[int, c_uint8, 4]
    words: Annotated[int, c_uint8, 4]
    tos: Annotated[int, c_uint8]
    length: Annotated[int, c_uint16]
    id: Annotated[int, c_uint16]
    fragment: Annotated[int, c_uint16]
    ttl: Annotated[int, c_uint8]
    protocol: Annotated[int, c_uint8]
    checksum: Annotated[int, c_uint16]
    source: Annotated[Any, c_uint8 * 4]
    destination: Annotated[Any, c_uint8 * 4]


class Ipv6(Struct, big_endian=True):
    """RFC 8200."""

    version_class_label: Annotated[int, c_uint32]
    length: Annotated[int, c_uint16]
    next_header: Annotated[int, c_uint8]
    hop_limit: Annotated[int, c_uint8]
    source: Annotated[Any, c_uint8 * 16]
    destination: Annotated[Any, c_uint8 * 16]


class Ports(Struct, big_endian=True):
    source: Annotated[int, c_uint16]
    destination: Annotated[int, c_uint16]


class Flow(Struct):
    """IPv4 addresses take the first four bytes."""

    source: Annotated[Any, c_uint8 * 16]
    destination: Annotated[Any, c_uint8 * 16]
    ports: Ports
    version: Annotated[int, c_uint8]
    protocol: Annotated[int, c_uint8]
    zero: Annotated[int, c_uint16]


class Traffic(Struct):
    packets: Annotated[int, c_uint64]
    bytes: Annotated[int, c_uint64]


def counter(flows: LruHashMap, direction: str = "both") -> Any:
    """A socket filter that counts in ``flows``: Flow to Traffic."""

    def add(skb: Any, flow: Flow, ports_at: int) -> int:
        if flow.protocol in PORTS and funcs.packet_copy(skb, ports_at, flow.ports):
            traffic = flows.get(flow) or flows.setdefault(flow, Traffic())
            if traffic:
                traffic.packets += 1
                traffic.bytes += skb.len
        return 0

    def count(skb: Any) -> int:
        if packets.skips(skb, direction):
            return 0
        flow = Flow()
        if skb.protocol == IPV4:
            ip = Ipv4()
            if not funcs.packet_copy(skb, 0, ip) or ip.fragment & 0x1FFF:
                return 0
            flow.version, flow.protocol = 4, ip.protocol
            flow.source[:4], flow.destination[:4] = ip.source, ip.destination
            return add(skb, flow, 4 * ip.words)
        if skb.protocol == IPV6:
            ip6 = Ipv6()
            if not funcs.packet_copy(skb, 0, ip6):
                return 0
            flow.version, flow.protocol = 6, ip6.next_header
            flow.source, flow.destination = ip6.source, ip6.destination
            return add(skb, flow, 40)
        return 0

    return count


def end(flow: Flow, address: Any, port: int) -> str:
    """One end of a flow, in text."""
    packed = bytes(address)
    if flow.version == 4:
        return f"{ipaddress.IPv4Address(packed[:4])}:{port}"
    return f"[{ipaddress.IPv6Address(packed)}]:{port}"


def main() -> None:
    parser = common.parser("flow_counter", __doc__)
    packets.add_options(parser)
    parser.add_argument("--interval", type=common.positive, default=1.0, metavar="SECONDS", help="default: %(default)s")
    parser.add_argument("--top", type=common.whole, default=20, metavar="N", help="default: %(default)s")
    parser.add_argument("--flows", type=common.whole, default=65536, metavar="N",
                        help="flows to keep, the longest unseen goes first (default: %(default)s)")  # fmt: skip
    options = parser.parse_args()
    with ExitStack() as stack, LruHashMap(Flow, Traffic, options.flows) as flows:
        packets.watch(stack, counter(flows, options.direction), options.interface)
        columns = {"time": 8, "protocol": 8, "source": 32, "destination": 32, "packets": -10, "bytes": -14}
        printer = common.Printer(options.json, columns)
        for _ in common.ticks(
            options.duration, options.interval, f"Counting flows of {options.interface or 'all interfaces'}."
        ):
            for flow, traffic in sorted(flows.items(), key=lambda item: -item[1].bytes)[: options.top]:
                printer.show(
                    time=time.strftime("%H:%M:%S"), protocol=packets.ip_protocol(flow.protocol),
                    source=end(flow, flow.source, flow.ports.source),
                    destination=end(flow, flow.destination, flow.ports.destination),
                    packets=traffic.packets, bytes=traffic.bytes,
                )  # fmt: skip


if __name__ == "__main__":
    common.run(main)
