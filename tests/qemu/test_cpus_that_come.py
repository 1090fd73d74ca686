"""Queues on CPUs that come online late, or go and come back: in a guest that has a second CPU."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from ctypes import Structure, c_uint32
from pathlib import Path
from typing import Any

import pytest

import py2bpf
from py2bpf import funcs, tracepoint
from py2bpf.cpus import possible_cpus
from py2bpf.datastructures import BpfQueue
from py2bpf.util import ensure_resources

pytestmark = pytest.mark.cpus

SWITCH = Path("/sys/devices/system/cpu/cpu1/online")
SETTLED = 1.5
"""Seconds after which a queue that is read has seen that a CPU came."""
LOOKS = 0.2
"""Seconds after which the next poll() looks for CPUs that came; sooner it may not."""
CALLS = 200
PATIENCE = 30


class Seen(Structure):
    _fields_ = (("cpu", c_uint32), ("number", c_uint32))


@pytest.fixture(autouse=True)
def _second_cpu() -> Iterator[None]:
    """Offline at the begin and at the end."""
    ensure_resources()
    assert len(possible_cpus()) > 1, "the guest has one CPU"
    turn(False)
    yield
    turn(False)


def turn(on: bool) -> None:
    if SWITCH.read_text().strip() != str(int(on)):
        SWITCH.write_text(str(int(on)))


def calls_on(cpu: int, count: int = CALLS) -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    for _ in range(count):
        os.getppid()
    os.sched_setaffinity(0, before)


def watching(queue: BpfQueue, raw: bool = False) -> Any:
    me = os.getpid()

    @tracepoint.probe("syscalls:sys_enter_getppid")
    def on_call(event: Any) -> int:
        if funcs.get_current_pid_tgid() >> 32 == me:
            seen = Seen(cpu=funcs.get_smp_processor_id(), number=1)
            if raw:
                funcs.perf_event_output(event, queue, 0xFFFFFFFF, seen)
            else:
                queue.output(event, seen)
        return 0

    return on_call()


def by_cpu(records: list[Seen]) -> dict[int, int]:
    return dict(Counter(record.cpu for record in records))


class Background:
    """Reads in a thread, by one of the ways to read."""

    def __init__(self, queue: BpfQueue, read: Callable[[BpfQueue], list[Seen]]) -> None:
        self._found: list[list[Seen]] = []
        self._taken = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(queue, read))
        self._thread.start()

    def _run(self, queue: BpfQueue, read: Callable[[BpfQueue], list[Seen]]) -> None:
        while not self._stop.is_set():
            self._found.append(read(queue))

    def take(self, count: int) -> dict[int, int]:
        """What came since the last call: waits for so many, an emulated machine is slow, and for more that may come."""
        deadline = time.monotonic() + PATIENCE
        while sum(map(len, self._found[self._taken :])) < count and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)
        found = self._found[self._taken :]
        self._taken += len(found)
        return by_cpu([record for records in found for record in records])

    def end(self) -> None:
        self._stop.set()
        self._thread.join()


def polled(queue: BpfQueue) -> list[Seen]:
    return queue.poll(0.2)


def selected(queue: BpfQueue) -> list[Seen]:
    import select

    select.select([queue], [], [], 5)
    return queue.poll(0)


WAYS = [
    *[(options, read, False) for options in ({}, {"latency": 0}, {"ordered": True}) for read in (polled, selected)],
    ({}, polled, True),
]


@pytest.mark.parametrize(("options", "read", "raw"), WAYS, ids=str)
def test_every_record_of_a_cpu_that_comes(
    options: dict[str, Any], read: Callable[[BpfQueue], list[Seen]], raw: bool
) -> None:
    with BpfQueue(Seen, num_pages=64, **options) as queue, watching(queue, raw):
        queue.poll(0)
        reader = Background(queue, read)
        try:
            calls_on(0)
            assert reader.take(CALLS) == {0: CALLS}
            for _ in range(2):
                turn(True)
                time.sleep(SETTLED)
                calls_on(1)
                calls_on(0)
                assert reader.take(2 * CALLS) == {0: CALLS, 1: CALLS}
                turn(False)
                calls_on(0)
                assert reader.take(CALLS) == {0: CALLS}
        finally:
            reader.end()
        assert queue.lost == 0 == sum(queue.lost_by_cpu().values())


def test_a_cpu_that_went_costs_no_time() -> None:
    """Its event is watched still, and must not be ready for ever."""
    turn(True)
    with BpfQueue(Seen, num_pages=64) as queue, watching(queue):
        calls_on(1)
        queue.poll(1)
        turn(False)
        queue.poll(0.5)
        before = time.process_time()
        assert queue.poll(4) == []
        assert time.process_time() - before < 2


def test_what_is_written_before_the_queue_knows_is_counted() -> None:
    """Nobody reads meanwhile."""
    with BpfQueue(Seen, num_pages=64) as queue, watching(queue):
        turn(True)
        calls_on(1)
        calls_on(0)
        assert queue.lost == CALLS and queue.lost_by_cpu() == {0: 0}
        (loss,) = py2bpf.losses()
        assert loss.count == CALLS and "had just come online" in loss.hint
        time.sleep(LOOKS)
        assert by_cpu(queue.poll(1)) == {0: CALLS}
        calls_on(1)
        assert by_cpu(queue.poll(1)) == {1: CALLS}
    assert queue.lost == CALLS and queue.lost_by_cpu() == {0: 0, 1: 0}


@pytest.mark.parametrize("ordered", [False, True])
def test_what_a_ring_has_when_its_cpu_goes_is_delivered(ordered: bool) -> None:
    """Before what comes when it is back. A flap that nobody saw costs what was written until then."""
    turn(True)
    with BpfQueue(Seen, num_pages=64, ordered=ordered) as queue, watching(queue):
        for _ in range(3):
            calls_on(1, 10)
            turn(False)
            turn(True)
            calls_on(1, 5)
            time.sleep(LOOKS)
            assert by_cpu(queue.poll(1)) == {1: 10}
        assert queue.lost == 15
        time.sleep(LOOKS)
        queue.poll(0)
        calls_on(1)
        assert by_cpu(queue.poll(1)) == {1: CALLS}
    assert queue.lost == 15


def test_full_rings_are_counted_for_each_cpu_also_when_it_went() -> None:
    turn(True)
    with BpfQueue(Seen, num_pages=1) as queue, watching(queue):
        calls_on(1, 1000)
        lost = queue.lost_by_cpu()[1]
        assert 0 < lost < 1000
        turn(False)
        turn(True)
        calls_on(1, 1)  # too quick to be seen, but for what is lost
        time.sleep(LOOKS)
        assert by_cpu(queue.poll(0)) == {1: 1000 - lost}
        calls_on(1, 1000)
        assert queue.lost_by_cpu()[1] == 2 * lost == queue.lost - 1
    assert queue.lost == 2 * lost + 1
