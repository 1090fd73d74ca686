"""Ring buffers with live programs: order, completeness, losses, waiting, closing; the reader is that of queues."""

from __future__ import annotations

import ctypes
import os
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import Structure, c_char, c_uint32, c_uint64
from mmap import PAGESIZE
from typing import Any

import pytest
from forked import in_child
from sample_programs import CPUS, Event, run_on, tc

from py2bpf import funcs
from py2bpf.datastructures import PerCpuArrayMap, RingBuffer
from py2bpf.exception import ClosedError, DataRangeError, DataTypeError, KernelError, Py2BpfError
from py2bpf.prog import Prog
from py2bpf.uapi.map_types import MapType

pytestmark = pytest.mark.kernel
PACKET = bytes(64)
FRAME = 8 + ctypes.sizeof(Event)
FIT = (PAGESIZE - 8) // FRAME
"""Events that a ring of one page holds: it is never quite full."""


@contextmanager
def emitting(ring: RingBuffer) -> Iterator[Prog]:
    """Each run writes an Event with this CPU's next number."""
    with PerCpuArrayMap(c_uint64, 1) as counters:

        def emit(skb: Any) -> int:
            event = ring.reserve()
            seq = counters[0]
            counters[0] += 1
            if event is None:
                return 1
            event.seq = seq
            event.cpu = funcs.get_smp_processor_id()
            event.more = 7
            ring.submit(event)
            return 0

        with tc(emit) as program:
            yield program


@pytest.mark.kernel_only
def test_what_the_compiler_sees() -> None:
    with RingBuffer(Event, 8192, name="events") as ring:
        spec = ring.map_spec
        assert (spec.kind, spec.key_type, spec.value_type) == (MapType.RINGBUF, None, None)
        assert (spec.max_entries, spec.data_type, spec.name) == (8192, Event, "events")
        assert os.readlink(f"/proc/self/fd/{ring.fd}") == "anon_inode:bpf-map"
        assert repr(ring) == f"<RingBuffer 'events'(Event, 8192), fd {ring.fd}>"
    assert "closed" in repr(ring)


@pytest.mark.parametrize("size", [0, 1, 100, PAGESIZE - 1, PAGESIZE + 1, 3 * PAGESIZE, 1 << 31])
def test_sizes_are_pages_and_powers_of_two(size: int) -> None:
    with pytest.raises(DataRangeError, match="size"):
        RingBuffer(c_uint64, size)


def test_records_must_fit() -> None:
    with pytest.raises(DataRangeError, match=f"at most {PAGESIZE - 16} bytes"):
        RingBuffer(ctypes.c_uint8 * (PAGESIZE - 15), PAGESIZE)
    with pytest.raises(DataTypeError):
        RingBuffer(str, PAGESIZE)
    with RingBuffer(ctypes.c_uint8 * (PAGESIZE - 16), PAGESIZE) as ring:

        def largest(skb: Any) -> int:
            record = ring.reserve()
            if record is None:
                return 1
            record[PAGESIZE - 17] = 9
            ring.submit(record)
            return 0

        with tc(largest) as program:
            assert [program.test_run(PACKET).retval for _ in range(3)] == [0, 1, 1]
            assert ring.poll(0) == [(0,) * (PAGESIZE - 17) + (9,)] and ring.lost == 2
            assert program.test_run(PACKET).retval == 0 and len(ring.poll(0)) == 1


@pytest.mark.parametrize("cpu", CPUS)
def test_records_come_in_order(cpu: int) -> None:
    with RingBuffer(Event) as ring, emitting(ring) as program:
        got: list[Event] = []
        for count in (1, 5, 1000):
            run_on(cpu, program, count)
            got += ring.poll(1)
        assert [event.seq for event in got] == list(range(1006))
        assert {event.cpu for event in got} == {cpu} and {event.more for event in got} == {7}
        assert type(got[0]) is Event and ring.lost == 0 and ring.poll(0) == []


def test_all_cpus_at_once() -> None:
    count = 20_000
    with RingBuffer(Event, 1 << 16) as ring, emitting(ring) as program:
        threads = [threading.Thread(target=run_on, args=(cpu, program, count)) for cpu in CPUS]
        for thread in threads:
            thread.start()
        got: list[Event] = []
        while any(thread.is_alive() for thread in threads):
            got += ring.poll(0.05)
        got += ring.poll(0)
        assert len(got) + ring.lost == count * len(CPUS)
    assert len(got) + ring.lost == count * len(CPUS), "the count is kept after close()"
    for cpu in CPUS:
        mine = [event.seq for event in got if event.cpu == cpu]
        assert mine == sorted(mine) and len(set(mine)) == len(mine)


def test_a_full_ring_counts_every_loss_and_wraps_around() -> None:
    with RingBuffer(Event, PAGESIZE) as ring, emitting(ring) as program:
        seen = 0
        for turn in range(1, 50):
            run_on(CPUS[0], program, FIT + turn)
            got = ring.poll(0)
            assert [event.seq for event in got] == list(range(seen, seen + FIT))
            seen += FIT + turn
            assert ring.lost == turn * (turn + 1) // 2


def test_records_cross_the_end_of_the_ring() -> None:
    """Records of 24 bytes with their header don't divide the ring: some lie over its end."""
    with RingBuffer(c_uint32 * 3, PAGESIZE) as ring:

        def emit(skb: Any) -> int:
            return ring.output((skb.len, 2, skb.len + 1))

        with tc(emit) as program:
            for size in range(64, 1000):
                assert program.test_run(bytes(size)).retval == 0
                assert ring.poll(0) == [(size, 2, size + 1)]
        assert ring.lost == 0


@pytest.mark.parametrize(("data_type", "written", "wanted"), [
    (c_uint64, 5, 5), (c_uint32, -1, 0xFFFFFFFF), (ctypes.c_int16, 1 << 15, -1 << 15), (c_char * 8, b"abc", b"abc"),
    (c_char * 5, b"abcde", b"abcde"), (c_uint32 * 2, (3, 4), (3, 4))])  # fmt: skip
def test_types_of_records(data_type: Any, written: Any, wanted: Any) -> None:
    with RingBuffer(data_type, PAGESIZE) as ring, tc(lambda skb: ring.output(written)) as program:
        assert program.test_run(PACKET, repeat=2).retval == 0
        assert ring.poll(1) == [wanted, wanted]


def test_a_failed_output_is_negative() -> None:
    with RingBuffer(c_uint64, PAGESIZE) as ring, tc(lambda skb: -ring.output(skb.len)) as program:
        results = [program.test_run(PACKET).retval for _ in range(PAGESIZE // 16 + 4)]
        assert results == [0] * (PAGESIZE // 16 - 1) + [11] * 5
        assert ring.lost == 5


def test_the_helper_counts_too() -> None:
    with RingBuffer(c_uint64, PAGESIZE) as ring, tc(lambda skb: funcs.ringbuf_output(ring, skb.len, 0)) as program:
        program.test_run(PACKET, repeat=PAGESIZE // 16 + 4)
        assert (len(ring.poll(0)), ring.lost) == (PAGESIZE // 16 - 1, 5)


def test_reserved_records_are_zeroed() -> None:
    class Sparse(Structure):
        _fields_ = [("a", ctypes.c_uint8), ("b", c_uint64), ("c", c_char * 24)]

    with RingBuffer(Sparse, PAGESIZE) as ring:

        def emit(skb: Any) -> int:
            sparse = ring.reserve()
            if sparse is None:
                return 1
            if skb.len > 100:
                sparse.b = 0xFFFFFFFFFFFFFFFF
                sparse.c = b"x" * 24
            sparse.a = 1
            ring.submit(sparse)
            return 0

        with tc(emit) as program:
            for size in (64, 200, 64):
                for _ in range(100):
                    program.test_run(bytes(size))
                    got = ring.poll(0)
                    full = size > 100
                    assert [(s.a, s.b, s.c) for s in got] == [(1, full * 0xFFFFFFFFFFFFFFFF, b"x" * 24 * full)]
                    assert bytes(got[0])[1:8] == bytes(7)


def test_no_path_keeps_a_record() -> None:
    """The ring has one place: whatever isn't given back blocks the next run."""
    with RingBuffer(c_uint32 * 1000, PAGESIZE) as ring:

        def fill(n: int) -> Any:
            numbers = ring.reserve()
            if numbers is None:
                return None
            numbers[0] = n
            return numbers

        def prog(skb: Any) -> int:
            kind = skb.len & 7
            if kind == 0:
                ring.reserve()
                return 1
            numbers = fill(kind)
            if kind == 1:
                return 2
            if numbers is None:
                return 99
            if kind == 2:
                numbers[1] = 10 // (skb.len & 1)
            elif kind == 3:
                ring.discard(numbers)
                return 3
            elif kind == 4:
                if not skb.len & 1:
                    raise ValueError
            elif kind == 5:
                for i in range(skb.len):
                    numbers[i & 511] = i
                    if i == 40:
                        return 5
            if kind == 6:
                numbers[skb.len] = 4
            ring.submit(numbers)
            return 6

        with tc(prog) as program:
            safe = program.spec.hook.fallback & 0xFFFFFFFF
            for _ in range(3):
                for size, (retval, sent) in enumerate(
                    [(1, 0), (2, 0), (safe, 0), (3, 0), (safe, 0), (5, 0), (6, 1), (6, 1)], 64
                ):
                    packet = bytes(size)
                    assert (program.test_run(packet).retval, len(ring.poll(0))) == (retval, sent), size
            assert sum(program.errors.values()) == 6
        assert ring.lost == 0


def test_none_is_an_attribute_error_that_is_counted() -> None:
    class Large(Structure):
        _fields_ = [("numbers", c_uint32 * 1000)]

    with RingBuffer(Large, PAGESIZE) as ring:

        def prog(skb: Any) -> int:
            first, second = ring.reserve(), ring.reserve()
            if first is None:
                return 1
            second.numbers[0] = 1
            ring.submit(first)
            return 2

        with pytest.warns(UserWarning, match="this may be None, which has no attributes"), tc(prog) as program:
            assert program.test_run(PACKET).retval == program.spec.hook.fallback & 0xFFFFFFFF
            assert list(program.errors.values()) == [1] and ring.poll(0) == [] and ring.lost == 1


def test_a_record_that_is_not_submitted_holds_up_the_others() -> None:
    """Both are there in the end, as they were reserved."""
    with RingBuffer(c_uint64, PAGESIZE) as ring:

        def prog(skb: Any) -> int:
            first, second = ring.reserve(), ring.reserve()
            if first is None or second is None:
                return 1
            second.value = 2
            ring.submit(second)
            first.value = 1
            ring.submit(first)
            return 0

        with tc(prog) as program:
            assert program.test_run(PACKET).retval == 0
            assert ring.poll(1) == [1, 2]


def test_poll_is_on_time_and_wakes_at_once() -> None:
    with RingBuffer(Event) as ring, emitting(ring) as program:
        begin = time.monotonic()
        assert ring.poll(0.05) == [] and 0.04 < time.monotonic() - begin < 2
        timer = threading.Timer(0.1, run_on, (CPUS[0], program, 1))
        timer.start()
        assert [event.seq for event in ring.poll(10)] == [0]
        timer.join()


def test_close_from_another_thread_ends_iteration() -> None:
    ring = RingBuffer(Event)
    with emitting(ring) as program:
        run_on(CPUS[0], program, 3)
        got: list[int] = []
        reader = threading.Thread(target=lambda: got.extend(event.seq for event in ring))
        reader.start()
        time.sleep(0.1)
        ring.close()
        ring.close()
        reader.join(5)
        assert not reader.is_alive() and got == [0, 1, 2]
        with pytest.raises(ClosedError):
            ring.poll(0)
        assert ring.lost == 0
    with pytest.raises(ClosedError):
        ring.fd


def test_descriptor_for_event_loops() -> None:
    with RingBuffer(Event) as ring, emitting(ring) as program:
        assert select.select([ring], [], [], 0)[0] == []
        run_on(CPUS[0], program, 1)
        assert select.select([ring], [], [], 5)[0] == [ring]
        assert len(ring.poll(0)) == 1
        assert select.select([ring], [], [], 0)[0] == []


@pytest.mark.unsanitized("forks beside threads")
def test_a_forked_child_takes_nothing() -> None:
    def child() -> None:
        with pytest.raises(KernelError):
            ring.poll(0)
        ring.close()

    with RingBuffer(Event) as ring, emitting(ring) as program:
        run_on(CPUS[0], program, 2)
        in_child(child)
        assert len(ring.poll(1)) == 2


def test_only_programs_write() -> None:
    with RingBuffer(c_uint64, PAGESIZE) as ring:
        for call in (ring.reserve, lambda: ring.output(1), lambda: ring.submit(None), lambda: ring.discard(None)):
            with pytest.raises(Py2BpfError, match="inside BPF programs only"):
                call()
    with pytest.raises(Py2BpfError, match="this map is closed"):
        tc(lambda skb: ring.output(1))
