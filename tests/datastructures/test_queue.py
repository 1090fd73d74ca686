"""Perf queues with live programs: order, completeness, waiting, closing."""

from __future__ import annotations

import ctypes
import os
import select
import threading
import time
from collections import Counter
from ctypes import c_char, c_uint32, c_uint64
from typing import Any

import pytest
from sample_programs import CPUS, PACKET, PAUSE, Event, emitting, run_on

from py2bpf.cpus import possible_cpus
from py2bpf.datastructures import BpfQueue
from py2bpf.exception import DataRangeError, DataTypeError, Py2BpfError, ShortRecordError
from py2bpf.uapi.map_types import MapType

pytestmark = pytest.mark.kernel


@pytest.mark.kernel_only
def test_what_the_compiler_sees() -> None:
    with BpfQueue(Event, name="events") as q:
        spec = q.map_spec
        assert spec.kind == MapType.PERF_EVENT_ARRAY and spec.data_type is Event and spec.name == "events"
        assert spec.max_entries == max(possible_cpus()) + 1
        assert os.readlink(f"/proc/self/fd/{q.fd}") == "anon_inode:bpf-map"
        assert repr(q) == f"<BpfQueue 'events'(Event), fd {q.fd}>"
    assert "closed" in repr(q)


@pytest.mark.any_kernel
@pytest.mark.parametrize("latency", [0, 0.02])
@pytest.mark.parametrize("cpu", CPUS)
def test_records_come_in_order(cpu: int, latency: float) -> None:
    with BpfQueue(Event, 64, latency=latency) as q, emitting(q) as program:
        got: list[Event] = []
        for count in (1, 5, 1000):
            run_on(cpu, program, count)
            got += q.poll(1)
        assert [event.seq for event in got] == list(range(1006))
        assert {event.cpu for event in got} == {cpu} and {event.more for event in got} == {7}
        assert type(got[0]) is Event and q.lost == 0 and q.poll(0) == []


def test_all_cpus_at_once_first_in_first_out_for_each() -> None:
    count = 20_000
    with BpfQueue(Event, 64) as q, emitting(q) as program:
        threads = [threading.Thread(target=run_on, args=(cpu, program, count)) for cpu in CPUS]
        for thread in threads:
            thread.start()
        got: list[Event] = []
        while any(thread.is_alive() for thread in threads):
            got += q.poll(0.05)
        got += q.poll(0)
        lost = q.lost
    assert len(got) + lost == count * len(CPUS)
    for cpu in CPUS:
        mine = [event.seq for event in got if event.cpu == cpu]
        assert mine == sorted(mine) and len(set(mine)) == len(mine)


def test_every_loss_is_counted_at_once() -> None:
    count = 10_000
    with BpfQueue(Event, 1) as q, emitting(q) as program:
        run_on(CPUS[0], program, count)
        assert q.lost > 0
        got = q.poll(0)
        assert len(got) + q.lost == count
        assert [event.seq for event in got] == list(range(len(got)))
        run_on(CPUS[0], program, count)
        got += q.poll(0)
        assert len(got) + q.lost == 2 * count
    assert len(got) + q.lost == 2 * count, "the count is kept after close()"


@pytest.mark.any_kernel
def test_losses_are_known_with_the_next_record_on_every_kernel() -> None:
    count = 3000
    with BpfQueue(Event, 1) as q, emitting(q) as program:
        run_on(CPUS[0], program, count)
        got = q.poll(0)
        assert len(got) < count
        run_on(CPUS[0], program, 1)
        got += q.poll(1)
        assert len(got) + q.lost == count + 1 and got[-1].seq == count


@pytest.mark.parametrize(("data_type", "size", "wanted"), [
    (c_uint64, 8, 0), (c_uint32, 8, 0), (ctypes.c_uint8 * 8, 8, (0,) * 8), (c_char * 8, 8, b""), (c_uint64, 16, 0)])
def test_other_types_of_records(data_type: Any, size: int, wanted: Any) -> None:
    with BpfQueue(data_type) as q, emitting(q, size) as program:
        run_on(CPUS[0], program, 1)
        assert q.poll(1) == [wanted]
        run_on(CPUS[0], program, 3)
        assert len(q.poll(1)) == 3


def test_records_of_different_sizes() -> None:
    with BpfQueue(c_uint64, 64) as q, emitting(q, 8) as small, emitting(q, 16) as large:
        for _ in range(3):
            run_on(CPUS[0], small, 2)
            run_on(CPUS[0], large, 1)
        assert q.poll(1) == [0, 1, 0, 2, 3, 1, 4, 5, 2]


def test_short_records_are_an_error_and_the_others_survive() -> None:
    with BpfQueue(Event) as q, emitting(q, 8) as short, emitting(q, 16) as good:
        run_on(CPUS[0], good, 2)
        run_on(CPUS[0], short, 3)
        with pytest.raises(ShortRecordError, match="a queue of Event, which has 16 bytes; 3 such records") as caught:
            q.poll(1)
        assert isinstance(caught.value, DataRangeError)
        assert [event.seq for event in q.poll(0)] == [0, 1]


def test_structures_are_independent_copies() -> None:
    with BpfQueue(Event) as q, emitting(q) as program:
        run_on(CPUS[0], program, 1)
        first = q.poll(1)[0]
        run_on(CPUS[0], program, 100)
        q.poll(1)
        assert first.seq == 0


def test_poll_is_on_time_without_records() -> None:
    with BpfQueue(Event) as q:
        for timeout in (0, 0.01, 0.25):
            begin = time.monotonic()
            assert q.poll(timeout=timeout) == []
            assert timeout <= time.monotonic() - begin < timeout + PAUSE


def test_poll_is_on_time_under_load() -> None:
    with BpfQueue(Event, 256) as q, emitting(q) as program:
        stop = threading.Event()

        def produce() -> None:
            os.sched_setaffinity(0, {CPUS[-1]})
            while not stop.is_set():
                program.test_run(PACKET, repeat=20_000)

        thread = threading.Thread(target=produce)
        thread.start()
        try:
            for timeout in (0, 0.1):
                begin = time.monotonic()
                q.poll(timeout)
                assert time.monotonic() - begin < timeout + PAUSE
        finally:
            stop.set()
            thread.join()


def test_few_records_arrive_within_the_latency() -> None:
    with BpfQueue(Event) as q, emitting(q) as program:
        timer = threading.Timer(0.05, run_on, (CPUS[0], program, 1))
        timer.start()
        begin = time.monotonic()
        assert len(q.poll(2 * PAUSE)) == 1
        assert time.monotonic() - begin < 0.15 + PAUSE
        timer.join()


def test_immediate_wake_ups() -> None:
    with BpfQueue(Event, latency=0) as q, emitting(q) as program:
        assert select.select([q], [], [], 0.3)[0] == [], "nothing is there"
        run_on(CPUS[0], program, 1)
        assert select.select([q], [], [], 1)[0] == [q]
        assert len(q.poll(0)) == 1
        assert select.select([q], [], [], 0.2)[0] == []


@pytest.mark.any_kernel
def test_select_hears_of_few_records_too() -> None:
    with BpfQueue(Event, latency=0.05) as q, emitting(q) as program:
        q.fileno()
        run_on(CPUS[0], program, 3)
        got = []
        deadline = time.monotonic() + 5
        while not got and time.monotonic() < deadline:
            assert select.select([q], [], [], 1)[0] == [q]
            got = q.poll(0)
        assert len(got) == 3


def test_several_readers_share_the_records() -> None:
    count = 5000
    with BpfQueue(Event, 64) as q, emitting(q) as program:
        got: list[list[int]] = [[], []]
        threads = [threading.Thread(target=lambda mine=mine: mine.extend(e.seq for e in q)) for mine in got]
        for thread in threads:
            thread.start()
        for _ in range(10):
            run_on(CPUS[0], program, count // 10)
            time.sleep(0.02)
        time.sleep(0.3)
        lost = q.lost
        q.close()
        for thread in threads:
            thread.join(5)
        assert Counter(got[0] + got[1]).most_common(1)[0][1] == 1 and len(got[0]) + len(got[1]) + lost == count


@pytest.mark.parametrize(("arguments", "error", "says"), [
    ((Event, 3), DataRangeError, "num_pages is a power of two, not 3; the nearest are 2 and 4"),
    ((Event, 0), DataRangeError, "num_pages"), ((Event, -8), DataRangeError, "num_pages"),
    ((Event, 17), DataRangeError, "nearest are 16 and 32"), ((Event, 8.0), DataTypeError, "num_pages takes an int"),
    ((int,), DataTypeError, "did you mean"), ((c_char * (1 << 16),), DataRangeError, "a record has at most"),
])
def test_refused_queues(arguments: tuple[Any, ...], error: type[Exception], says: str) -> None:
    with pytest.raises(error) as caught:
        BpfQueue(*arguments)
    assert says in str(caught.value)


@pytest.mark.parametrize("latency", [-1, float("nan"), "1", True])
def test_refused_latencies(latency: Any) -> None:
    with pytest.raises((DataRangeError, DataTypeError), match="latency"):
        BpfQueue(Event, latency=latency)


@pytest.mark.parametrize(("asked", "records"), [(8, 8), (9, 8), (1, 1)])
def test_pages_are_data_pages(asked: int, records: int) -> None:
    """A 16-byte record takes 32 bytes of the ring: its header, its size, and 4 bytes that make it divisible by 8."""
    with BpfQueue(Event, asked) as q, emitting(q) as program:
        run_on(CPUS[0], program, 10_000)
        room = records * 4096 // 32
        assert room - 2 <= len(q.poll(0)) <= room


def test_output_is_for_programs() -> None:
    with BpfQueue(c_uint32) as q, pytest.raises(Py2BpfError, match="runs inside BPF programs only"):
        q.output(None, 1)
