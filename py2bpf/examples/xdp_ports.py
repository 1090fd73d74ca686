"""Counts packets by the port that they arrive for, and drops those for the given ports, by XDP.

PORT is like 9 (TCP and UDP), tcp/23 or udp/53. XDP sees packets before the kernel makes anything of them, so dropping
them costs little. A device has one XDP program: nobody's is replaced. The program is taken away at the end.
"""

from __future__ import annotations

import argparse
import socket
import time
from contextlib import ExitStack
from ctypes import c_uint32, c_uint64, sizeof
from typing import Annotated, Any, Final

from py2bpf import Struct
from py2bpf.datastructures import HashMap
from py2bpf.examples import common, flows, packets
from py2bpf.xdp import XDP_DROP, XDP_PASS, XdpMode, XdpProgram

PROTOCOLS: Final = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}
LATER_FRAGMENT: Final = 0x1FFF
"""The bits of an IPv4 header's fragment offset: a fragment that has one begins with no ports."""


class Traffic(Struct):
    packets: Annotated[int, c_uint64]
    bytes: Annotated[int, c_uint64]


def service(ctx: Any) -> Any:
    """In a program: protocol << 16 | port that the packet is for; 0 for what has no ports."""
    ethernet = ctx.packet(flows.Ethernet)
    if ethernet is None:
        return 0
    protocol, offset = 0, sizeof(flows.Ethernet)
    if ethernet.type == packets.ETH_P_IP:
        v4 = ctx.packet(flows.Ipv4, offset)
        if v4 and not v4.fragment & LATER_FRAGMENT:
            protocol, offset = v4.protocol, offset + 4 * v4.words
    elif ethernet.type == packets.ETH_P_IPV6:
        v6 = ctx.packet(flows.Ipv6, offset)
        if v6:
            protocol, offset = v6.next_header, offset + sizeof(flows.Ipv6)
    if protocol not in PROTOCOLS.values():
        return 0
    ports = ctx.packet(flows.Ports, offset)
    return protocol << 16 | ports.destination if ports else 0


def filter_ports(dropped: HashMap, passed: HashMap) -> Any:
    """An XDP program that drops packets for what ``dropped`` has, and counts them there, others in ``passed``."""

    def decide(ctx: Any) -> Any:
        key = service(ctx)
        if not key:
            return XDP_PASS
        closed = dropped.get(key)
        traffic = closed or passed.get(key) or passed.setdefault(key, Traffic())
        if traffic:
            traffic.packets += 1
            traffic.bytes += ctx.data_end - ctx.data
        return XDP_DROP if closed else XDP_PASS

    return decide


def services(text: str) -> list[int]:
    """A PORT: the keys of ``filter_ports``."""
    name, slash, number = text.lower().rpartition("/")
    if slash and name not in PROTOCOLS:
        raise argparse.ArgumentTypeError(f"{text!r} is not like 9, tcp/23 or udp/53")
    if not number.isdecimal() or not 0 < int(number) < 1 << 16:
        raise argparse.ArgumentTypeError(f"{number!r} is no port: they are 1 to 65535")
    return [PROTOCOLS[each] << 16 | int(number) for each in ([name] if slash else PROTOCOLS)]


def main() -> None:
    parser = common.parser("xdp_ports", __doc__)
    parser.add_argument("drop", nargs="*", type=services, metavar="PORT", help="a port whose packets to drop")
    parser.add_argument("-i", "--interface", metavar="NAME", help="default: the default route's")
    parser.add_argument("--mode", choices=[str(mode) for mode in XdpMode], help="default: native if possible")
    parser.add_argument("--interval", type=common.positive, default=1.0, metavar="SECONDS", help="default: %(default)s")
    options = parser.parse_args()
    keys = sorted({key for each in options.drop for key in each})
    with ExitStack() as stack:
        dropped = stack.enter_context(HashMap(c_uint32, Traffic, len(keys) or 1))
        passed = stack.enter_context(HashMap(c_uint32, Traffic, 1 << 16))
        dropped.update({key: Traffic() for key in keys})
        program = stack.enter_context(XdpProgram(filter_ports(dropped, passed)))
        program.attach(options.interface, options.mode)
        printer = common.Printer(
            options.json, {"time": 8, "protocol": 8, "port": -5, "packets": -12, "bytes": -14, "verdict": 7}
        )
        what = f"Counting packets by port, and dropping those for {len(keys)} of them."
        for _ in common.ticks(options.duration, options.interval, what):
            for verdict, counted in (("dropped", dropped), ("passed", passed)):
                for key, traffic in sorted(counted.items(), key=lambda row: -row[1].packets):
                    printer.show(
                        time=time.strftime("%H:%M:%S"), protocol=packets.ip_protocol(key >> 16), port=key & 0xFFFF,
                        packets=traffic.packets, bytes=traffic.bytes, verdict=verdict,
                    )  # fmt: skip


if __name__ == "__main__":
    common.run(main)
