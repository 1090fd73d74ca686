"""Reads events with BCC's callbacks, see peer_drain.py; the programs are BCC's own.

BCC needs the headers of any kernel: BCC_KERNEL_SOURCE names their folder if those of the running kernel aren't
installed.
"""

from __future__ import annotations

from typing import Any

from bcc import BPF
from peer_drain import PeerDrain, Totals, lookup_totals

PAGES = 16384
TEXT = """
struct event { u64 number, value, time, zero; };
struct large { u64 number, value, time, zero; u8 more[224]; };
struct totals { u64 made, lost; };
BPF_RINGBUF_OUTPUT(small_ring, %(pages)d);
BPF_RINGBUF_OUTPUT(large_ring, %(pages)d);
BPF_PERF_OUTPUT(small_perf);
BPF_PERF_OUTPUT(large_perf);
BPF_ARRAY(totals, struct totals, 1);
"""
RING = """
int %(program)s(struct xdp_md *ctx)
{
    int zero = 0;
    struct totals *t = totals.lookup(&zero);
    if (!t)
        return XDP_PASS;
    u64 number = t->made++;
    struct %(type)s *event = %(map)s.ringbuf_reserve(sizeof(struct %(type)s));
    if (!event) {
        t->lost++;
        return XDP_PASS;
    }
    event->number = number;
    event->value = number & 255;
    event->time = event->zero = 0;
    %(map)s.ringbuf_submit(event, BPF_RB_NO_WAKEUP);
    return XDP_PASS;
}
"""
PERF = """
int %(program)s(struct xdp_md *ctx)
{
    int zero = 0;
    struct totals *t = totals.lookup(&zero);
    if (!t)
        return XDP_PASS;
    struct %(type)s event = {};
    event.number = t->made++;
    event.value = event.number & 255;
    if (%(map)s.perf_submit(ctx, &event, sizeof(event)))
        t->lost++;
    return XDP_PASS;
}
"""
PROGRAMS = {
    "ring32": (RING, "event", "small_ring"),
    "ring256": (RING, "large", "large_ring"),
    "perf32": (PERF, "event", "small_perf"),
    "perf256": (PERF, "large", "large_perf"),
}


class BccDrain(PeerDrain):
    """Events are read as BCC's documentation does it: ``b["map"].event(data)``."""

    def __init__(self) -> None:
        super().__init__()
        parts = [text % {"program": name, "type": type_name, "map": table}
                 for name, (text, type_name, table) in PROGRAMS.items()]  # fmt: skip
        self._bpf = BPF(text=TEXT % {"pages": PAGES} + "".join(parts))
        for text, _, name in PROGRAMS.values():
            table = self._bpf[name]
            if text is RING:
                table.open_ring_buffer(self._callback(table))
            else:
                table.open_perf_buffer(self._callback(table), page_cnt=PAGES)

    def _callback(self, table: Any) -> Any:
        def on_event(_: Any, data: Any, size: int) -> int:
            self.events += 1
            self.sum += table.event(data).value
            return 0  # BCC catches a TypeError for each event otherwise

        return on_event

    def program(self, name: str) -> int:
        fd: int = self._bpf.load_func(name, BPF.XDP).fd
        return fd

    def totals(self) -> Totals:
        return lookup_totals(self._bpf["totals"].map_fd)

    def take(self, program: str) -> None:
        if program.startswith("ring"):
            self._bpf.ring_buffer_consume()
        else:
            self._bpf.perf_buffer_poll(0)


if __name__ == "__main__":
    BccDrain().serve()
