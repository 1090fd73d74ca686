"""Counts packets and bytes by flow at a high rate, with what each did per second: as a table, JSON, or for Prometheus.

Each CPU counts for itself, in a map that forgets the flows unseen for longest when it is full; the total is counted
beside it, so that it is exact in any case. Bytes are those of whole frames. --hook xdp sees packets as they arrive,
before anything else; tc and socket see leaving ones too, and those that the kernel has merged (GRO) or not yet split
(GSO) count as one. Packets that can't be parsed are flows of their own, which say why. With --pcap a capture is
counted in py2bpf's own virtual machine, without privileges.
"""

from __future__ import annotations

import argparse
import errno
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from ctypes import c_uint64
from typing import Annotated, Any, Final

import py2bpf
from py2bpf import funcs, tc, vm, xdp
from py2bpf.datastructures import LruPerCpuHashMap, PerCpuArrayMap
from py2bpf.examples import common, endings, flows, packet_outputs, packets
from py2bpf.examples.flows import Flow
from py2bpf.examples.packet_rates import Count, Entry, Ledger, Snapshot, Standing, report
from py2bpf.exception import KernelError
from py2bpf.pcap import Capture, CaptureError
from py2bpf.vm.batch import run_many

HOOKS: Final = ("xdp", "tc", "socket")


class Traffic(packets.Traffic):
    """``since`` is the time when the flow was entered, on the CPU that entered it; on other CPUs it is zero."""

    since: Annotated[int, c_uint64]


# In the kernel


class Counters:
    """The maps, and the programs that count in them. Any thread may read() the counts."""

    def __init__(self, stack: ExitStack, room: int) -> None:
        self.flows = stack.enter_context(LruPerCpuHashMap(Flow, Traffic, room, name="flows"))
        self.total = stack.enter_context(PerCpuArrayMap(packets.Traffic, 1, name="total"))
        self._ledger = Ledger(room)
        self._lock = threading.Lock()

    def xdp(self, verdict: int = xdp.XDP_PASS) -> Callable[[Any], int]:
        """A program for XDP that counts a packet, and returns the verdict."""

        def count(ctx: Any) -> int:
            flow = Flow()
            flows.find(flow, ctx)
            self._add(flow, ctx.data_end - ctx.data)
            return verdict

        return count

    def skb(self, verdict: int, direction: str = "both") -> Callable[[Any], int]:
        """A program for traffic control or a packet socket, which sees sk_buffs."""

        def count(skb: Any) -> int:
            if not packets.skips(skb, direction):
                flow = Flow()
                flows.find(flow, skb)
                self._add(flow, skb.len)
            return verdict

        return count

    def _add(self, flow: Flow, size: int) -> None:
        """In a program: counts in the flow first, so that a reader of the total finds all its packets in the flows."""
        traffic = self.flows.get(flow) or self.flows.setdefault(flow, Traffic(since=funcs.ktime_get_ns()))
        packets.add(traffic, size)
        packets.add(self.total[0], size)

    def read(self) -> Standing:
        """All counts until now."""
        with self._lock:
            before, entries = self._read_total(), self._read_flows()
            total, missed = self._read_total(), py2bpf.losses().total
            return self._ledger.add(Snapshot(time.monotonic(), before, entries, total, missed))

    def account(self) -> str:
        """A sentence with the final account of the packets."""
        now = self.read()
        forgotten = f", {now.unattributed.packets} of them of forgotten flows" if now.unattributed.packets else ""
        return f"{now.total.packets} packets counted{forgotten}, {now.missed} not counted"

    def _read_total(self) -> Count:
        total = self.total[0].sum()
        return Count(total.packets, total.bytes)

    def _read_flows(self) -> dict[bytes, Entry]:
        keys, values = self.flows.sum_arrays()
        raw, size = keys.tobytes(), keys.itemsize
        entries = zip(*(values[name].tolist() for name in ("since", "packets", "bytes")), strict=True)
        return dict(zip([raw[at : at + size] for at in range(0, len(raw), size)], entries, strict=True))


def attach(stack: ExitStack, counters: Counters, options: argparse.Namespace) -> Callable[[], str]:
    """Counts the interface's packets until the stack is closed. Returns the result of packets.gone()."""
    if options.hook == "socket":
        count = counters.skb(0, options.direction)
        return packets.watch(stack, count, options.interface, socket.SOCK_RAW)
    device = packets.known(options.interface)
    if options.hook == "xdp":
        attach_xdp(stack.enter_context(xdp.XdpProgram(counters.xdp())), device, options.mode)
        return packets.gone(device)
    sides = {"in": (tc.IngressProgram,), "out": (tc.EgressProgram,), "both": (tc.IngressProgram, tc.EgressProgram)}
    for side in sides[options.direction]:
        program = stack.enter_context(side(counters.skb(tc.TC_ACT_UNSPEC)))
        program.install(device)
        stack.callback(program.remove)
    return packets.gone(device)


def attach_xdp(program: xdp.XdpProgram, device: str, mode: str | None) -> None:
    """Attaches in the given mode; by default in the driver, or in the network stack if the driver refuses."""
    try:
        program.attach(device, mode)
    except KernelError as error:
        if mode is not None or error.errno in (errno.EBUSY, errno.EEXIST, errno.EPERM, errno.ENODEV):
            raise
        print(f"{error}; counting in the network stack instead", file=sys.stderr)
        program.attach(device, xdp.XdpMode.GENERIC)


# Without the kernel


def count_capture(counters: Counters, path: str) -> Iterator[tuple[Standing, Standing]]:
    """Counts a capture's packets in the VM: gives the counts before the first and after the last packet.

    Raises CaptureError for a damaged capture, after counting and reporting the packets before the damage.
    """
    begin = end = 0
    damage: CaptureError | None = None
    with xdp.XdpProgram(counters.xdp()) as program, Capture(path) as capture:
        try:
            for batch in capture:
                ran = run_many(program.prog, batch.data, batch.offsets, batch.sizes, batch.times)
                if ran.fault is not None:
                    raise ran.fault
                if len(batch):
                    begin, end = begin or min(batch.times), max(end, *batch.times)
        except CaptureError as error:
            damage = error
    counted = counters.read()
    seconds = (end - begin) / 1e9
    yield Standing(), Standing(seconds, counted.total, counted.unattributed, counted.flows, counted.missed)
    if capture.n_cut:
        print(f"{capture.n_cut} packets were captured in part only: their bytes are those in the file", file=sys.stderr)
    if damage is not None:
        raise damage


# The tool


def intervals(
    counters: Counters, options: argparse.Namespace, gone: Callable[[], str]
) -> Iterator[tuple[Standing, Standing]]:
    """The counts at the start and the end of each interval, until the tool ends."""
    before = Standing(time.monotonic())
    place = options.interface or "all interfaces"
    for _ in common.ticks(options.duration, options.interval, f"Counting packets of {place} ({options.hook}).", gone):
        now = counters.read()
        yield before, now
        before = now


def parse() -> argparse.Namespace:
    parser = common.parser("packet_counter", __doc__)
    packets.add_options(parser, direction="in")
    parser.add_argument("--hook", choices=HOOKS, default="xdp", help="where packets are seen (default: %(default)s)")
    parser.add_argument("--mode", choices=("native", "generic"), help="of XDP; default: what the device can")
    parser.add_argument("--interval", type=common.positive, default=1.0, metavar="SECONDS", help="default: %(default)s")
    parser.add_argument("--top", type=common.whole, default=20, metavar="N",
                        help="flows to show, and to tell Prometheus of (default: %(default)s)")  # fmt: skip
    parser.add_argument("--flows", type=common.whole, default=65536, metavar="N",
                        help="flows to keep, the longest unseen goes first (default: %(default)s)")  # fmt: skip
    parser.add_argument("--prometheus", type=packet_outputs.endpoint, metavar="[ADDRESS:]PORT",
                        help="serve counts to Prometheus; on 127.0.0.1 unless told")  # fmt: skip
    parser.add_argument("--pcap", metavar="FILE", help="count the packets of this pcap or pcapng file, in the VM")
    options = parser.parse_args()
    if options.pcap is None:
        if options.interface is None and options.hook != "socket":
            parser.error(f"--hook {options.hook} needs an interface: -i NAME")
        if options.hook == "xdp" and options.direction != "in":
            parser.error("XDP sees arriving packets only: use --hook tc or --hook socket")
        if options.hook != "xdp" and options.mode is not None:
            parser.error(f"--mode is one of XDP's, --hook {options.hook} has none")
    elif options.interface or options.prometheus or options.mode or (options.hook, options.direction) != ("xdp", "in"):
        parser.error("--pcap FILE stands for the packets of an interface: it goes without -i, --hook, --mode, "
                     "--direction, --prometheus")  # fmt: skip
    return options


def main() -> None:
    options = parse()
    endings.needs("numpy", "reading flows")
    with ExitStack() as stack:
        if options.pcap is not None:
            stack.enter_context(vm.backend())
        counters = Counters(stack, options.flows)
        if options.pcap is not None:
            options.interface, options.hook = options.pcap, "vm"
            pairs = count_capture(counters, options.pcap)
        else:
            gone = attach(stack, counters, options)
            pairs = intervals(counters, options, gone)
        source = packet_outputs.Source(options.interface or "all", options.hook)
        if options.prometheus is not None:
            url = stack.enter_context(packet_outputs.served(counters.read, source, options.top, options.prometheus))
            print(f"Serving {url}", file=sys.stderr)
        stack.enter_context(endings.accounted(counters.account))
        output = stack.enter_context(packet_outputs.output(options.json, source))
        for before, now in pairs:
            output.show(report(before, now, options.top))


if __name__ == "__main__":
    endings.run(main)
