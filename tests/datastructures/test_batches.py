"""Records in batches: arrays of numpy and Arrow, and users' memory; each record comes once and in order in all of them.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from ctypes import BigEndianStructure, Structure, c_bool, c_char, c_double, c_int16, c_uint8, c_uint32, c_uint64
from mmap import PAGESIZE
from typing import Any

import pytest
from batch_senders import BOTH, PACKET, queue_and_sender
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sample_programs import CPUS, PAUSE, Event, emitting, run_on, tc

from py2bpf.datastructures import BpfQueue, RingBuffer
from py2bpf.exception import ClosedError, DataTypeError, ShortRecordError

numpy = pytest.importorskip("numpy")
pytestmark = pytest.mark.kernel


@BOTH
def test_numbers_are_a_plain_array(kind: str) -> None:
    with queue_and_sender(kind, c_uint32) as (queue, send):
        send(5)
        batch = queue.read_batch(timeout=1)
        assert batch.dtype == numpy.uint32 and batch.tolist() == [64, 65, 66, 67, 68]
        assert queue.read_batch(timeout=0).shape == (0,) and queue.lost == 0


class Inner(Structure):
    _fields_ = [("flag", c_bool), ("text", c_char * 5), ("pair", c_int16 * 2)]


class Wire(BigEndianStructure):
    _fields_ = [("port", ctypes.c_uint16), ("address", c_uint32)]


class Rich(Structure):
    _fields_ = [("number", c_uint32), ("inner", Inner), ("rows", (c_uint8 * 2) * 3), ("many", Inner * 2),
                ("wire", Wire), ("real", c_double)]  # fmt: skip


@pytest.fixture
def rich() -> Iterator[RingBuffer]:
    """Three records of that kind."""
    with RingBuffer(Rich, 1 << 16) as ring:

        def write(skb: Any) -> int:
            record = ring.reserve()
            if record is None:
                return 1
            record.number = skb.len
            record.inner.flag = skb.len & 1 == 1
            record.inner.text = b"abc"
            record.inner.pair[1] = -2
            record.rows[2][1] = 9
            record.many[1].pair[0] = 7
            record.wire.port = 80
            record.wire.address = skb.len
            ring.submit(record)
            return 0

        with tc(write) as program:
            for size in (64, 65, 66):
                assert program.test_run(bytes(size)).retval == 0
            yield ring


def test_structures_are_structured_arrays(rich: RingBuffer) -> None:
    batch = rich.read_batch(timeout=1)
    assert batch.dtype.itemsize == ctypes.sizeof(Rich) and len(batch) == 3
    assert batch["number"].tolist() == [64, 65, 66] and batch["inner"]["flag"].tolist() == [False, True, False]
    assert batch["inner"]["text"].tolist() == [b"abc"] * 3 and batch["inner"]["pair"].tolist() == [[0, -2]] * 3
    assert batch["rows"].shape == (3, 3, 2) and batch["rows"][2].tolist() == [[0, 0], [0, 0], [0, 9]]
    assert batch["many"]["pair"][:, 1].tolist() == [[7, 0]] * 3
    assert batch["wire"]["port"].dtype == ">u2" and batch["wire"]["address"].tolist() == [64, 65, 66]


def test_arrow_has_the_same_columns(rich: RingBuffer) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    batch = rich.read_arrow(timeout=1)
    assert isinstance(batch, pyarrow.RecordBatch) and batch.num_rows == 3
    rows = batch.to_pylist()
    assert [row["number"] for row in rows] == [64, 65, 66]
    assert rows[1]["inner"] == {"flag": True, "text": b"abc", "pair": [0, -2]}
    assert rows[2]["rows"] == [[0, 0], [0, 0], [0, 9]] and rows[0]["many"][1]["pair"] == [7, 0]
    assert rows[2]["wire"] == {"port": 80, "address": 66} and rows[0]["real"] == 0.0


def test_arrow_of_numbers_has_one_column() -> None:
    pytest.importorskip("pyarrow")
    with queue_and_sender("ring", c_uint64) as (queue, send):
        send(2)
        assert queue.read_arrow(timeout=1).to_pydict() == {"value": [64, 65]}


@pytest.mark.parametrize(("module", "extra"), [("numpy", "numpy"), ("pyarrow", "arrow")])
def test_what_is_not_installed_is_named(module: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with RingBuffer(c_uint64) as ring, pytest.raises(ImportError, match=rf"pip install 'py2bpf\[{extra}\]'"):
        ring.read_arrow(timeout=0)


def test_bit_fields_are_no_numpy_type_but_bytes() -> None:
    class Bits(Structure):
        _fields_ = [("low", c_uint32, 4), ("high", c_uint32, 28)]

    with RingBuffer(Bits) as ring, tc(lambda skb: ring.output(Bits(low=3, high=skb.len))) as program:
        with pytest.raises(DataTypeError, match=r"numpy has no bit fields: Bits\.low"):
            ring.read_batch(timeout=0)
        program.test_run(PACKET, repeat=2)
        found = (Bits * 2)()
        assert ring.read_into(found, timeout=1) == 2 and (found[1].low, found[1].high) == (3, 64)


@BOTH
def test_every_way_of_reading_goes_on_where_the_last_one_stopped(kind: str) -> None:
    with queue_and_sender(kind, Event) as (queue, send):
        send(40)
        got: list[int] = []
        got += queue.read_batch(3)["seq"].tolist()
        for event in queue:
            got.append(event.seq)
            if len(got) == 10:
                break
        got += queue.read_batch(5)["seq"].tolist()
        got.append(next(iter(queue)).seq)
        memory = (Event * 7)()
        assert queue.read_into(memory) == 7
        got += [event.seq for event in memory]
        got += [event.seq for event in queue.poll(0)]
        assert got == list(range(64, 104))
        assert queue.poll(0) == [] and queue.read_into(memory, 0) == 0


@pytest.mark.parametrize("call", ["poll", "read_batch"])
@BOTH
def test_time_outs_hold_while_programs_outpace_us(kind: str, call: str) -> None:
    with queue_and_sender(kind, c_uint64) as (queue, _), ExitStack() as stack:
        write = ((lambda skb: queue.output(skb.len)) if kind == "ring" else (lambda skb: queue.output(skb, skb.len)))
        program = stack.enter_context(tc(write))
        stop = threading.Event()

        def flood() -> None:
            os.sched_setaffinity(0, {CPUS[-1]})
            while not stop.is_set():
                program.test_run(PACKET, repeat=20_000)

        thread = threading.Thread(target=flood)
        thread.start()
        try:
            for timeout in (0, 0.1):
                begin = time.monotonic()
                for _ in range(3):
                    getattr(queue, call)(timeout=timeout)
                assert time.monotonic() - begin < 30  # and doesn't go on for ever
        finally:
            stop.set()
            thread.join()


@BOTH
def test_a_batch_waits_until_records_come_or_the_queue_is_closed(kind: str) -> None:
    with queue_and_sender(kind, c_uint64) as (queue, send):
        timer = threading.Timer(0.1, send, [2])
        timer.start()
        assert queue.read_batch(timeout=10).tolist()[0] == 64
        timer.join()
        queue.read_batch(timeout=0.2)
        timer = threading.Timer(0.1, queue.close)
        timer.start()
        begin = time.monotonic()
        assert len(queue.read_batch()) == 0 and time.monotonic() - begin < 5
        timer.join()
        for use in (lambda: queue.read_batch(timeout=0), lambda: queue.read_into(bytearray(8))):
            with pytest.raises(ClosedError):
                use()


@BOTH
def test_what_was_written_before_close_comes_as_a_batch(kind: str) -> None:
    with queue_and_sender(kind, c_uint64) as (queue, send):
        send(5)
        queue.close()
        assert queue.read_batch(2).tolist() == [64, 65] and queue.read_batch().tolist() == [66, 67, 68]


def test_short_records_are_an_error_in_batches_too() -> None:
    with BpfQueue(Event) as queue, emitting(queue, 8) as short, emitting(queue, 16) as good:
        run_on(CPUS[0], good, 2)
        run_on(CPUS[0], short, 3)
        with pytest.raises(ShortRecordError, match="3 such records"):
            queue.read_batch(timeout=1)
        assert queue.read_batch(timeout=0)["seq"].tolist() == [0, 1] and queue.lost == 3


def test_losses_by_cpu() -> None:
    count = 1000
    with BpfQueue(Event, 1) as queue, emitting(queue) as program:
        assert set(queue.lost_by_cpu().values()) == {0}
        for n, cpu in enumerate(CPUS, 1):
            run_on(cpu, program, n * count)
        taken = queue.read_batch(timeout=1)
        for n, cpu in enumerate(CPUS, 1):
            assert queue.lost_by_cpu()[cpu] + (taken["cpu"] == cpu).sum() == n * count
        found = queue.lost_by_cpu()
        assert sum(found.values()) == queue.lost
    assert queue.lost_by_cpu() == found and queue.lost == sum(found.values())


@pytest.mark.parametrize("latency", [0, 0.02, 0.1])
def test_ordered_queues_merge_all_cpus(latency: float) -> None:
    """CPUs take turns, a few records each: only their times tell the order."""
    with BpfQueue(Event, 64, latency=latency, ordered=True) as queue, emitting(queue) as program:
        wanted = []
        for turn in range(30):
            cpu = CPUS[turn % len(CPUS)]
            wanted += [cpu] * (turn % 4 + 1)
            run_on(cpu, program, turn % 4 + 1)
        got: list[Event] = []
        deadline = time.monotonic() + 10
        while len(got) < len(wanted) and time.monotonic() < deadline:
            got += queue.poll(0.2)
        assert [event.cpu for event in got] == wanted
        for cpu in CPUS:
            assert [event.seq for event in got if event.cpu == cpu] == list(range(wanted.count(cpu)))


@pytest.mark.kernel_only
def test_ordered_queues_hold_records_back_for_half_of_the_latency() -> None:
    with BpfQueue(Event, latency=0.4, ordered=True) as queue, emitting(queue) as program:
        begin = time.monotonic()
        run_on(CPUS[0], program, 3)
        early = queue.poll(0)
        got = early + queue.poll(10)
        assert len(got) == 3 and time.monotonic() - begin < 0.4 + PAUSE
        assert (time.monotonic() - begin >= 0.2 and not early) or len(CPUS) == 1
        run_on(CPUS[0], program, 2)
        queue.close()
        assert len(queue.poll()) == 2, "closing holds nothing back"


def test_ordered_queues_under_load_lose_nothing_unseen() -> None:
    count = 20_000
    with BpfQueue(Event, 64, latency=0.02, ordered=True) as queue, emitting(queue) as program:
        threads = [threading.Thread(target=run_on, args=(cpu, program, count)) for cpu in CPUS]
        for thread in threads:
            thread.start()
        got = []
        while any(thread.is_alive() for thread in threads):
            got.append(queue.read_batch(timeout=0.01))
        queue.close()
        while True:
            try:
                got.append(queue.read_batch())
            except ClosedError:
                break
        events = numpy.concatenate(got)
        assert len(events) + queue.lost == count * len(CPUS)
        for cpu in CPUS:
            mine = events["seq"][events["cpu"] == cpu]
            assert (numpy.diff(mine.astype(int)) > 0).all()


@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(size=st.integers(1, 80), runs=st.lists(st.tuples(st.integers(1, 60), st.integers(1, 40)), max_size=30))
def test_records_of_any_size_wrap_around(size: int, runs: list[tuple[int, int]]) -> None:
    """Rings of one page, filled and emptied by random amounts."""
    record = c_uint8 * size
    with RingBuffer(record, PAGESIZE) as ring:

        def write(skb: Any) -> int:
            made = ring.reserve()
            if made is None:
                return 1
            for i in range(size):
                made[i] = skb.len
            ring.submit(made)
            return 0

        room = (PAGESIZE - 8) // (8 + (size + 7 & ~7))
        with tc(write) as program:
            waiting: list[int] = []
            lost = 0
            for number, (written, taken) in enumerate(runs):
                retval = program.test_run(bytes(64 + number), repeat=written).retval
                fits = min(written, room - len(waiting))
                lost += written - fits
                assert (retval == 1) == (fits < written)
                waiting += [64 + number] * fits
                rows = ring.read_batch(taken, timeout=0)
                assert rows.tolist() == [[value] * size for value in waiting[:taken]]
                del waiting[:taken]
            assert ring.lost == lost
