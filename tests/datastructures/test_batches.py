"""Records in batches: arrays of numpy and Arrow, anybody's memory; each record once, in order, whatever reads it."""

from __future__ import annotations

import ctypes
import gc
import os
import random
import resource
import signal
import sys
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from ctypes import BigEndianStructure, Structure, c_bool, c_char, c_double, c_int16, c_uint8, c_uint32, c_uint64
from mmap import PAGESIZE
from pathlib import Path
from typing import Any

import pytest
from forked import in_child
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sample_programs import PAUSE, Event, emitting, run_on, tc

from py2bpf.datastructures import ArrayMap, BpfQueue, RingBuffer
from py2bpf.exception import ClosedError, DataRangeError, DataTypeError, KernelError, ShortRecordError

numpy = pytest.importorskip("numpy")

pytestmark = pytest.mark.kernel
CPUS = sorted(os.sched_getaffinity(0))
PACKET = bytes(64)


@contextmanager
def queue_and_sender(kind: str, data_type: Any, **options: Any) -> Iterator[tuple[Any, Callable[[int], None]]]:
    """A queue, and what has a program write the numbers 0, 1, 2 ... to it, in the type's first field."""
    with ExitStack() as stack:
        if kind == "ring":
            queue: Any = stack.enter_context(RingBuffer(data_type, 1 << 20, **options))
            program = stack.enter_context(tc(lambda skb: queue.output(data_type(skb.len))))
        else:
            queue = stack.enter_context(BpfQueue(data_type, 64, **options))
            program = stack.enter_context(tc(lambda skb: queue.output(skb, data_type(skb.len))))

        def send(count: int) -> None:
            for number in range(count):
                assert program.test_run(bytes(64 + number)).retval == 0

        yield queue, send


BOTH = pytest.mark.parametrize("kind", ["ring", "perf"])


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
def test_any_writable_memory_will_do(kind: str) -> None:
    with queue_and_sender(kind, c_uint32) as (queue, send):
        for memory in (bytearray(13), array("I", [0] * 3), (c_uint32 * 3)(), numpy.zeros(3, "u4"),
                       memoryview(bytearray(12)), numpy.zeros((3, 2), "u2")):
            send(4)
            assert queue.read_into(memory, timeout=1) == 3
            assert bytes(memory)[:12] == array("I", [64, 65, 66]).tobytes()
            assert queue.read_into(memory) == 1 and bytes(memory)[:4] == array("I", [67]).tobytes()
            assert queue.read_into(memory, timeout=0.01) == 0


@pytest.mark.parametrize("memory", [bytes(8), memoryview(bytes(8)), 8, None, "eight", memoryview(bytearray(16))[::2]])
def test_other_memory_is_refused(memory: Any) -> None:
    with RingBuffer(c_uint64) as ring, pytest.raises(DataTypeError, match="writable, contiguous buffer"):
        ring.read_into(memory, timeout=0)


def test_memory_and_counts_must_be_large_enough() -> None:
    with RingBuffer(c_uint64) as ring:
        with pytest.raises(DataRangeError, match="a record of c_uint64 has 8 bytes, the buffer 7"):
            ring.read_into(bytearray(7))
        for most, error in ((0, DataRangeError), (-1, DataRangeError), ("1", DataTypeError)):
            with pytest.raises(error, match="max"):
                ring.read_batch(most, 0)
        with pytest.raises(DataRangeError, match="timeout"):
            ring.read_batch(1, -1)


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


HOLDS: dict[str, Callable[[Any], Any]] = {
    "the array": lambda batch: batch,
    "two views": lambda batch: (batch[1:5], batch[2:]),
    "three views": lambda batch: (batch, batch[1:5], batch[2:][:3]),
    "a field": lambda batch: batch["seq"],
    "a memoryview": memoryview,
    "a view in a list of lists": lambda batch: [[batch[::2]]],
    "the base": lambda batch: batch.base,
}


@pytest.mark.parametrize("hold", list(HOLDS))
def test_memory_that_anybody_sees_is_not_used_again(hold: str) -> None:
    with queue_and_sender("ring", Event) as (queue, send):
        kept = []
        for turn in range(8):
            send(10 + turn)
            held = HOLDS[hold](queue.read_batch(16, timeout=1))
            kept.append((held, _bytes_of(held)))
            del held
            while len(queue.read_batch(16, timeout=0)):
                pass
        assert all(_bytes_of(held) == content for held, content in kept)


def _bytes_of(held: Any) -> bytes:
    return b"".join(map(_bytes_of, held)) if isinstance(held, (tuple, list)) else held.tobytes()


def test_memory_that_nobody_sees_is_used_again() -> None:
    with queue_and_sender("ring", Event) as (queue, send):
        places = set()
        for turn in range(30):
            send(16)
            batch = queue.read_batch(16, timeout=1)
            assert batch["seq"].tolist() == list(range(64, 80))
            places.add(batch.ctypes.data)
        assert len(places) == 2, "the caller has one while the other is filled"


def test_records_in_a_loop_share_memory_that_nobody_else_writes() -> None:
    with queue_and_sender("ring", Event) as (queue, send):
        send(3)
        first, second, third = queue.poll(1)
        second.seq = 1
        send(3)
        assert [event.seq for event in queue.poll(1)] == [64, 65, 66]
        assert (first.seq, second.seq, third.seq) == (64, 1, 66)


@BOTH
def test_iteration_makes_no_garbage(kind: str) -> None:
    """Records that nobody keeps are gone at once: no list of them is made."""
    with queue_and_sender(kind, Event) as (queue, send):
        send(500)
        events = iter(queue)
        next(events)
        gc.collect()
        before = len(gc.get_objects())
        for _ in range(498):
            next(events)
        assert len(gc.get_objects()) - before < 50


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


@pytest.mark.unsanitized("forks beside threads")
@BOTH
def test_a_forked_child_takes_nothing(kind: str) -> None:
    def child() -> None:
        with pytest.raises(KernelError):
            queue.read_batch(timeout=0)
        queue.close()

    with queue_and_sender(kind, c_uint64) as (queue, send):
        send(6)
        assert next(iter(queue)) == 64
        in_child(child)
        assert queue.read_batch(timeout=1).tolist() == [65, 66, 67, 68, 69]


class InterruptError(Exception):
    """What a signal handler raises."""


@BOTH
def test_signals_that_raise_lose_no_record(kind: str) -> None:
    """A loop that is broken off at any moment, and begun again, gets every record once."""

    def alarm(number: int, frame: Any) -> None:
        raise InterruptError

    count, got = 100, []
    with queue_and_sender(kind, c_uint64, latency=0.001) as (queue, _), ExitStack() as stack:
        write = (lambda skb: queue.output(skb.len)) if kind == "ring" else (lambda skb: queue.output(skb, skb.len))
        program = stack.enter_context(tc(write))
        old = signal.signal(signal.SIGALRM, alarm)
        try:
            for turn in range(count):
                program.test_run(PACKET, repeat=100)
                with pytest.raises(InterruptError):
                    signal.setitimer(signal.ITIMER_REAL, 0.00002 * (turn % 20 + 1))
                    got.extend(queue)  # keeps what it has when the iterator raises
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, old)
        assert len(got) + len(queue.poll(0)) == 100 * count and queue.lost == 0


def _into(queue: Any) -> Any:
    memory = (c_uint64 * 20)()
    return memory, queue.read_into(memory, 0)


CALLS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], list[int]]]] = {
    "poll": (lambda queue: queue.poll(0), list),
    "read_batch": (lambda queue: queue.read_batch(20, 0), lambda rows: rows.tolist()),
    "read_into": (_into, lambda found: found[0][: found[1]]),
    "read_arrow": (lambda queue: queue.read_arrow(20, 0), lambda batch: batch["value"].to_pylist()),
}


@BOTH
@pytest.mark.parametrize("how", CALLS)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of a file that was being read
def test_calls_that_signals_break_off_lose_no_record(kind: str, how: str) -> None:
    """Whenever a handler raises: what the broken call had taken comes with the next one, in order."""

    def alarm(number: int, frame: Any) -> None:
        raise InterruptError

    if how == "read_arrow":
        pytest.importorskip("pyarrow")
    call, numbers = CALLS[how]
    got: list[int] = []
    broken = 0
    with queue_and_sender(kind, c_uint64) as (queue, _), ArrayMap(c_uint64, 1) as count, ExitStack() as stack:

        def write(skb: Any) -> int:
            count[0] += 1
            number = count[0]
            return queue.output(number) if kind == "ring" else queue.output(skb, number)

        program = stack.enter_context(tc(write))
        call(queue)
        old = signal.signal(signal.SIGALRM, alarm)
        pick = random.Random(how)
        try:
            for turn in range(600):
                found = None
                if turn % 10 == 0:
                    run_on(CPUS[0], program, 99)
                    got.append(next(iter(queue)))  # so that others are pending
                try:
                    signal.setitimer(signal.ITIMER_REAL, pick.uniform(1e-6, 4e-5))
                    found = call(queue)
                    signal.setitimer(signal.ITIMER_REAL, 0)
                except InterruptError:
                    broken += 1
                if found is not None:  # the signal may have come behind the call
                    got += numbers(found)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, old)
        while found := queue.poll(0):
            got += found
        assert got == list(range(1, 60 * 99 + 1)) and queue.lost == 0
    assert broken


def test_a_batch_is_as_large_as_can_be_there() -> None:
    with queue_and_sender("ring", c_uint64) as (queue, send):
        send(3)
        assert queue.read_batch(1 << 62).tolist() == [64, 65, 66]


def test_a_body_that_raises_loses_nothing() -> None:
    with queue_and_sender("ring", c_uint64) as (queue, send):
        send(5)
        got = []
        with pytest.raises(ZeroDivisionError):
            for number in queue:
                got.append(number)
                1 // (number - 66)
        assert got + queue.poll(0) == [64, 65, 66, 67, 68]


@pytest.mark.kernel_only
@pytest.mark.parametrize("cycles", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_opening_and_closing_leaks_nothing(cycles: int) -> None:
    def once() -> None:
        with RingBuffer(c_uint64, PAGESIZE) as ring, BpfQueue(c_uint64, 1) as queue:
            ring.fileno(), queue.fileno()
            ring.read_batch(4, 0), queue.poll(0)

    for _ in range(20):
        once()
    descriptors = len(os.listdir("/proc/self/fd"))
    for _ in range(cycles):
        once()
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= descriptors


@pytest.mark.slow
@pytest.mark.unsanitized("measures memory")
@BOTH
def test_memory_stays_constant(kind: str) -> None:
    """As long as PY2BPF_SOAK says, in seconds."""
    seconds = float(os.environ.get("PY2BPF_SOAK", "6"))
    with queue_and_sender(kind, Event, latency=0.05) as (queue, _), ExitStack() as stack:
        write = ((lambda skb: queue.output(Event(skb.len))) if kind == "ring"
                 else (lambda skb: queue.output(skb, Event(skb.len))))
        program = stack.enter_context(tc(write))
        stop = threading.Event()
        made = 0

        def flood() -> None:
            nonlocal made
            while not stop.is_set():
                program.test_run(PACKET, repeat=10_000)
                made += 10_000

        thread = threading.Thread(target=flood)
        thread.start()
        got, largest = 0, [0, 0]
        begin = time.monotonic()
        try:
            while (passed := time.monotonic() - begin) < seconds:
                got += len(queue.read_batch(timeout=0.1))
                got += len(queue.poll(0))
                size = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
                half = passed > seconds / 2
                largest[half] = max(largest[half], size)
        finally:
            stop.set()
            thread.join()
        queue.close()
        got += sum(1 for _ in queue)
        assert got + queue.lost == made
        assert largest[1] - largest[0] < 8 << 20
