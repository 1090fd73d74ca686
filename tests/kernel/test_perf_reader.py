"""Perf buffers read live: programs write from both sides of full and empty rings, on every CPU."""

from __future__ import annotations

import errno
import os
import select
import signal
import struct
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import assembled
import pytest

from py2bpf.core.batches import Batch
from py2bpf.core.handles import Handle
from py2bpf.core.readers import CoreReader
from py2bpf.cpus import possible_cpus
from py2bpf.exception import KernelError
from py2bpf.kernel import kernel_program, syscalls
from py2bpf.kernel.perfbuf import perf_reader
from py2bpf.uapi.map_types import MapType

pytestmark = [pytest.mark.kernel, pytest.mark.any_kernel]

MANY = 10_000
Record = tuple[int, bytes]


class Sender:
    """A program that sends numbers, its maps, and readers of them."""

    def __init__(self, stack: ExitStack, size: int) -> None:
        self.stack = stack
        self.cpus = max(possible_cpus()) + 1
        self.events = self._map(MapType.PERF_EVENT_ARRAY, 4, self.cpus)
        counter = self._map(MapType.ARRAY, 8, 1)
        self.program = stack.enter_context(kernel_program.load(assembled.sending(size), (counter, self.events)))

    def _map(self, kind: MapType, value_size: int, entries: int) -> Handle:
        return self.stack.enter_context(syscalls.map_create(kind, 4, value_size, entries))

    def reader(self, pages: int = 1, **how: int) -> CoreReader:
        reader = perf_reader(self.events, self.cpus, pages, **how)
        self.stack.callback(reader.close)
        return reader

    def send(self, count: int, cpu: int | None = None) -> int:
        """Runs the program; gives what perf_event_output returned last."""
        allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, allowed if cpu is None else {cpu})
        try:
            return self.program.test_run(assembled.PACKET, repeat=count).retval
        finally:
            os.sched_setaffinity(0, allowed)


@pytest.fixture
def make_sender() -> Iterator[Callable[[int], Sender]]:
    with ExitStack() as stack:
        yield lambda size: Sender(stack, size)


@pytest.fixture
def sender(make_sender: Callable[[int], Sender]) -> Sender:
    return make_sender(8)


def drain(reader: CoreReader, count: int = MANY, size: int = 256) -> list[Record]:
    """At most count records: the CPU, and as many bytes as perf declares."""
    out, cpus, sizes = bytearray(count * size), array("I", bytes(4 * count)), array("I", bytes(4 * count))
    batch = Batch(out, size, count, least=0, cpus=cpus, sizes=sizes)
    reader.take(batch)
    return [(cpus[i], bytes(out[i * size : i * size + sizes[i]])) for i in range(batch.n)]


def numbers(records: list[Record]) -> list[int]:
    return [struct.unpack_from("=Q", data)[0] for _, data in records]


CPUS = sorted(os.sched_getaffinity(0))


def test_nothing_is_there(sender: Sender) -> None:
    reader = sender.reader()
    assert drain(reader) == []
    assert reader.stats() == (0, 0, 0)


def test_records_come_in_order(sender: Sender) -> None:
    reader = sender.reader(pages=8)
    assert sender.send(500, cpu=CPUS[0]) == 0
    records = drain(reader)
    assert numbers(records) == list(range(500))
    assert {cpu for cpu, _ in records} == {CPUS[0]}
    assert reader.stats() == (500, 0, 0)


@pytest.mark.parametrize(("size", "declared"), [(1, 4), (4, 4), (5, 12), (8, 12), (12, 12), (32, 36), (256, 260)])
def test_sizes_are_as_perf_declares_them(make_sender: Callable[[int], Sender], size: int, declared: int) -> None:
    sender = make_sender(size)
    reader = sender.reader()
    sender.send(2)
    records = drain(reader)
    assert [len(data) for _, data in records] == [declared] * 2
    for number, (_, data) in enumerate(records):
        assert data[:size] == (struct.pack("=Q", number) * 64)[:size]


def test_wrapping_around_many_times(make_sender: Callable[[int], Sender]) -> None:
    """Records of 264 bytes in a ring of 4096: they begin at ever other places."""
    sender = make_sender(250)
    reader = sender.reader()
    got: list[int] = []
    for _ in range(100):
        sender.send(13, cpu=CPUS[0])
        got += numbers(drain(reader))
    assert got == list(range(1300))
    assert reader.stats() == (1300, 0, 0)


def test_every_lost_record_is_counted(sender: Sender) -> None:
    reader = sender.reader()
    assert sender.send(5000, cpu=CPUS[0]) == (1 << 32) - errno.ENOSPC
    kept = numbers(drain(reader))
    sender.send(1, cpu=CPUS[0])  # the kernel tells of the loss with the next record that fits
    assert numbers(drain(reader)) == [5000]
    stats = reader.stats()
    assert kept == list(range(len(kept)))
    assert stats.records == len(kept) + 1
    assert stats.records + stats.lost == 5001
    assert reader.stats(CPUS[0]) == stats


def test_each_cpu_has_its_ring(sender: Sender) -> None:
    reader = sender.reader(pages=4)
    for cpu in CPUS:
        sender.send(10, cpu=cpu)
    records = drain(reader)
    for i, cpu in enumerate(CPUS):
        assert numbers([r for r in records if r[0] == cpu]) == list(range(10 * i, 10 * i + 10))
        assert reader.stats(cpu).records == 10
    with pytest.raises(KernelError, match=r"CPU 4711 has no perf buffer") as caught:
        reader.stats(4711)
    assert caught.value.errno == errno.ENOENT


def test_a_busy_cpu_does_not_starve_the_others(sender: Sender) -> None:
    """The last CPU's few records come with the first drain (where there is but one, they are behind the others)."""
    reader = sender.reader(pages=16)
    sender.send(1000, cpu=CPUS[0])
    sender.send(20, cpu=CPUS[-1])
    records = drain(reader, sender.cpus * 20)
    assert numbers([r for r in records if r[0] == CPUS[0]])[:20] == list(range(20))
    if len(CPUS) > 1:
        assert numbers([r for r in records if r[0] == CPUS[-1]]) == list(range(1000, 1020))


def test_room_for_some_of_them(sender: Sender) -> None:
    reader = sender.reader(pages=8)
    sender.send(300, cpu=CPUS[0])
    got: list[int] = []
    while records := drain(reader, 4):
        assert len(records) <= 4
        got += numbers(records)
    assert got == list(range(300))


@pytest.mark.parametrize("most", [1, 2, 7])
def test_no_more_records_than_asked_for(sender: Sender, most: int) -> None:
    reader = sender.reader(pages=8)
    for cpu in CPUS:
        sender.send(40, cpu=cpu)
    got: dict[int, list[int]] = {cpu: [] for cpu in CPUS}
    while records := drain(reader, most):
        assert len(records) <= most
        for record in records:
            got[record[0]] += numbers([record])
    assert got == {cpu: list(range(40 * i, 40 * i + 40)) for i, cpu in enumerate(CPUS)}


def test_records_are_cut_to_the_size_and_short_ones_refused(make_sender: Callable[[int], Sender]) -> None:
    sender = make_sender(16)
    reader = sender.reader()
    out = bytearray(b"?" * 8 * 5)
    for size, least, wanted in ((8, 8, 3), (4, 4, 3), (20, 20, 3), (21, 20, 3), (21, 21, 0)):
        sender.send(3, cpu=CPUS[-1])
        out = bytearray(b"?" * size * 5)
        batch = Batch(out, size, 5, least)
        reader.take(batch)
        assert batch.n == wanted and out[wanted * size :] == b"?" * (5 - wanted) * size
        assert batch.refused == (None if wanted else (3, CPUS[-1], 20))
    assert reader.stats() == (12, 0, 3)
    with pytest.raises(ValueError, match="no room for 20"):
        Batch(out, 8, 5, cpus=bytearray(19))
    with pytest.raises(ValueError, match="a buffer of 105 bytes has no room for 106"):
        Batch(out, 106, 1)


def test_waiting(sender: Sender) -> None:
    reader = sender.reader()
    begin = time.monotonic()
    assert reader.wait(30) is False
    assert 0.029 <= time.monotonic() - begin < 5
    sender.send(1)
    assert reader.wait(5000) is True
    assert numbers(drain(reader)) == [0]
    assert reader.wait(0) is False


def test_what_a_drain_leaves_ends_the_next_wait(sender: Sender) -> None:
    reader = sender.reader()
    for cpu in CPUS:
        sender.send(2, cpu=cpu)
    assert reader.wait(5000) is True
    for _ in range(2 * len(CPUS)):
        assert len(drain(reader, 1)) == 1
        assert reader.wait(0) is True
    assert drain(reader) == []
    assert reader.wait(0) is False


def test_a_wait_ends_when_a_record_comes(sender: Sender) -> None:
    reader = sender.reader()
    thread = threading.Timer(0.05, sender.send, [1])
    thread.start()
    begin = time.monotonic()
    assert reader.wait(30_000) is True
    assert time.monotonic() - begin < 10
    thread.join()
    assert numbers(drain(reader)) == [0]


def test_waking_after_many_records(sender: Sender) -> None:
    reader = sender.reader(pages=16, wakeup_events=100)
    sender.send(99, cpu=CPUS[0])
    assert reader.wait(20) is False
    sender.send(1, cpu=CPUS[0])
    assert reader.wait(5000) is True
    assert numbers(drain(reader)) == list(range(100))


def test_waking_after_many_bytes(sender: Sender) -> None:
    reader = sender.reader(pages=16, watermark=4096)
    sender.send(100, cpu=CPUS[0])  # 2400 bytes
    assert reader.wait(20) is False
    sender.send(100, cpu=CPUS[0])
    assert reader.wait(5000) is True
    assert numbers(drain(reader)) == list(range(200))


@pytest.mark.parametrize("stop", ["cancel", "close"])
def test_another_thread_ends_the_wait(sender: Sender, stop: str) -> None:
    reader = sender.reader()
    thread = threading.Timer(0.05, getattr(reader, stop))
    thread.start()
    assert reader.wait(30_000) is None
    thread.join()
    assert reader.wait(30_000) is None


def test_a_cancelled_reader_still_drains(sender: Sender) -> None:
    reader = sender.reader()
    sender.send(3)
    reader.cancel()
    reader.cancel()
    assert reader.wait(-1) is None
    assert numbers(drain(reader)) == [0, 1, 2]


def test_a_signal_ends_the_wait_after_its_handler(sender: Sender) -> None:
    reader = sender.reader()
    seen: list[int] = []
    old = signal.signal(signal.SIGALRM, lambda number, frame: seen.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        assert reader.wait(30_000) is False
        assert seen == [signal.SIGALRM]
    finally:
        signal.signal(signal.SIGALRM, old)


def test_an_event_loop_can_watch(sender: Sender) -> None:
    reader = sender.reader()
    with reader.poller() as watched:
        poll = select.poll()
        poll.register(watched, select.POLLIN)
        assert poll.poll(0) == []
        sender.send(1)
        assert poll.poll(5000) == [(watched.fd, select.POLLIN)]
        assert numbers(drain(reader)) == [0]
        reader.cancel()
        assert poll.poll(5000) == [(watched.fd, select.POLLIN)]


def test_a_closed_reader(sender: Sender) -> None:
    reader = sender.reader()
    assert sender.send(1) == 0
    reader.close()
    reader.close()
    for call in (reader.poller, reader.stats, lambda: drain(reader)):
        with pytest.raises(ValueError, match="closed"):
            call()
    # Nobody reads, and the program learns it.
    assert sender.send(1) == (1 << 32) - errno.ENOENT


def test_a_new_reader_after_the_old_one(sender: Sender) -> None:
    sender.reader().close()
    reader = sender.reader()
    sender.send(1)
    assert numbers(drain(reader)) == [0]


@pytest.mark.parametrize("pages", [0, 3, 1 << 21])
def test_pages_are_a_power_of_two(sender: Sender, pages: int) -> None:
    with pytest.raises(KernelError) as caught:
        sender.reader(pages=pages)
    assert caught.value.errno == errno.EINVAL


def test_a_descriptor_that_is_no_map(sender: Sender) -> None:
    with pytest.raises(KernelError) as caught:
        perf_reader(sender.program.handle, sender.cpus, 1)
    assert caught.value.errno == errno.EINVAL


def test_writers_and_a_reader_at_once(sender: Sender) -> None:
    """Two threads write as fast as they can; nothing is lost unseen, doubled or out of order."""
    reader = sender.reader(pages=64)
    total, got = 20_000, []
    threads = [threading.Thread(target=sender.send, args=(total // 2,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads) or reader.wait(0):
        got += drain(reader)
    for thread in threads:
        thread.join()
    got += drain(reader)
    for cpu in CPUS:
        mine = numbers([r for r in got if r[0] == cpu])
        assert mine == sorted(mine)
    stats = reader.stats()
    assert stats.records == len(got)
    assert stats.corrupt == 0
    assert stats.records + stats.lost <= total
    assert len(got) > 0
