"""Taking all entries out of a map while programs count in it: exactly the documented guarantees."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import Structure, c_uint8, c_uint32, c_uint64
from typing import Any

import pytest

from py2bpf import Global, funcs
from py2bpf.datastructures import (
    ArrayMap,
    HashMap,
    LpmTrieMap,
    LruHashMap,
    LruPerCpuHashMap,
    PerCpuArrayMap,
    PerCpuHashMap,
    ProgArray,
    SpinLock,
    StackTraceMap,
    create_map,
)
from py2bpf.exception import ClosedError, DataTypeError
from py2bpf.prog import Prog, ProgType, create_prog
from py2bpf.socket_filter import SkBuffContext
from py2bpf.uapi.contexts import SK_BUFF

numpy = pytest.importorskip("numpy")

pytestmark = pytest.mark.kernel
PACKET = bytes(64)
AT_ONCE = 500
SECONDS = 1.0
PATIENCE = 30
KINDS = [HashMap, LruHashMap, PerCpuHashMap, LruPerCpuHashMap]


class Locked(Structure):
    _fields_ = [("lock", SpinLock), ("first", c_uint64), ("second", c_uint64)]


@contextmanager
def running(prog: Prog) -> Iterator[Callable[[], int]]:
    """Runs the program without a pause on the first CPU, this thread on the last; the runs, once they have ended."""
    runs, ending, cpus = 0, threading.Event(), sorted(os.sched_getaffinity(0))

    def work() -> None:
        nonlocal runs
        os.sched_setaffinity(0, {cpus[0]})
        while not ending.is_set():
            prog.test_run(PACKET, repeat=AT_ONCE)
            runs += AT_ONCE

    def end() -> int:
        ending.set()
        thread.join()
        return runs

    thread = threading.Thread(target=work)
    os.sched_setaffinity(0, {cpus[-1]})
    thread.start()
    try:
        yield end
    finally:
        end()
        os.sched_setaffinity(0, cpus)


def number(value: Any) -> int:
    return value if isinstance(value, int) else value.sum()


@pytest.mark.any_kernel
@pytest.mark.parametrize("kind", KINDS)
def test_entries_come_out_once(kind: Any) -> None:
    with kind(c_uint32, c_uint64, 1 << 14) as m:
        m.update((i, 3 * i) for i in range(5000))
        before = m.items()
        taken = m.pop_all()
        assert sorted(taken) == sorted(before) and len(m) == 0 and not m.pop_all()
        m[1] = 2
        keys, values = m.arrays(pop=True)
        assert keys.tolist() == [1] and set(values.reshape(-1).tolist()) == {2} and 1 not in m


@pytest.mark.parametrize("kind", KINDS)
def test_at_most_what_runs_change_at_that_moment_is_lost(kind: Any, backend: str) -> None:
    """One program runs at a time, so each entry that is taken can cost one count, and none in the embedded VM."""
    with kind(c_uint32, c_uint64, 1 << 13) as m:

        def count(skb: Any) -> Any:
            m[funcs.get_prandom_u32() & 63] += 1
            return 0

        counted = taken = 0
        with create_prog(ProgType.SOCKET_FILTER, SkBuffContext, count) as prog, running(prog) as end:
            deadline = time.monotonic() + SECONDS
            while time.monotonic() < deadline:
                items = m.pop_all()
                counted += sum(number(value) for _, value in items)
                taken += len(items)
            runs = end()
        counted += sum(number(value) for _, value in m.pop_all())
        assert counted > runs // 2 and taken > 10
        assert runs - (0 if backend == "vm" else taken) <= counted <= runs


@pytest.mark.any_kernel
@pytest.mark.parametrize("kind", [HashMap, PerCpuHashMap])
def test_two_maps_in_turn_lose_nothing(kind: Any) -> None:
    with kind(c_uint32, c_uint64, 1024) as even, kind(c_uint32, c_uint64, 1024) as odd, Global(c_uint32) as turn:

        def count(skb: Any) -> Any:
            key = funcs.get_prandom_u32() & 63
            if turn.value:
                odd[key] += 1
            else:
                even[key] += 1
            return 0

        counted = turns = 0
        with create_prog(ProgType.SOCKET_FILTER, SkBuffContext, count) as prog, running(prog) as end:
            deadline = time.monotonic() + SECONDS
            while time.monotonic() < deadline or turns < 4:
                turn.value = 1 - turn.value
                full = even if turn.value else odd
                full.synchronize()
                counted += sum(number(value) for _, value in full.pop_all())
                assert not full.pop_all(), "a program still counted in it"
                turns += 1
            runs = end()
        rest = [number(value) for m in (even, odd) for _, value in m.pop_all()]
        assert counted + sum(rest) == runs > 0 and counted > 0


def test_values_are_taken_under_their_lock(backend: str) -> None:
    """Both numbers are changed together, and so come together."""
    with HashMap(c_uint32, Locked, 16) as m:
        for i in range(4):
            m[i] = Locked()

        def count(skb: Any) -> Any:
            with m.lock(0) as entry:
                if entry is not None:
                    entry.first += 1
                    entry.second += 1
            return 0

        seen = set()
        with create_prog(ProgType.SCHED_CLS, SK_BUFF, count) as prog, running(prog):
            begin = time.monotonic()
            while (took := time.monotonic() - begin) < SECONDS / 2 or (len(seen) <= 3 and took < PATIENCE):
                for values in (m.values(), [value for _, value in m.pop_all()]):
                    assert all(value.first == value.second for value in values)
                    seen.update(value.first for value in values)
                m[0] = Locked()
        assert len(seen) > 3


def test_pop_all_with_other_takers() -> None:
    with create_map(c_uint32, c_uint64, 1 << 14) as m:
        m.update((i, i) for i in range(10_000))
        got: list[list[int]] = [[], []]

        def take(mine: list[int]) -> None:
            while len(m):
                mine += [key for key, _ in m.pop_all()]

        threads = [threading.Thread(target=take, args=(mine,)) for mine in got]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(got[0] + got[1]) == list(range(10_000))


@pytest.mark.parametrize(("make", "says"), [
    (lambda: ArrayMap(c_uint64, 4), "its entries can't be deleted"),
    (lambda: PerCpuArrayMap(c_uint64, 4), "its entries can't be deleted"),
    (lambda: LpmTrieMap(c_uint32, c_uint64, 4), "can't read and delete a trie's entry in one step"),
    (lambda: ProgArray(4), "can't read and empty a slot in one step"),
])
def test_kinds_where_it_can_not_be_one_step(make: Any, says: str) -> None:
    with make() as m:
        for take in (m.pop_all, lambda: m.arrays(pop=True)):
            with pytest.raises(DataTypeError, match=says):
                take()


def test_stacks_can_be_taken() -> None:
    with StackTraceMap(4) as stacks:
        assert list(stacks.pop_all()) == []


def test_nothing_is_taken_that_numpy_can_not_hold() -> None:
    class Bits(Structure):
        _fields_ = [("low", c_uint8, 4), ("high", c_uint8, 4)]

    with create_map(c_uint32, Bits, 4) as m:
        m[1] = 3, 4
        with pytest.raises(DataTypeError, match="numpy has no bit fields"):
            m.arrays(pop=True)
        assert [(key, value.high) for key, value in m.pop_all()] == [(1, 4)]


def test_after_closing() -> None:
    with create_map(c_uint32, c_uint64, 4) as m:
        m.synchronize()
    for use in (m.pop_all, m.synchronize, lambda: m.arrays(pop=True)):
        with pytest.raises(ClosedError):
            use()


def test_arrays_of_what_was_taken_can_be_stored_again() -> None:
    with create_map(c_uint32, c_uint64, 100) as m:
        m.update(numpy.arange(100), numpy.arange(100))
        m.update(*m.arrays(pop=True))
        assert dict(m) == {i: i for i in range(100)}
