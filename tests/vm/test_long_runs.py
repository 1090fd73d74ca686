"""Runs that take long: signals end them, and other threads go on with maps, queues and forks meanwhile."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from ctypes import c_uint32, c_uint64
from typing import Any

import pytest
from forked import in_child
from vm_programs import Held, array_of, spec_of

from py2bpf import asm, funcs, vm
from py2bpf.datastructures import ArrayMap, BpfQueue, HashMap, ProgArray
from py2bpf.exception import KernelError, VmFault
from py2bpf.prog import ProgType, create_prog
from py2bpf.socket_filter import SkBuffContext
from py2bpf.uapi.map_types import MapType
from py2bpf.vm import machine_calls, map_calls, program_calls, vm_program

PACKET = bytes(64)
FOREVER = 1 << 60
"""A budget that nothing uses up."""


class Stop(Exception):
    pass


def endless() -> vm_program.VmProgram:
    """A program that jumps to itself."""
    code = [asm.mov_imm(0, 0), asm.label(1), asm.jump(1), asm.exit_()]
    return vm_program.load(spec_of(code, ProgType.SCHED_CLS), (), machine_calls.machine_create(2))


def short() -> vm_program.VmProgram:
    code = [asm.mov_imm(0, 7), asm.exit_()]
    return vm_program.load(spec_of(code, ProgType.SCHED_CLS), (), machine_calls.machine_create(2))


def instructions(seconds: float) -> int:
    """How many the VM runs in that time at least: sanitizers make it slow, and other processes one measurement."""
    prog, quickest = endless(), float("inf")
    for _ in range(5):
        begin = time.thread_time()
        with pytest.raises(VmFault):
            prog.test_run(PACKET, budget=1 << 20)
        quickest = min(quickest, time.thread_time() - begin)
    return int(seconds * (1 << 20) / quickest)


@pytest.fixture
def alarm() -> Iterator[Callable[[Callable[[], Any]], None]]:
    """Calls something in a signal handler, in 50 milliseconds."""
    before = signal.getsignal(signal.SIGALRM)

    def start(call: Callable[[], Any]) -> None:
        signal.signal(signal.SIGALRM, lambda number, frame: call())
        signal.setitimer(signal.ITIMER_REAL, 0.05)

    yield start
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def stop() -> None:
    raise Stop


def test_an_interrupt_ends_a_run() -> None:
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        endless().test_run(PACKET, budget=FOREVER)
    assert time.monotonic() - begin < 5


def test_an_interrupt_ends_helpers_that_do_much() -> None:
    """A checksum of two megabytes again and again: half a second of instructions would be an hour."""
    machine, size = machine_calls.machine_create(2), 1 << 20
    code = [asm.label(1), asm.ld_map_value(1, 0, 0), asm.mov_imm(2, size), asm.mov(3, 1), asm.mov_imm(4, size),
            asm.mov_imm(5, 0), asm.call(28), asm.jump(1), asm.exit_()]  # fmt: skip
    held: Any = Held(map_calls.map_create(machine, MapType.ARRAY, 4, size, 1, 0, 2))
    prog = vm_program.load(spec_of(code, ProgType.SCHED_CLS, maps=(array_of(size),)), [held], machine)
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        prog.test_run(PACKET, budget=FOREVER)
    assert time.monotonic() - begin < 5


def test_a_signal_ends_repeated_runs(alarm: Any) -> None:
    prog = short()
    alarm(stop)
    with pytest.raises(Stop):
        prog.test_run(PACKET, repeat=(1 << 32) - 1)
    assert prog.test_run(PACKET).retval == 7


def test_a_signal_ends_runs_on_many_packets(alarm: Any) -> None:
    n = 1 << 16
    offsets, sizes, retvals = bytes(8 * n), (64).to_bytes(4, "little") * n, bytearray(4 * n)
    prog = endless()
    alarm(stop)
    with pytest.raises(Stop):
        program_calls.prog_run_many(prog.handle, PACKET, offsets, sizes, None, retvals, FOREVER)


def test_handlers_that_return_end_nothing(alarm: Any) -> None:
    came: list[float] = []
    alarm(lambda: came.append(time.monotonic()))
    with pytest.raises(VmFault, match="the instruction budget is used up"):
        endless().test_run(PACKET, budget=instructions(0.5))
    assert len(came) == 1 and came[0] < time.monotonic()


def test_handlers_have_maps_and_other_machines_but_not_this_program(alarm: Any) -> None:
    prog, other = endless(), short()
    seen: list[Any] = []

    def look() -> None:
        seen.append(other.test_run(PACKET).retval)
        with pytest.raises(KernelError, match="this thread is running a program"):
            prog.test_run(PACKET)
        raise Stop

    alarm(look)
    with pytest.raises(Stop):
        prog.test_run(PACKET, budget=FOREVER)
    assert seen == [7]


def test_interrupted_while_another_thread_runs(alarm: Any) -> None:
    prog, budget = endless(), instructions(5)

    def run() -> None:
        with pytest.raises(VmFault, match="budget"):
            prog.test_run(PACKET, budget=budget)

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.02)
    alarm(stop)
    with pytest.raises(Stop):
        prog.test_run(PACKET)
    assert thread.is_alive()
    thread.join()


def busy(skb: Any) -> Any:
    return 0


@pytest.mark.unsanitized("forks beside threads")
def test_others_look_and_change_meanwhile() -> None:
    """A program repeats for seconds; lookups, updates, queues and forks take milliseconds all the while."""
    def child() -> None:
        assert create_prog(ProgType.SOCKET_FILTER, SkBuffContext, busy).test_run(PACKET).retval == 0
        assert counts[7] == 7

    with vm.backend(), HashMap(c_uint32, c_uint64, 8) as counts, BpfQueue(c_uint32) as queue:
        counts[1] = 0

        def work(skb: Any) -> Any:
            for _ in range(skb.len * 40):
                counts[1] += 1
            queue.output(skb, c_uint32(5))
            return 0

        prog = create_prog(ProgType.SOCKET_FILTER, SkBuffContext, work)
        ended = threading.Event()
        turns = 2000 * 1_000_000_000 // prog.test_run(PACKET, repeat=20).duration_ns // 1000
        counts[1] = 0

        def run() -> None:
            prog.test_run(PACKET, repeat=turns)
            ended.set()

        thread = threading.Thread(target=run)
        thread.start()
        while not counts[1]:
            time.sleep(0.001)
        worst, seen = 0.0, []
        for key in range(2, 8):
            begin = time.monotonic()
            seen.append(counts[1])
            counts[key] = key
            assert queue.poll(1000)
            worst = max(worst, time.monotonic() - begin)
        in_child(child)
        assert not ended.is_set(), "the run was too short to prove anything"
        assert worst < 1 and seen == sorted(seen) and len(set(seen)) > 1
        thread.join()
        assert counts[1] == 2000 * turns


def test_a_program_taken_out_of_its_array_while_it_runs() -> None:
    with vm.backend(), ProgArray(1) as progs, ArrayMap(c_uint64, 1) as turns:
        def spin(skb: Any) -> Any:
            for _ in range(skb.len * 100_000):
                turns[0] += 1
            return 3

        def jump(skb: Any) -> Any:
            funcs.tail_call(skb, progs, 0)
            return 1

        last, first = (create_prog(ProgType.SOCKET_FILTER, SkBuffContext, each) for each in (spin, jump))
        progs[0] = last
        results: list[int] = []
        thread = threading.Thread(target=lambda: results.append(first.test_run(PACKET).retval))
        thread.start()
        while not turns[0]:
            time.sleep(0.001)
        del progs[0]
        last.close()
        del last
        thread.join()
        assert results == [3] and turns[0] == (64 - 14) * 100_000
        assert first.test_run(PACKET).retval == 1


def test_the_budgets_fault_names_the_line() -> None:
    with vm.backend(), ArrayMap(c_uint64, 1) as turns:
        def spin(skb: Any) -> Any:
            n = 0
            for i in range(skb.len * 1000):
                n += turns[0] ^ i
            return n

        prog = create_prog(ProgType.SOCKET_FILTER, SkBuffContext, spin)
        with pytest.raises(VmFault, match="the instruction budget is used up") as caught:
            prog._loaded.test_run(PACKET, budget=10_000)
    assert caught.value.line in (spin.__code__.co_firstlineno + 2, spin.__code__.co_firstlineno + 3)
    assert "test_long_runs.py" in str(caught.value)
