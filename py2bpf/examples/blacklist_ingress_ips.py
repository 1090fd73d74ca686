"""Drops packets that arrive from the given addresses and networks, and counts them.

ADDRESS is like 192.0.2.7, 10.0.0.0/8, 2001:db8::1 or 2001:db8::/32; a FILE has one a line, # begins a comment.
The addresses are looked for behind VLAN tags, and in up to two tunnels. The filter is taken away at the end. With
--keep it stays after the tool has ended, until --clear.
"""

from __future__ import annotations

import argparse
import ipaddress
from contextlib import ExitStack
from ctypes import c_uint8
from pathlib import Path
from typing import Any

from py2bpf import net, tc
from py2bpf.datastructures import ArrayMap, LpmTrieMap
from py2bpf.examples import common, endings, packets
from py2bpf.examples.packets import Traffic

Ipv4 = c_uint8 * 4
Ipv6 = c_uint8 * 16
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def blacklist(v4: LpmTrieMap, v6: LpmTrieMap, unparsed: ArrayMap, otherwise: bool) -> Any:
    """A filter that matches packets from the networks in the maps, also in tunnels, and counts them there.

    Packets whose headers can't be parsed are counted in ``unparsed``, by net.Problem, and match if ``otherwise``.
    """

    def from_one_of(skb: Any, networks: LpmTrieMap, source: Any) -> bool:
        entry = networks.get(source) if source is not None else None
        if not entry:
            return False
        packets.add(entry, skb.len)
        return True

    def from_listed(skb: Any, found: net.Dissection) -> bool:
        if found.ethertype == net.EtherType.IPV4:
            return from_one_of(skb, v4, net.load(skb, Ipv4, found.network + net.Ipv4.source.offset))
        if found.ethertype == net.EtherType.IPV6:
            return from_one_of(skb, v6, net.load(skb, Ipv6, found.network + net.Ipv6.source.offset))
        return False

    def blacklisted(skb: Any) -> bool:
        found = net.dissect(skb)
        for _ in range(1 + packets.TUNNELS):
            if from_listed(skb, found):
                return True
            if found.problem:
                packets.add(unparsed[found.problem], skb.len)
                return otherwise
            if not net.enter(skb, found):
                return False
        return False

    return blacklisted


def network(text: str) -> Network:
    """Parses an ADDRESS. Raises ValueError."""
    return ipaddress.ip_network(text, strict=True)


def argument(text: str) -> Network:
    """Parses an ADDRESS of the command line."""
    try:
        return network(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def read_file(path: str) -> list[Network]:
    """The ADDRESSes in a file. Raises OSError, and ValueError, which names the line."""
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
    parser.add_argument("address", nargs="*", type=argument, help="an address or network whose packets to drop")
    parser.add_argument("-f", "--file", help="read more addresses from this file")
    parser.add_argument("-i", "--interface", metavar="NAME", help="default: the default route's")
    parser.add_argument("--keep", action="store_true", help="let the filter stay, and end at once")
    parser.add_argument("--clear", action="store_true", help="remove py2bpf's filters from the interface, and end")
    packets.add_unparsed(parser, "drop", "%(default)s")
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
        v4, v6 = (stack.enter_context(LpmTrieMap(kind, Traffic, len(networks))) for kind in (Ipv4, Ipv6))
        unparsed = stack.enter_context(ArrayMap(Traffic, len(net.Problem)))
        for each in networks:
            (v4 if each.version == 4 else v6)[each] = Traffic()
        filter = stack.enter_context(tc.IngressFilter(blacklist(v4, v6, unparsed, options.unparsed == "drop")))
        filter.install(options.interface)
        if options.keep:
            return
        stack.callback(filter.remove)
        stack.enter_context(endings.accounted(
            lambda: f"{packets.in_all(v4) + packets.in_all(v6)} packets dropped; "
                    f"{packets.in_all(unparsed)} could not be parsed"
        ))  # fmt: skip
        gone = packets.gone(filter.devices[0])
        for _ in common.ticks(options.duration, 60, f"Dropping packets from {len(networks)} networks.", gone):
            pass
        printer = common.Printer(options.json, {"network": 44, "packets": -12, "bytes": -14})
        for each, dropped in [*v4.items(), *v6.items()]:
            printer.show(network=str(each), packets=dropped.packets, bytes=dropped.bytes)
        for problem, dropped in unparsed.items():
            if dropped.packets and options.unparsed == "drop":
                printer.show(network=packets.problem_name(problem), packets=dropped.packets, bytes=dropped.bytes)


if __name__ == "__main__":
    endings.run(main)
