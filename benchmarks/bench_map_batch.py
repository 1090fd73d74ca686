"""Measures how fast a large hash map is filled and read, next to libbpf's batch calls in C and other Python packages.

    python benchmarks/bench_map_batch.py [--entries N] [--rounds N] [--json FILE] [--plot FILE] [--quick]

A map of u32 to u64, a million entries unless told otherwise; it is made anew for every filling, outside of the measured
time. The C program (c/map_batch.c, needs libbpf-dev) uses one system call for all entries, into buffers that it has
already touched, and reads the same map as we do, since a map's place in memory makes more difference than its reader.
BCC and pylibbpf take part, with maps of their own, if this Python, the one that PEER_PYTHON names, or the system's can
import them. Nobody waits or uses a second thread, so the benchmark measures processor time, which a busy machine
disturbs less. Rounds are interleaved, and everything that was read is checked. Needs root.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from ctypes import c_uint32, c_uint64
from pathlib import Path
from typing import Any

import numpy
from children import Child, first_that_works
from harness import Results, arguments, pin, report
from peers import Clang, PeerMissingError, gcc

from py2bpf.datastructures import HashMap, PerCpuHashMap

HERE = Path(__file__).resolve().parent
PYTHONS = (sys.executable, *filter(None, [os.environ.get("PEER_PYTHON")]), "/usr/bin/python3")
C = "C, libbpf"


class TimingChild(Child):
    """A process that executes commands from its stdin, and prints the nanoseconds of each."""

    def ms(self, command: str) -> float:
        return int(self.ask(command)) / 1e6


def find_c(entries: int) -> TimingChild | None:
    try:
        peer = TimingChild([str(gcc("map_batch.c", "-lbpf")), str(entries)])
        peer.ms("fill")
    except (PeerMissingError, ValueError) as missing:  # the latter for an answer that isn't one
        print(f"without the C program (apt-get install gcc libbpf-dev): {missing}")
        return None
    return peer


def find_python(name: str, entries: int, *more: str) -> TimingChild | None:
    """Another package, under the first Python that can run it, or None after saying why there is none."""
    script = [str(HERE / "map_peers.py"), name, str(entries), *more]
    return first_that_works(
        name, PYTHONS, lambda python: TimingChild([python, *script], greets=True),
        lambda peer: (peer.ms("fill"), peer.ms("read")),
    )  # fmt: skip


def find_pylibbpf(entries: int) -> TimingChild | None:
    try:
        return find_python("pylibbpf", entries, str(Clang().compile("map_batch")))
    except PeerMissingError as missing:
        print(f"without pylibbpf: {missing}")
        return None


class Ours:
    """Our side: ms for filling and reading, each checked."""

    def __init__(self, entries: int) -> None:
        self.entries = entries
        self.numbers = {i: 3 * i for i in range(entries)}
        self.columns = numpy.arange(entries, dtype="u4"), numpy.arange(entries, dtype="u8") * 3
        self.full = HashMap(c_uint32, c_uint64, entries)
        self.full.update(*self.columns)

    def fill(self, how: Callable[[Any], None]) -> float:
        with HashMap(c_uint32, c_uint64, self.entries) as m:
            begin = time.thread_time()
            how(m)
            took = time.thread_time() - begin
            if len(m) != self.entries:
                sys.exit(f"{len(m)} entries were stored")
        return took * 1e3

    def read(self, how: Callable[[Any], Any], check: Callable[[Any], bool]) -> float:
        begin = time.thread_time()
        found = how(self.full)
        took = time.thread_time() - begin
        if not check(found):
            sys.exit("wrong entries were read")
        return took * 1e3

    def right_arrays(self, found: Any) -> bool:
        keys, values = found
        return len(keys) == self.entries and bool((values == keys.astype("u8") * 3).all())

    def right_items(self, found: Any) -> bool:
        return len(found) == self.entries and sum(value for _, value in found) == 3 * sum(range(self.entries))


def map_id(m: HashMap) -> int:
    """The number by which other processes find the map."""
    info = dict(line.split(":") for line in Path(f"/proc/self/fdinfo/{m.fd}").read_text().splitlines())
    return int(info["map_id"])


def fillers(ours: Ours, children: dict[str, TimingChild]) -> dict[str, Callable[[], float]]:
    return {
        **{name: lambda child=child: child.ms("fill") for name, child in children.items() if name == C},
        "py2bpf, update(keys, values)": lambda: ours.fill(lambda m: m.update(*ours.columns)),
        "py2bpf, update(dict)": lambda: ours.fill(lambda m: m.update(ours.numbers)),
        **{name: lambda child=child: child.ms("fill") for name, child in children.items() if name != C},
    }


def readers(ours: Ours, children: dict[str, TimingChild]) -> dict[str, Callable[[], float]]:
    number = map_id(ours.full)
    return {
        **{name: lambda child=child: child.ms(f"read {number}") for name, child in children.items() if name == C},
        "py2bpf, arrays()": lambda: ours.read(lambda m: m.arrays(), ours.right_arrays),
        "py2bpf, list(items())": lambda: ours.read(lambda m: list(m.items()), ours.right_items),
        **{name: lambda child=child: child.ms("read") for name, child in children.items() if name != C},
    }


def summers(stack: ExitStack, entries: int) -> dict[str, Callable[[], float]]:
    """Sums over all CPUs, in C and by numpy."""
    m = stack.enter_context(PerCpuHashMap(c_uint32, c_uint64, entries))
    m.update(numpy.arange(entries), numpy.arange(entries))

    def timed(how: Callable[[], Any]) -> float:
        begin = time.thread_time()
        total = how()
        took = time.thread_time() - begin
        if len(total) != entries:
            sys.exit(f"{len(total)} sums of {entries}")
        return took * 1e3

    return {
        "py2bpf, sum_arrays()": lambda: timed(lambda: m.sum_arrays()[1]),
        "py2bpf, arrays() and numpy": lambda: timed(lambda: m.arrays()[1].sum(axis=1)),
        "py2bpf, list(sums())": lambda: timed(lambda: list(m.sums())),
    }


def main() -> None:
    parser = arguments("Large maps filled and read, beside C and other packages.", rounds=7, plot=True)
    parser.add_argument("--entries", type=int, default=1_000_000, help="entries of the map (default %(default)s)")
    options = parser.parse_args()
    rounds, entries = (3, 20_000) if options.quick else (options.rounds, options.entries)
    pin(options.cpu)
    results = Results(f"a hash map of {entries} entries, u32 to u64 (ratio: to the first)")
    with ExitStack() as stack:
        found = {C: find_c(entries), "BCC": find_python("bcc", entries), "pylibbpf": find_pylibbpf(entries)}
        children = {name: child for name, child in found.items() if child}
        for child in children.values():
            stack.callback(child.close)
        ours = Ours(entries)
        stack.enter_context(ours.full)
        results.compete("fill", "ms", fillers(ours, children), rounds)
        results.compete("read", "ms", readers(ours, children), rounds)
        results.compete("sum over all CPUs", "ms", summers(stack, entries), rounds)
    report(results, options)


if __name__ == "__main__":
    main()
