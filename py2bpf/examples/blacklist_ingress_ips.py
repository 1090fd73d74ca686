"""Drops packets that arrive from the given addresses and networks, and counts them.

ADDRESS is like 192.0.2.7, 10.0.0.0/8, 2001:db8::1 or 2001:db8::/32; a FILE has one a line, # begins a comment.
The filter is taken away at the end. With --keep it stays after the tool has ended, until --clear.
"""

from __future__ import annotations

import ipaddress
import socket
from contextlib import ExitStack
from ctypes import Structure, c_uint8, c_uint64
from pathlib import Path
from typing import Any

from py2bpf import funcs, tc
from py2bpf.datastructures import LpmTrieMap
from py2bpf.examples import common, packets

IPV4, IPV6 = socket.htons(packets.ETH_P_IP), socket.htons(packets.ETH_P_IPV6)

Ipv4 = c_uint8 * 4
Ipv6 = c_uint8 * 16
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Dropped(Structure):
    _fields_ = (("packets", c_uint64), ("bytes", c_uint64))


def blacklist(v4: LpmTrieMap, v6: LpmTrieMap) -> Any:
    """A filter that matches packets from the networks in the maps, and counts there."""

    def from_one_of(skb: Any, networks: LpmTrieMap, source: Any, offset: int) -> bool:
        if funcs.skb_load_bytes_relative(skb, offset, source, packets.NETWORK_HEADER):
            return False
        entry = networks.get(source)
        if not entry:
            return False
        entry.packets += 1
        entry.bytes += skb.len
        return True

    def blacklisted(skb: Any) -> bool:
        if skb.protocol == IPV4:
            return from_one_of(skb, v4, Ipv4(), 12)
        if skb.protocol == IPV6:
            return from_one_of(skb, v6, Ipv6(), 8)
        return False

    return blacklisted


def network(text: str) -> Network:
    """An ADDRESS. Raises ValueError."""
    return ipaddress.ip_network(text, strict=True)


def read_file(path: str) -> list[Network]:
    """The ADDRESSes in a file. Raises OSError, and ValueError that names the line."""
    found = []
    for number, line in enumerate(Path(path).read_text().splitlines(), 1):
        if entry := line.partition("#")[0].strip():
            try:
                found.append(network(entry))
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from None
    return found


def main() -> None:
    parser = common.parser("blacklist_ingress_ips", __doc__)
    parser.add_argument("address", nargs="*", type=network, help="an address or network whose packets to drop")
    parser.add_argument("-f", "--file", help="read more addresses from this file")
    parser.add_argument("-i", "--interface", metavar="NAME", help="default: the default route's")
    parser.add_argument("--keep", action="store_true", help="let the filter stay, and end at once")
    parser.add_argument("--clear", action="store_true", help="remove py2bpf's filters from the interface, and end")
    options = parser.parse_args()
    if options.clear:
        print(f"{tc.clear_ingress_filter(options.interface)} filters removed")
        return
    try:
        networks = options.address + (read_file(options.file) if options.file else [])
    except ValueError as error:
        parser.error(str(error))
    if not networks:
        parser.error("give the addresses to drop packets from, or --clear")
    with ExitStack() as stack:
        v4, v6 = (stack.enter_context(LpmTrieMap(kind, Dropped, len(networks))) for kind in (Ipv4, Ipv6))
        for each in networks:
            (v4 if each.version == 4 else v6)[each] = Dropped()
        filter = stack.enter_context(tc.IngressFilter(blacklist(v4, v6)))
        filter.install(options.interface)
        if options.keep:
            return
        stack.callback(filter.remove, options.interface)
        for _ in common.ticks(options.duration, 60, f"Dropping packets from {len(networks)} networks."):
            pass
        printer = common.Printer(options.json, {"network": 44, "packets": -12, "bytes": -14})
        for each, dropped in [*v4.items(), *v6.items()]:
            printer.show(network=str(each), packets=dropped.packets, bytes=dropped.bytes)


if __name__ == "__main__":
    common.run(main)
