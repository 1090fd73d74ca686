"""The loss ledger: the tests cause every kind of loss, and compare the counts with the known losses."""

from __future__ import annotations

import gc
import os
import struct
import threading
import warnings
import weakref
from collections.abc import Callable
from ctypes import Structure, c_uint32, c_uint64
from mmap import PAGESIZE
from typing import Any

import pytest
from forked import in_child
from sample_programs import CPUS, run_on

import py2bpf
from py2bpf import funcs, ledger, sim
from py2bpf.core import failures
from py2bpf.core.handles import Handle
from py2bpf.datastructures import (
    ArrayMap,
    BpfQueue,
    HashMap,
    LpmTrieMap,
    LruHashMap,
    PerCpuHashMap,
    RingBuffer,
    create_map,
)
from py2bpf.kernel import bpf_call
from py2bpf.prog import Prog, ProgType, compile_prog, create_prog
from py2bpf.uapi.contexts import SK_BUFF

pytestmark = pytest.mark.kernel
PACKET = bytes(64)


class Pair(Structure):
    _fields_ = [("a", c_uint64), ("b", c_uint64)]


def tc(fn: Callable[[Any], Any]) -> Prog:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return create_prog(ProgType.SCHED_CLS, SK_BUFF, fn)


def on_all_cpus(program: Prog, count: int) -> None:
    threads = [threading.Thread(target=run_on, args=(cpu, program, count)) for cpu in CPUS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def lost_by(name: str) -> dict[str, int]:
    return {loss.kind: loss.count for loss in py2bpf.losses() if loss.name == name}


# Maps


@pytest.mark.parametrize("kind", [HashMap, PerCpuHashMap])
def test_every_way_to_insert(kind: Any) -> None:
    with kind(c_uint32, c_uint64, 2) as m, kind(c_uint32, Pair, 1) as pairs, ArrayMap(c_uint64, 8) as out:
        m.update({1: 5, 2: 6})
        pairs[1] = Pair(1, 1)

        def insert(skb: Any) -> int:
            n = skb.len
            m[n] = 1
            m[n] += 1
            m[n] -= 1
            out[1] = m.add(n, 1)
            out[2] = m.setdefault(n, 9)
            out[3] = -funcs.map_update_elem(m, n, 7, 0)
            pairs[n] = (1, 2)
            out[4] = pairs.add(n, Pair(3, 4))
            entry = pairs.setdefault(n, Pair(5, 6))
            out[5] = entry is None
            # None of these is a loss.
            m[1] = 7
            m[2] += 1
            out[6] = m.add(1, 1)
            m.setdefault(2, 1)
            funcs.map_update_elem(m, 1, 8, 1)
            funcs.map_update_elem(m, n, 8, 2)
            pairs[1] = (2, 2)
            return 0

        with tc(insert) as program:
            assert (m.lost, pairs.lost) == (0, 0)
            for _ in range(3):
                assert program.test_run(PACKET).retval == 0
        assert (m.lost, pairs.lost) == (18, 9)
        assert list(out.values())[1:7] == [0, 0, 7, 0, 1, 0]
        assert sorted(m.keys()) == [1, 2] and list(pairs.keys()) == [1]
    assert (m.lost, pairs.lost) == (18, 9), "the counts are kept after close()"


def test_a_full_trie() -> None:
    with LpmTrieMap(c_uint32, c_uint64, 1) as trie:
        trie["10.0.0.1/32"] = 1

        def insert(skb: Any) -> int:
            trie[skb.len] = 1
            trie[0x0100000A] = 2
            return 0

        with tc(insert) as program:
            program.test_run(PACKET, repeat=4)
        assert trie.lost == 4 and trie["10.0.0.1"] == 2


def test_full_by_several_cpus_at_once() -> None:
    """Every key is new: what isn't in the map was lost."""
    count = 2000
    with HashMap(c_uint32, c_uint64, 700) as m, HashMap(c_uint32, c_uint64, 700) as added:
        numbers = ArrayMap(c_uint64, 1)

        def insert(skb: Any) -> int:
            key = funcs.get_prandom_u32()
            m[key] = 1
            added[key] += 1
            numbers[0] += 1
            return 0

        with tc(insert) as program, numbers:
            on_all_cpus(program, count)
            runs = numbers[0]
        assert runs == count * len(CPUS)
        # A key may come twice, with a probability of one in a thousand.
        assert abs(len(m) + m.lost - runs) <= 2
        assert sum(added.values()) + added.lost == runs


def test_each_key_once_on_each_cpu() -> None:
    count = 3000
    with HashMap(c_uint64, c_uint64, 1000) as m, HashMap(c_uint32, c_uint64, 64) as turns:
        turns.update(dict.fromkeys(range(64), 0))

        def insert(skb: Any) -> int:
            cpu = funcs.get_smp_processor_id()
            turns[cpu] += 1
            m[turns[cpu] << 32 | cpu] = 1
            return 0

        with tc(insert) as program:
            on_all_cpus(program, count)
        assert len(m) + m.lost == count * len(CPUS)
        assert m.lost == count * len(CPUS) - 1000 and turns.lost == 0


def test_programs_share_the_count() -> None:
    with HashMap(c_uint32, c_uint64, 1) as m:
        m[0] = 0

        def first(skb: Any) -> int:
            m[skb.len] = 1
            return 0

        def second(skb: Any) -> int:
            m[skb.len] += 1
            return 0

        for fn, runs in ((first, 3), (second, 4), (first, 5)):
            with tc(fn) as program:
                program.test_run(PACKET, repeat=runs)
        assert m.lost == 12


def test_what_makes_no_counter() -> None:
    with ArrayMap(c_uint64, 4) as array, HashMap(c_uint32, c_uint64, 4) as m, LruHashMap(c_uint32, c_uint64, 4) as lru:

        def use(skb: Any) -> int:
            array[skb.len & 3] = 1
            array[1] += 1
            del m[skb.len]
            return m[2] + m.get(3, 1) + m.pop(4)

        spec = compile_prog(ProgType.SCHED_CLS, SK_BUFF, use)
        assert len(spec.maps) == 2 and m._counter is None and array._counter is None

        def evict(skb: Any) -> int:
            lru[funcs.get_prandom_u32()] = 1
            return 0

        with tc(evict) as program:
            program.test_run(PACKET, repeat=50)
        assert (array.lost, m.lost, lru.lost) == (0, 0, 0)


def test_python_raises_and_counts_nothing() -> None:
    with HashMap(c_uint32, c_uint64, 1) as m:
        m[1] = 1
        with pytest.raises(py2bpf.exception.KernelError):
            m[2] = 2
        assert m.lost == 0


def test_simulated_programs_count_too() -> None:
    with HashMap(c_uint32, c_uint64, 1) as m:
        m[1] = 1

        def insert(skb: Any) -> int:
            m[skb.len] = 1
            m.add(skb.len, 2)
            m.add(1, 2)
            return 0

        sim.run(insert, PACKET)
        sim.run(insert, PACKET, isolated=True)
        assert m.lost == 2


# The ledger


def test_queues_maps_and_programs() -> None:
    with (
        RingBuffer(c_uint64, PAGESIZE, name="led_ring") as ring,
        BpfQueue(Pair, 1, name="led_queue", latency=0) as queue,
        HashMap(c_uint32, c_uint64, 2, name="led_map") as m,
    ):

        def led_prog(skb: Any) -> int:
            ring.output(skb.len)
            queue.output(skb, Pair(1, 2))
            m[funcs.get_prandom_u32() >> 1] = 1
            return 10 // (skb.len - 70)

        with tc(led_prog) as program:
            assert not any(lost_by(name) for name in ("led_ring", "led_queue", "led_map", "led_prog"))
            zeros = [loss for loss in py2bpf.losses(all=True) if loss.name.startswith("led_")]
            assert [(loss.kind, loss.count) for loss in zeros] == [
                ("ring buffer", 0), ("queue", 0), ("map", 0), ("program", 0)]
            assert all(loss.where.startswith(f"{__file__}:") for loss in zeros)
            on_all_cpus(program, 1000)
            for _ in range(3):
                program.test_run(bytes(70))
            runs = 1000 * len(CPUS) + 3
            got = len(ring.poll(0)), len(queue.poll(0))
            assert lost_by("led_ring") == {"ring buffer": runs - got[0]}
            assert lost_by("led_queue") == {"queue": runs - got[1]} and got[1] < runs
            assert lost_by("led_map") == {"map": runs - 2}
            (error,) = [loss for loss in py2bpf.losses() if loss.name == "led_prog"]
            assert error.count == 3 and "ZeroDivisionError" in error.hint
            line = led_prog.__code__.co_firstlineno + 4
            assert error.where == f"{__file__}:{line}"
            table = str(py2bpf.losses())
            assert f"{runs - 2}" in table and "led_map" in table and "prog.errors" in table
    assert not any(lost_by(name) for name in ("led_ring", "led_queue", "led_map", "led_prog"))
    assert m.lost == runs - 2 and ring.lost == runs - got[0] and queue.lost == runs - got[1]


def test_the_queue_of_each_cpu() -> None:
    """Each CPU's ring takes as many as it has room for."""
    written = {cpu: 3000 + 500 * i for i, cpu in enumerate(CPUS)}
    with BpfQueue(c_uint32, 1, name="led_cpus") as queue:
        with tc(lambda skb: queue.output(skb, funcs.get_smp_processor_id())) as program:
            for cpu, count in written.items():
                run_on(cpu, program, count)
        got = [cpu for _ in range(2) for cpu in queue.poll(0)]
        lost = {cpu: count - got.count(cpu) for cpu, count in written.items()}
        assert all(lost.values()) and {cpu: queue.lost_by_cpu()[cpu] for cpu in CPUS} == lost
        (row,) = [loss for loss in py2bpf.losses() if loss.name == "led_cpus"]
        assert row.count == queue.lost == sum(lost.values())
        assert all(f"{count} of CPU {cpu}" in row.hint for cpu, count in lost.items())


def test_the_ledger_keeps_nothing_alive() -> None:
    gc.collect()
    before = len(ledger._alive)
    maps = [create_map(c_uint32, c_uint32, 1) for _ in range(20)]
    refs = [weakref.ref(each) for each in maps]
    assert len(ledger._alive) == before + 20
    del maps
    gc.collect()
    assert not any(ref() for ref in refs)
    assert len(ledger._alive) == before


def test_an_empty_ledger_says_so() -> None:
    assert str(ledger.Ledger()) == "nothing was lost" and ledger.Ledger().total == 0


def test_closed_and_forked_objects_are_no_trouble() -> None:
    with RingBuffer(c_uint64, PAGESIZE), BpfQueue(c_uint64, 1):
        in_child(lambda: py2bpf.losses(all=True))
    py2bpf.losses(all=True)


RAW_TRACEPOINT_OPEN = 17
"""BPF_RAW_TRACEPOINT_OPEN; its attribute is the name's address and the program."""


@pytest.mark.kernel_only
def test_runs_that_the_kernel_left_out() -> None:
    """A program on the tracepoint behind trace_printk() that itself prints is not run again for that."""
    me = os.getpid()

    def led_echo(event: Any) -> int:
        if funcs.get_current_pid_tgid() >> 32 == me:
            funcs.trace_printk("py2bpf hears itself")
        return 0

    def say(event: Any) -> int:
        return funcs.trace_printk("py2bpf")

    def raw(fn: Callable[[Any], Any]) -> Prog:
        return create_prog(ProgType.RAW_TRACEPOINT, Pair, fn)

    with raw(led_echo) as echo, raw(say) as speaker:
        name = b"bpf_trace_printk\0"
        attr = bytearray(struct.pack("=QI4x", bpf_call.address(name), 0))
        with Handle("a raw tracepoint") as attached:
            made = bpf_call.bpf_make(attached, RAW_TRACEPOINT_OPEN, attr, (echo.handle, 8))
            failures.checked(made, "attaching to a raw tracepoint")
            for _ in range(17):
                assert speaker.test_run(ctx=bytes(8)).retval > 0
        (lost,) = [loss for loss in py2bpf.losses() if loss.name == "led_echo"]
        assert (lost.kind, lost.count) == ("program", 17) and "running on that CPU" in lost.hint
    assert lost_by("led_echo") == {}


@pytest.mark.parametrize("kind", [BpfQueue, RingBuffer])
def test_losses_are_read_while_records_are_taken(kind: Any) -> None:
    """In one thread programs write, in one they are taken, in one the losses are read: none is seen to go back."""
    count, over = 3000, threading.Event()
    seen, taken = [0], []
    with kind(c_uint32, PAGESIZE if kind is RingBuffer else 1) as queue:

        def write(skb: Any) -> int:
            if kind is RingBuffer:
                queue.output(c_uint32(7))
            else:
                queue.output(skb, c_uint32(7))
            return 0

        def take() -> None:
            taken.extend(queue)

        def look() -> None:
            while not over.is_set():
                seen.append(queue.lost)

        with tc(write) as program:
            threads = [threading.Thread(target=body) for body in (take, look)]
            for thread in threads:
                thread.start()
            program.test_run(PACKET, repeat=count)
            over.set()
            queue.close()
            for thread in threads:
                thread.join()
        assert seen == sorted(seen) and len(taken) + queue.lost == count
