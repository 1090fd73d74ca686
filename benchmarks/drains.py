"""What bench_ringbuf.py and bench_perfbuf.py share: the contestants, and the ways to run them."""

from __future__ import annotations

import argparse
import functools
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol, Self

from children import Child, first_that_works
from harness import Results, arguments, pin, report
from peers import BUILD, HERE, Clang, PeerMissingError, find_clang, gcc
from programs.drains import MAKERS, Writer

C: Final = "libbpf, C callback"
BCC: Final = "BCC, callback"
PYLIBBPF: Final = "pylibbpf, callback"
BATCHES: Final = "py2bpf, read_batch"
LOOP: Final = "py2bpf, for"
PYTHONS: Final = (sys.executable, "/usr/bin/python3")
AT_ONCE: Final = 50_000
TRIAL: Final = 10
MEGA: Final = 1e6


class Answer(dict[str, int]):
    """How many events were taken, the sum of their values, the nanoseconds; how many were written and lost, and the
    first one's number.
    """

    def checked(self, who: str) -> Self:
        made, lost, events = self["made"], self["lost"], self["events"]
        if made != events + lost:
            sys.exit(f"{who}: {made} events were made, {events} came, {lost} were counted as lost")
        return self

    @property
    def rate(self) -> float:
        """Millions of events a second."""
        return self["events"] / self["ns"] * 1e9 / MEGA


class Drain(Protocol):
    """A contestant."""

    def burst(self, program: str, count: int) -> Answer: ...

    def sustained(self, program: str, seconds: float, cpu: int) -> Answer: ...

    def close(self) -> None: ...


class DrainingChild(Child):
    """A contestant in a process of its own."""

    def _answered(self, *words: object) -> Answer:
        return Answer(json.loads(self.ask(*words)))

    def burst(self, program: str, count: int) -> Answer:
        return self._answered("burst", program, count)

    def sustained(self, program: str, seconds: float, cpu: int) -> Answer:
        return self._answered("sustained", program, seconds, cpu)


def take_batches(queue: Any, count: int) -> tuple[int, int]:
    """Takes all events, at least count; returns how many there were, and the sum of their values."""
    events = total = 0
    while len(batch := queue.read_batch(timeout=0)) or events < count:
        events += len(batch)
        total += int(batch["value"].sum())
    return events, total


def take_one_by_one(queue: Any, count: int) -> tuple[int, int]:
    """Takes count events, one by one; returns the same."""
    events = total = 0
    for event in queue:
        total += event.value
        events += 1
        if events == count:
            break
    return events, total


class Ours:
    """Our reader, in this process."""

    def __init__(self, take: Callable[[Any, int], tuple[int, int]]) -> None:
        self._take = take
        self._writers: dict[str, Writer] = {}

    def _writer(self, program: str) -> Writer:
        if program not in self._writers:
            self._writers[program] = MAKERS[program]()
        return self._writers[program]

    def burst(self, program: str, count: int) -> Answer:
        writer = self._writer(program)
        made, lost = writer.made, writer.queue.lost
        writer.make(count)
        begin = time.perf_counter_ns()
        events, total = self._take(writer.queue, count)
        ns = time.perf_counter_ns() - begin
        lost = writer.queue.lost - lost
        return Answer(events=events, sum=total, ns=ns, made=writer.made - made, lost=lost, first=made)

    def sustained(self, program: str, seconds: float, cpu: int) -> Answer:
        writer, stop = self._writer(program), threading.Event()
        made, lost = writer.made, writer.queue.lost

        def keep_making() -> None:
            os.sched_setaffinity(0, {cpu})
            while not stop.is_set():
                writer.make(AT_ONCE)

        thread = threading.Thread(target=keep_making)
        begin = time.perf_counter_ns()
        thread.start()
        events = total = 0
        while thread.is_alive():
            if time.perf_counter_ns() - begin > seconds * 1e9:
                stop.set()
            n, values = self._take(writer.queue, 0)
            events, total = events + n, total + values
        thread.join()
        n, values = self._take(writer.queue, 0)
        ns = time.perf_counter_ns() - begin
        lost = writer.queue.lost - lost
        return Answer(events=events + n, sum=total + values, ns=ns, made=writer.made - made, lost=lost, first=made)

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()


def try_out(peer: DrainingChild, programs: Iterable[str]) -> None:
    """Raises PeerMissingError if the contestant doesn't get a few events of each program."""
    for program in programs:
        answer = peer.burst(program, TRIAL)
        if answer["events"] != TRIAL:
            raise PeerMissingError(f"of {TRIAL} events of {program} it got {answer['events']}")


def peer_in_c(clang: Clang, programs: Iterable[str]) -> DrainingChild | None:
    """The contestant with libbpf; or None, after printing why it can't take part."""
    try:
        peer = DrainingChild([str(gcc("drain.c", "-lbpf", "-lpthread")), str(clang.compile("drain"))])
        try_out(peer, programs)
    except PeerMissingError as missing:
        print(f"without C: {missing}")
        return None
    return peer


def peer_in_python(module: str, programs: Iterable[str]) -> DrainingChild | None:
    """A peer that runs under some Python of this machine; or None, after printing why there is none."""
    script = [str(HERE / f"{module}_drain.py"), str(BUILD / "drain.o")]
    return first_that_works(
        module, PYTHONS, lambda python: DrainingChild([python, *script], greets=True),
        lambda peer: try_out(peer, programs),
    )  # fmt: skip


def contestants(kind: str, programs: Sequence[str]) -> dict[str, Drain]:
    """The contestants; all are compared with the first."""
    found: dict[str, Drain] = {}
    clang = find_clang()
    if clang and (in_c := peer_in_c(clang, programs)):
        found[C] = in_c
    found[BATCHES], found[LOOP] = Ours(take_batches), Ours(take_one_by_one)
    if peer := peer_in_python("bcc", programs):
        found[BCC] = peer
    if kind == "perf" and C in found and (peer := peer_in_python("pylibbpf", programs)):
        found[PYLIBBPF] = peer
    return found


@functools.cache
def expected_sum(first: int, count: int) -> int:
    return sum(number & 255 for number in range(first, first + count))


def measure(kind: str, title: str, counts: dict[str, int]) -> None:
    """Runs a benchmark of one kind of buffer; ``counts`` are the events of a burst, by program."""
    parser = arguments(title, rounds=7, plot=True)
    parser.add_argument("--seconds", type=float, default=2.0, help="of a sustained run (default %(default)s)")
    options = parser.parse_args()
    pin(options.cpu)
    racing = contestants(kind, list(counts))
    results = Results(f"{title} (M events/s; ratio: to the first)")
    for program, count in counts.items():
        rounds = 2 if options.quick else options.rounds
        bursts(results, racing, program, count // 20 if options.quick else count, rounds)
    others = sorted(os.sched_getaffinity(os.getppid()) - os.sched_getaffinity(0))
    if others:
        racing.pop(LOOP).close()  # would lose most of them, and says nothing new
        for program in counts:
            sustain(results, racing, program, options, others[0])
    for drain in racing.values():
        drain.close()
    report(results, options)


def bursts(results: Results, racing: dict[str, Drain], program: str, count: int, rounds: int) -> None:
    def once(who: str) -> float:
        answer = racing[who].burst(program, count).checked(who)
        if answer["events"] != count or answer["sum"] != expected_sum(answer["first"], count):
            sys.exit(f"{who}, {program}: {answer} of {count} events")
        return answer.rate

    results.compete(f"burst, {program}", "M/s", {who: lambda who=who: once(who) for who in racing}, rounds)


def sustain(results: Results, racing: dict[str, Drain], program: str, options: argparse.Namespace, cpu: int) -> None:
    """One processor writes as fast as it can, this one reads. Returns the rate of the events that came, and the share
    of the lost ones.
    """
    seconds, rounds = (0.2, 1) if options.quick else (options.seconds, max(options.rounds // 2, 1))
    lost: dict[str, list[float]] = {who: [] for who in racing}

    def once(who: str) -> float:
        answer = racing[who].sustained(program, seconds, cpu).checked(who)
        lost[who].append(100 * answer["lost"] / max(answer["made"], 1))
        return answer.rate

    results.compete(f"sustained, {program}", "M/s", {who: lambda who=who: once(who) for who in racing}, rounds)
    shares = {who: iter(found) for who, found in lost.items()}
    results.compete(f"sustained, {program}, lost", "%", {who: lambda who=who: next(shares[who]) for who in racing},
                    rounds)
