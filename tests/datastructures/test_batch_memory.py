"""Memory for records in batches: the user's, never reused while somebody has a view of it, and of a constant size."""

from __future__ import annotations

import gc
import os
import resource
import threading
import time
from array import array
from collections.abc import Callable
from contextlib import ExitStack
from ctypes import c_uint32, c_uint64
from mmap import PAGESIZE
from pathlib import Path
from typing import Any

import pytest
from batch_senders import BOTH, PACKET, queue_and_sender
from sample_programs import Event, tc

from py2bpf.datastructures import BpfQueue, RingBuffer
from py2bpf.exception import DataRangeError, DataTypeError

numpy = pytest.importorskip("numpy")
pytestmark = pytest.mark.kernel


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
    """Runs for PY2BPF_SOAK seconds."""
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
