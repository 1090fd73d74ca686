"""Counts packets by the port that they arrive for, and drops those for the given ports, by XDP.

PORT is like 9 (TCP and UDP), tcp/23, udp/53 or sctp/7. XDP sees packets before the kernel makes anything of them, so
dropping them costs little. The ports are looked for behind VLAN tags, options and extension headers, and in up to two
tunnels; what passes is counted by the port of the outermost packet. A fragment behind the first has no ports and
passes: without the first it is of no use. A device has one XDP program: nobody's is replaced. The program is taken away
at the end.
"""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from ctypes import c_uint32
from typing import Any, Final

from py2bpf import net
from py2bpf.datastructures import ArrayMap, HashMap
from py2bpf.examples import common, endings, packets
from py2bpf.examples.packets import Traffic
from py2bpf.xdp import XDP_DROP, XDP_PASS, XdpMode, XdpProgram

PROTOCOLS: Final = {"tcp": net.Protocol.TCP, "udp": net.Protocol.UDP, "sctp": net.Protocol.SCTP}
BOTH: Final = ("tcp", "udp")
"""The protocols of a PORT that names none."""


def service(found: net.Dissection) -> Any:
    """In a program: protocol << 16 | destination port; 0 for packets without ports."""
    return found.protocol << 16 | found.ports.destination if found.has_ports else 0


def filter_ports(dropped: HashMap, passed: HashMap, unparsed: ArrayMap, otherwise: int) -> Any:
    """An XDP program that drops packets to the ports in ``dropped``, and counts them there, others in ``passed``.

    Packets whose headers can't be parsed are counted in ``unparsed``, by net.Problem, and get the verdict
    ``otherwise``.
    """

    def decide(ctx: Any) -> Any:
        found, size = net.dissect(ctx), ctx.data_end - ctx.data
        outermost = service(found)
        for _ in range(1 + packets.TUNNELS):
            if found.problem:
                packets.add(unparsed[found.problem], size)
                return otherwise
            closed = dropped.get(service(found))
            if closed:
                packets.add(closed, size)
                return XDP_DROP
            if not net.enter(ctx, found):
                break
        if outermost:
            packets.add(passed.get(outermost) or passed.setdefault(outermost, Traffic()), size)
        return XDP_PASS

    return decide


def services(text: str) -> list[int]:
    """Parses a PORT: gives the keys for ``filter_ports``."""
    name, slash, number = text.lower().rpartition("/")
    if slash and name not in PROTOCOLS:
        raise argparse.ArgumentTypeError(f"{text!r} is not like 9, tcp/23, udp/53 or sctp/7")
    if not number.isdecimal() or not 0 < int(number) < 1 << 16:
        raise argparse.ArgumentTypeError(f"{number!r} is no port: they are 1 to 65535")
    return [PROTOCOLS[each] << 16 | int(number) for each in ([name] if slash else BOTH)]


def main() -> None:
    parser = common.parser("xdp_ports", __doc__)
    parser.add_argument("drop", nargs="*", type=services, metavar="PORT", help="a port whose packets to drop")
    parser.add_argument("-i", "--interface", metavar="NAME", help="default: the default route's")
    parser.add_argument("--mode", choices=[str(mode) for mode in XdpMode], help="default: native if possible")
    parser.add_argument("--interval", type=common.positive, default=1.0, metavar="SECONDS", help="default: %(default)s")
    packets.add_unparsed(parser, None, "drop, if there are ports to drop")
    options = parser.parse_args()
    if options.unparsed is None:
        options.unparsed = "drop" if options.drop else "pass"
    otherwise = XDP_DROP if options.unparsed == "drop" else XDP_PASS
    keys = sorted({key for each in options.drop for key in each})
    with ExitStack() as stack:
        dropped = stack.enter_context(HashMap(c_uint32, Traffic, len(keys) or 1))
        passed = stack.enter_context(HashMap(c_uint32, Traffic, 1 << 16))
        unparsed = stack.enter_context(ArrayMap(Traffic, len(net.Problem)))
        dropped.update({key: Traffic() for key in keys})
        program = stack.enter_context(XdpProgram(filter_ports(dropped, passed, unparsed, otherwise)))
        program.attach(options.interface, options.mode)
        gone = packets.gone(program.devices[0])
        stack.enter_context(endings.accounted(
            lambda: f"{packets.in_all(dropped)} packets dropped, {packets.in_all(passed)} passed; "
                    f"{packets.in_all(unparsed)} could not be parsed"
        ))  # fmt: skip
        printer = common.Printer(
            options.json, {"time": 8, "protocol": 9, "port": -5, "packets": -12, "bytes": -14, "verdict": 7}
        )
        what = f"Counting packets by port, and dropping those for {len(keys)} of them."
        for _ in common.ticks(options.duration, options.interval, what, gone):
            now = time.strftime("%H:%M:%S")
            for verdict, counted in (("dropped", dropped), ("passed", passed)):
                for key, traffic in sorted(counted.items(), key=lambda row: -row[1].packets):
                    printer.show(
                        time=now, protocol=packets.ip_protocol(key >> 16), port=key & 0xFFFF, packets=traffic.packets,
                        bytes=traffic.bytes, verdict=verdict,
                    )  # fmt: skip
            for problem, traffic in unparsed.items():
                if traffic.packets:
                    printer.show(
                        time=now, protocol=packets.problem_name(problem), port="", packets=traffic.packets,
                        bytes=traffic.bytes, verdict="dropped" if otherwise == XDP_DROP else "passed",
                    )  # fmt: skip


if __name__ == "__main__":
    endings.run(main)
