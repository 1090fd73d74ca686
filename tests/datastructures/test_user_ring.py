"""User ring buffers: what Python sends arrives in programs once and in order, in the kernel, the VM and simulated."""

from __future__ import annotations

import ctypes
import errno
import signal
import threading
import time
from collections.abc import Callable
from ctypes import Structure, c_char, c_int16, c_uint8, c_uint32, c_uint64
from mmap import PAGESIZE
from typing import Any

import pytest
from forked import in_child
from sample_programs import PAUSE, tc

from py2bpf import funcs, sim
from py2bpf.datastructures import ArrayMap, HashMap, RingBuffer, UserRingBuffer
from py2bpf.exception import ClosedError, DataRangeError, DataTypeError, KernelError, NotSupported, Py2BpfError
from py2bpf.kernel import features
from py2bpf.kernel.features import Finding, Outcome
from py2bpf.prog import ProgType, compile_prog, create_prog, load_spec
from py2bpf.spec import Target
from py2bpf.uapi.contexts import SK_BUFF
from py2bpf.uapi.map_types import MapType

pytestmark = pytest.mark.kernel
PACKET = bytes(64)


class Command(Structure):
    _fields_ = [("kind", c_uint32), ("amount", c_uint64), ("name", c_char * 10)]


FRAME = 8 + 24 + 8
FIT = PAGESIZE // FRAME


def summing(ring: UserRingBuffer, out: ArrayMap) -> Callable[[Any], int]:
    """Takes all records out; gives how many there were."""

    def drain(skb: Any) -> int:
        n = 0
        while (command := ring.receive()) is not None:
            n += 1
            out[0] += command.amount * n
            if command.name == b"odd":
                out[1] += 1
        return n

    return drain


@pytest.mark.kernel_only
def test_what_the_compiler_sees() -> None:
    with UserRingBuffer(Command, 8192, name="commands") as ring:
        spec = ring.map_spec
        assert (spec.kind, spec.max_entries, spec.data_type) == (MapType.USER_RINGBUF, 8192, Command)
        assert repr(ring) == f"<UserRingBuffer 'commands'(Command, 8192), fd {ring.fd}>"
    assert "closed" in repr(ring)


@pytest.mark.parametrize("size", [0, 100, PAGESIZE + 1, 3 * PAGESIZE])
def test_sizes_are_pages_and_powers_of_two(size: int) -> None:
    with pytest.raises(DataRangeError, match="size"):
        UserRingBuffer(c_uint64, size)


def test_records_must_fit_the_programs_stack() -> None:
    with pytest.raises(DataRangeError, match="at most 472 bytes"):
        UserRingBuffer(c_uint8 * 473)
    with pytest.raises(DataTypeError):
        UserRingBuffer(str)
    with UserRingBuffer(c_uint8 * 472, PAGESIZE) as ring:

        def last(skb: Any) -> int:
            record = ring.receive()
            return 0 if record is None else record[471] + record[0]

        with tc(last) as program:
            ring.send(bytes(range(200)) + bytes(271) + b"\x2a")
            assert [program.test_run(PACKET).retval for _ in range(2)] == [42, 0]


def test_records_come_once_and_in_order() -> None:
    with UserRingBuffer(Command, PAGESIZE) as ring, ArrayMap(c_uint64, 2) as out:
        fn = summing(ring, out)
        with tc(fn) as program:
            sent = 0
            for turn in range(1, 120):  # round the ring
                count = turn % FIT
                expected = 0
                for i in range(count):
                    ring.send(Command(1, sent, b"odd" if sent & 1 else b"even"))
                    expected += sent * (i + 1)
                    sent += 1
                out[0] = 0
                assert ring.waiting == count * FRAME
                simulated = sim.run(fn, PACKET, hook="tc", isolated=True)
                assert (simulated.retval, ring.waiting) == (count, count * FRAME), "it took none"
                assert (program.test_run(PACKET).retval, out[0], ring.waiting) == (count, expected, 0)
            assert out[1] == sent // 2


def test_a_simulated_program_takes_records_away() -> None:
    with UserRingBuffer(Command, PAGESIZE) as ring, ArrayMap(c_uint64, 2) as out:

        def one(skb: Any) -> int:
            command = ring.receive()
            return -1 if command is None else command.amount

        fn = summing(ring, out)
        with tc(one) as program:
            for amount in range(6):
                ring.send((1, amount, b""))
            assert sim.run(one, PACKET, hook="tc").retval == 0
            assert program.test_run(PACKET).retval == 1
            assert sim.run(one, PACKET, hook="tc").retval == 2
            assert sim.run(one, PACKET, hook="tc", isolated=True).retval == 3
            assert [program.test_run(PACKET).retval for _ in range(2)] == [3, 4]
            assert sim.run(fn, PACKET, hook="tc").retval == 1
            assert program.test_run(PACKET).retval == 0xFFFFFFFF and ring.waiting == 0


@pytest.mark.parametrize(("ctype", "sent"), [(c_uint64, 1 << 40), (c_int16, -5), (c_uint8, 200)])
def test_numbers(ctype: Any, sent: int) -> None:
    with UserRingBuffer(ctype, PAGESIZE) as ring, ArrayMap(ctypes.c_int64, 3) as out:

        def program(skb: Any) -> int:
            n = ring.receive()
            if n is None:
                return 9
            out[0] = n
            out[1] = n > 100
            other = ring.receive()
            out[2] = other is None
            return 0

        for world in ("isolated", "compiled"):
            if world == "compiled":
                with tc(program) as loaded:
                    assert loaded.test_run(PACKET).retval == 9
                    ring.send(sent)
                    simulated = sim.run(program, PACKET, hook="tc", isolated=True)
                    assert loaded.test_run(PACKET).retval == simulated.retval == 0
        assert list(out.values()) == [sent, sent > 100, 1] == [value for _, value in simulated.items(out)]


def test_bytes_and_arrays() -> None:
    with UserRingBuffer(c_char * 16, PAGESIZE) as names, UserRingBuffer(c_uint32 * 3, PAGESIZE) as numbers:

        def program(skb: Any) -> int:
            name = names.receive()
            triple = numbers.receive()
            if name is None or triple is None:
                return 0
            if name.startswith(b"py"):
                return triple[0] + triple[1] * triple[2]
            return triple[skb.len & 1]

        with tc(program) as loaded:
            for name, first, result in ((b"py2bpf", 1, 7), (b"other", 1, 1), (b"x" * 16, 8, 8)):
                names.send(name)
                numbers.send((first, 2, 3))
                assert loaded.test_run(PACKET).retval == result
            names.send(b"lonely")
            assert loaded.test_run(PACKET).retval == 0
            assert names.waiting == 0


def test_what_cannot_be_sent() -> None:
    with UserRingBuffer(Command, PAGESIZE) as ring:
        with pytest.raises(DataTypeError):
            ring.send(5)
        with pytest.raises(DataRangeError):
            ring.send((1 << 32, 0, b""))
        with pytest.raises(DataTypeError, match="number of seconds"):
            ring.send((1, 1, b""), timeout="soon")
        with pytest.raises(Py2BpfError, match="inside BPF programs only"):
            ring.receive()
        assert ring.waiting == 0
    with pytest.raises(ClosedError):
        ring.send((1, 1, b""))
    with pytest.raises(ClosedError):
        ring.waiting
    ring.close()


def test_a_full_ring_makes_senders_wait() -> None:
    with UserRingBuffer(Command, PAGESIZE) as ring, ArrayMap(c_uint64, 2) as out, tc(summing(ring, out)) as program:
        for i in range(FIT):
            ring.send((1, i, b""), timeout=0)
        begin = time.monotonic()
        with pytest.raises(TimeoutError, match="is full"):
            ring.send((1, 1, b""), timeout=0.2)
        assert 0.15 < time.monotonic() - begin < PAUSE
        timer = threading.Timer(0.2, program.test_run, (PACKET,))
        timer.start()
        begin = time.monotonic()
        ring.send((1, 5, b""), timeout=20)
        assert 0.1 < time.monotonic() - begin < 5
        timer.join()
        program.test_run(PACKET)
        assert ring.waiting == 0


def test_close_from_another_thread_ends_a_wait() -> None:
    ring = UserRingBuffer(Command, PAGESIZE)
    for i in range(FIT):
        ring.send((1, i, b""))
    timer = threading.Timer(0.2, ring.close)
    timer.start()
    with pytest.raises(ClosedError):
        ring.send((1, 1, b""))
    timer.join()


def test_signals_interrupt_a_wait() -> None:
    def interrupt(*_: object) -> None:
        raise InterruptedError

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with UserRingBuffer(Command, PAGESIZE) as ring:
            for i in range(FIT):
                ring.send((1, i, b""))
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            begin = time.monotonic()
            with pytest.raises(InterruptedError):
                ring.send((1, 1, b""))
            assert time.monotonic() - begin < PAUSE
    finally:
        signal.signal(signal.SIGALRM, before)


def test_many_senders_at_once() -> None:
    count, senders = 500, 4
    with UserRingBuffer(Command, PAGESIZE) as ring, HashMap(c_uint64, c_uint64, 1 << 13) as seen:

        def drain(skb: Any) -> int:
            n = 0
            while (command := ring.receive()) is not None:
                seen[command.amount] += 1
                n += 1
            return n

        def send(first: int) -> None:
            for i in range(count):
                ring.send((1, first + i, b""), timeout=30)

        with tc(drain) as program:
            threads = [threading.Thread(target=send, args=(count * i,)) for i in range(senders)]
            for thread in threads:
                thread.start()
            got = 0
            deadline = time.monotonic() + 30
            while got < count * senders and time.monotonic() < deadline:
                got += program.test_run(PACKET).retval
            for thread in threads:
                thread.join()
        assert dict(seen) == dict.fromkeys(range(count * senders), 1)


def test_a_forked_child_sends_nothing() -> None:
    def child() -> None:
        if "VM" in repr(ring):
            return  # the child has a machine of its own
        with pytest.raises(KernelError) as caught:
            ring.send(1)
        assert caught.value.errno == errno.ECHILD

    with UserRingBuffer(c_uint64, PAGESIZE) as ring:
        in_child(child)
        assert ring.waiting == 0


# What programs do with records


def test_records_go_through_functions_and_loops() -> None:
    with UserRingBuffer(Command, PAGESIZE) as ring, RingBuffer(Command, PAGESIZE) as back:

        def handle(command: Any, factor: int) -> int:
            echo = back.reserve()
            if echo is None:
                return 0
            echo.amount = command.amount * factor
            echo.name = command.name
            back.submit(echo)
            return 1

        def some(skb: Any) -> int:
            done = 0
            for i in range(skb.len):
                command = ring.receive()
                if command is None:
                    break
                if command.kind == 3:
                    continue
                done += handle(command, i + 1)
            else:
                return 1000
            return done

        with tc(some) as program:
            for i in range(10):
                ring.send((i & 3, i, b"n%d" % i))
            assert program.test_run(PACKET).retval == 8
            assert [(e.amount, e.name) for e in back.poll(0)] == [
                (i * (i + 1), b"n%d" % i) for i in range(10) if i & 3 != 3]


@pytest.mark.parametrize("target", [Target(), Target(iterators=False)])
def test_loops_of_older_kernels(target: Target) -> None:
    """Linux 6.1 to 6.3 want a loop's bound."""
    with UserRingBuffer(Command, PAGESIZE) as ring, ArrayMap(c_uint64, 2) as out:

        def drain(skb: Any) -> int:
            for i in range(16):
                command = ring.receive()
                if command is None:
                    return i
                out[0] += command.amount
            return 16

        spec = compile_prog(ProgType.SCHED_CLS, SK_BUFF, drain, target=target)
        with load_spec(spec, spec.captures) as program:
            for i in range(20):
                ring.send((1, i, b""))
            assert [program.test_run(PACKET).retval for _ in range(3)] == [16, 4, 0] and out[0] == 190


def test_beside_packet_loads_and_subprograms() -> None:
    with UserRingBuffer(c_uint32, PAGESIZE) as offsets:

        def program(skb: Any) -> int:
            offset = offsets.receive()
            if offset is None:
                return funcs.load_skb_byte(skb, 3)
            return funcs.load_skb_byte(skb, offset)

        packet = bytes(range(100, 164))
        with create_prog(ProgType.SOCKET_FILTER, SK_BUFF, program) as loaded:
            offsets.send(20)
            assert [loaded.test_run(packet).retval for _ in range(2)] == [134, 117]


@pytest.mark.kernel_only
def test_kernels_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Any:
        raise KernelError(22, "cannot create the map")

    monkeypatch.setattr("py2bpf.kernel.kernel_map.KernelMap", refuse)
    monkeypatch.setitem(features._cache, features.of_map(MapType.USER_RINGBUF), Finding(Outcome.NO))
    with pytest.raises(NotSupported, match=r"user ring buffer.*6\.1"):
        UserRingBuffer(c_uint64, PAGESIZE)
