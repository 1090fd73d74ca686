"""Ring buffers whose reader isn't woken by every record, and whose records have various sizes."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
import warnings
from collections.abc import Callable
from ctypes import Structure, c_char, c_uint8, c_uint32, c_uint64
from mmap import PAGESIZE
from typing import Any

import pytest
from sample_programs import tc

from py2bpf import funcs, sim, tracepoint
from py2bpf.datastructures import RingBuffer
from py2bpf.exception import ClosedError, DataRangeError, DataTypeError, TypeMismatch
from py2bpf.prog import Prog, ProgType, compile_prog, create_prog
from py2bpf.uapi.contexts import SK_BUFF

pytestmark = pytest.mark.kernel
PACKET = bytes(64)


def wake_ups(ring: RingBuffer, program: Prog, runs: int) -> list[int]:
    """The runs after which the descriptor became readable, nobody reading."""
    found = []
    with ring._source._reader.poller() as poller, select.epoll() as waiter:  # type: ignore[attr-defined]
        waiter.register(poller.fd, select.EPOLLIN | select.EPOLLET)
        for run in range(1, runs + 1):
            program.test_run(PACKET)
            if waiter.poll(0.005):
                found.append(run)
    return found


# Wake-ups


@pytest.mark.parametrize(("given", "wakeup"), [
    ({}, 0), ({"latency": 0}, 0), ({"wakeup": "record"}, 0), ({"latency": 0.2}, 1 << 14),
    ({"wakeup": "watermark"}, 1 << 14), ({"wakeup": 100, "latency": 1}, 100), ({"wakeup": "never"}, -1)])  # fmt: skip
def test_what_the_compiler_sees(given: dict[str, Any], wakeup: int) -> None:
    with RingBuffer(c_uint64, 1 << 16, **given) as ring:
        assert ring.map_spec.wakeup == wakeup and not ring.map_spec.variable


@pytest.mark.parametrize(("given", "error", "text"), [
    ({"wakeup": "never", "latency": 0}, DataRangeError, "after latency seconds: more than 0"),
    ({"wakeup": 0}, DataRangeError, "wakeup"), ({"wakeup": PAGESIZE}, DataRangeError, "wakeup"),
    ({"wakeup": "often"}, DataTypeError, "'record', 'watermark', 'never'"),
    ({"wakeup": True}, DataTypeError, "number of bytes"),
    ({"latency": -1}, DataRangeError, "0 to 3600 seconds"),
    ({"latency": "1"}, DataTypeError, "number of seconds")])  # fmt: skip
def test_what_no_ring_can_do(given: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        RingBuffer(c_uint64, PAGESIZE, **given)


def test_a_wake_up_by_every_record_costs_no_instruction() -> None:
    with RingBuffer(c_uint64, PAGESIZE) as plain, RingBuffer(c_uint64, PAGESIZE, wakeup="never") as never:
        sizes = [len(compile_prog(ProgType.SCHED_CLS, SK_BUFF, lambda skb, ring=ring: ring.output(skb.len)).code)
                 for ring in (plain, never)]  # fmt: skip
    assert sizes[0] == sizes[1]


@pytest.mark.kernel_only
@pytest.mark.parametrize("reserved", [False, True])
def test_the_reader_is_woken_at_the_watermark(reserved: bool) -> None:
    """A record of 8 bytes takes 16, so the 16th reaches 256 bytes; from there on every fourth of them is a step."""
    with RingBuffer(c_uint64, PAGESIZE, wakeup=256, latency=30) as ring:

        def output(skb: Any) -> int:
            return ring.output(skb.len)

        def submit(skb: Any) -> int:
            record = ring.reserve()
            if record is None:
                return 1
            record.value = skb.len
            ring.submit(record)
            return 0

        with tc(submit if reserved else output) as program:
            assert wake_ups(ring, program, 26) == [16, 20, 24]
            assert len(ring.poll(0)) == 26
            assert wake_ups(ring, program, 17) == [16]
            begin = time.monotonic()
            assert len(ring.poll(10)) == 17 and time.monotonic() - begin < 5


@pytest.mark.kernel_only
def test_nobody_is_woken_where_programs_never_do_it() -> None:
    with RingBuffer(c_uint64, PAGESIZE, wakeup="never", latency=0.05) as ring:

        def emit(skb: Any) -> int:
            forgotten = ring.reserve()
            if forgotten is None:
                return 1
            other = ring.reserve()
            if other is not None:
                ring.discard(other)
            return ring.output(skb.len)

        with tc(emit) as program:
            assert wake_ups(ring, program, 20) == []
            assert ring.poll(10) == [64] * 20


@pytest.mark.parametrize("given", [{"latency": 0.05}, {"wakeup": "never", "latency": 0.05}, {"wakeup": 64}])
def test_what_is_not_announced_comes_in_time(given: dict[str, Any]) -> None:
    with RingBuffer(c_uint64, PAGESIZE, **given) as ring, tc(lambda skb: ring.output(skb.len)) as program:
        timer = threading.Timer(0.2, program.test_run, (PACKET,))
        timer.start()
        begin = time.monotonic()
        assert ring.poll(10) == [64] and 0.1 < time.monotonic() - begin < 3
        timer.join()


@pytest.mark.parametrize("given", [{"latency": 0.05}, {"wakeup": "never", "latency": 0.05}])
def test_the_descriptor_becomes_readable_in_time(given: dict[str, Any]) -> None:
    with RingBuffer(c_uint64, PAGESIZE, **given) as ring, tc(lambda skb: ring.output(skb.len)) as program:
        fd = ring.fileno()
        assert ring.poll(0) == []
        program.test_run(PACKET)
        got: list[int] = []
        deadline = time.monotonic() + 5
        while not got and time.monotonic() < deadline:
            select.select([fd], [], [], 1)
            got += ring.poll(0)
        assert got == [64]


@pytest.mark.parametrize("given", [
    {"wakeup": 512, "latency": 2}, {"latency": 0.01}, {"wakeup": "never", "latency": 0.01}])  # fmt: skip
def test_all_records_come_in_order_while_they_are_written(given: dict[str, Any]) -> None:
    count = 30_000
    with RingBuffer(c_uint64, 1 << 16, **given) as ring, tc(lambda skb: ring.output(skb.len)) as program:
        writer = threading.Thread(target=program.test_run, args=(PACKET,), kwargs={"repeat": count})
        writer.start()
        got = 0
        while writer.is_alive():
            got += len(ring.poll(0.05))
        got += len(ring.poll(0))
        assert got + ring.lost == count and got > 0


# Records of their own sizes


class Line(Structure):
    _fields_ = [("pid", c_uint32), ("length", c_uint32), ("text", c_char * 120)]


def agree(ring: RingBuffer, fn: Callable[[Any], Any], packets: list[bytes]) -> list[Any]:
    """What the program writes, in the kernel (or the VM) and simulated; both answer the same."""
    written: list[Any] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = tc(fn)
    with program:
        for packet in packets:
            simulated = sim.run(fn, packet, hook="tc", isolated=True)
            before = program.errors
            real = program.test_run(packet)
            new = {site: n - before.get(site, 0) for site, n in program.errors.items() if n > before.get(site, 0)}
            assert (simulated.retval, simulated.errors) == (real.retval, new)
            records = ring.poll(0)
            assert [_content(event.record) for event in simulated.events] == [_content(each) for each in records]
            written += records
    return written


def _content(record: Any) -> Any:
    return bytes(record) if isinstance(record, Structure) else record


def packets_of(sizes: range) -> list[bytes]:
    return [bytes(i & 255 for i in range(size)) for size in sizes]


def test_bytes_come_as_they_were_written() -> None:
    with RingBuffer(c_char * 200, PAGESIZE, variable=True) as ring:
        assert ring.map_spec.variable

        def capture(skb: Any) -> int:
            data = (c_char * 200)()
            n = min(skb.len, 200)
            if not funcs.packet_copy(skb, 0, data, 20):
                return 1
            return ring.output(data, size=n)

        got = agree(ring, capture, packets_of(range(20, 240, 11)))
        wanted = [(packet[:20].ljust(200, b"\0"))[: len(packet)] for packet in packets_of(range(20, 240, 11))]
        assert got == wanted and {type(each) for each in got} == {bytes}


def test_sizes_are_checked_at_run_time() -> None:
    with RingBuffer(c_uint8 * 64, PAGESIZE, variable=True) as ring:

        def write(skb: Any) -> int:
            data = (c_uint8 * 64)(1, 2, 3)
            return 7 + ring.output(data, size=skb.len - 60)

        got = agree(ring, write, packets_of(range(58, 130)))
        assert [len(each) for each in got] == list(range(1, 65))
        assert got[0] == b"\1" and got[4] == b"\1\2\3\0\0"


def test_no_bytes_are_no_record() -> None:
    with RingBuffer(c_char * 8, 4096, variable=True) as ring:
        with pytest.raises(TypeMismatch, match="no record of 0 bytes"):
            create_prog(ProgType.SCHED_CLS, SK_BUFF, lambda skb: ring.output(b""))


SIZES: dict[str, Callable[[int], int]] = {
    "of a remainder": lambda n: n % 60 + 1,
    "of a quotient": lambda n: n // 3 + 1,
    "of a remainder of a quotient": lambda n: n // 3 % 60 + 1,
    "of divmod": lambda n: divmod(n, 40)[1] + 1,
    "of a length": lambda n: n.bit_length() % 10 + 1,
    "of a choice": lambda n: n % 30 + 1 if n > 40 else n // 2 + 1,
    "of a difference": lambda n: 30 - n // 2,
}


@pytest.mark.parametrize("size", SIZES.values(), ids=list(SIZES))
def test_whatever_a_size_is_computed_from_the_verifier_sees_its_bounds(size: Callable[[int], int]) -> None:
    with RingBuffer(c_uint8 * 64, 4096, variable=True) as ring:

        def write(skb: Any) -> Any:
            record = (c_uint8 * 64)()
            funcs.skb_load_bytes(skb, 0, record, skb.len % 14 + 1)
            return ring.output(record, size=size(skb.len))

        with create_prog(ProgType.SCHED_CLS, SK_BUFF, write) as program:
            for length in (14, 30, 41, 57, 58, 59, 60, 100):
                program.test_run(bytes(length))
                n = size(length)
                assert [len(record) for record in ring.poll(0)] == [n] * (1 <= n <= 64)


def test_a_structure_ends_in_part_of_its_array() -> None:
    with RingBuffer(Line, 1 << 16, variable=True) as ring:
        head = Line.text.offset

        def write(skb: Any) -> int:
            line = Line(pid=7, length=skb.len, text=b"x" * 100)
            return ring.output(line, size=head + min(skb.len, 120))

        got = agree(ring, write, packets_of(range(20, 140, 9)))
        assert [(line.pid, line.length, len(line.text)) for line in got] == [
            (7, size, min(size, 100)) for size in range(20, 140, 9)]


def test_records_have_the_size_of_what_is_given() -> None:
    with RingBuffer(c_char * 64, PAGESIZE, variable=True) as ring:

        def write(skb: Any) -> int:
            line = Line(text=b"0123456789abcdef")
            short = (c_char * 5)()
            short[1] = b"q"
            ring.output(b"constant")
            ring.output(short)
            ring.output(line.text[3:9])
            ring.output((c_char * 64)())
            ring.output(b"constant", size=3)
            return ring.output(short, 2)

        with tc(write) as program:
            program.test_run(PACKET)
        assert ring.poll(0) == [b"constant", b"\0q\0\0\0", b"345678", bytes(64), b"con", b"\0q"]


@pytest.mark.kernel_only
def test_strings_with_their_length() -> None:
    paths = [f"/nonexistent/{'x' * n}" for n in (1, 100, 300)]
    with RingBuffer(c_char * 200, 1 << 16, variable=True) as ring:
        me = os.getpid()

        @tracepoint.probe("syscalls:sys_enter_openat")
        def on_open(event: Any) -> int:
            if funcs.get_current_pid_tgid() >> 32 != me:
                return 0
            path = (c_char * 200)()
            n = funcs.probe_read_user_str(path, event.filename)
            if n > 0:
                ring.output(path, size=n)
            return 0

        with on_open():
            for path in paths:
                assert not os.path.exists(path)
                with contextlib.suppress(OSError):
                    os.open(path, os.O_RDONLY)
        got = [each for each in ring.poll(1) if each.startswith(b"/nonexistent")]
        assert got == [path.encode()[:199] + b"\0" for path in paths]


def test_every_lost_record_is_counted() -> None:
    with RingBuffer(c_uint8 * 1000, PAGESIZE, variable=True) as ring:

        def write(skb: Any) -> int:
            data = (c_uint8 * 500)()
            return -ring.output(data, size=min(skb.len, 500))

        with tc(write) as program:
            results = [program.test_run(bytes(300)).retval for _ in range(20)]
            fit = (PAGESIZE - 1) // (8 + 304)
            assert results == [0] * fit + [11] * (20 - fit) and ring.lost == 20 - fit
            assert [len(each) for each in ring.poll(0)] == [300] * fit


@pytest.mark.parametrize("ctype", [c_uint64, Structure, type("Fixed", (Structure,), {"_fields_": [
    ("text", c_char * 8), ("n", c_uint32)]})])  # fmt: skip
def test_only_arrays_end_anywhere(ctype: Any) -> None:
    with pytest.raises(DataTypeError):
        RingBuffer(ctype, PAGESIZE, variable=True)


@pytest.mark.parametrize(("write", "text"), [
    (lambda ring, skb: ring.output(skb.len, 4), "takes the record alone, but 2 values"),
    (lambda ring, skb: ring.output(skb.len, size=4), "takes no keyword arguments")])  # fmt: skip
def test_other_rings_take_no_size(write: Callable[[Any, Any], Any], text: str) -> None:
    with RingBuffer(c_uint64, PAGESIZE) as ring, pytest.raises(TypeMismatch, match=text):
        tc(lambda skb: write(ring, skb))


# What is in a ring


def test_how_much_waits() -> None:
    with RingBuffer(c_uint64, PAGESIZE) as ring:

        def write(skb: Any) -> int:
            held = ring.reserve()
            if held is None:
                return 1000 + ring.lost
            before = ring.waiting
            ring.discard(held)
            ring.output(skb.len)
            return before

        with tc(write) as program:
            assert (ring.waiting, tuple(ring.positions)) == (0, (0, 0))
            assert [program.test_run(PACKET).retval for _ in range(3)] == [16, 48, 80]
            assert (ring.waiting, tuple(ring.positions)) == (96, (0, 96))
            assert ring.poll(0) == [64] * 3
            assert (ring.waiting, tuple(ring.positions)) == (0, (96, 96))
            results = [program.test_run(PACKET).retval for _ in range(130)]
            assert results == [16 + 32 * i for i in range(128)] + [1002, 1003] and ring.lost == 3
            assert ring.positions.produced - ring.positions.consumed == ring.waiting <= PAGESIZE - 1
    with pytest.raises(ClosedError):
        ring.waiting
