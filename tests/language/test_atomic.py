"""``m[k] += 1`` loses nothing when two CPUs do it at the same time; per-CPU maps add up."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from py2bpf import funcs
from py2bpf.datastructures import (
    ArrayMap,
    HashMap,
    LruHashMap,
    LruPerCpuHashMap,
    PerCpuArrayMap,
    PerCpuHashMap,
)
from py2bpf.prog import Prog, create_prog
from py2bpf.uapi.contexts import SK_BUFF
from py2bpf.uapi.prog_types import ProgType

pytestmark = pytest.mark.kernel

REPEAT = 200_000
PACKET = bytes(64)


def hammer(loaded: Prog) -> int:
    """Runs the program on two CPUs at once; returns how often it ran."""
    cpus = sorted(os.sched_getaffinity(0))[:2]
    if len(cpus) < 2:
        pytest.skip("needs two CPUs")
    start = threading.Barrier(len(cpus))

    def work(cpu: int) -> None:
        os.sched_setaffinity(0, {cpu})  # of this thread alone
        start.wait(10)
        loaded.test_run(PACKET, repeat=REPEAT)

    with ThreadPoolExecutor(len(cpus)) as pool:
        list(pool.map(work, cpus))
    return REPEAT * len(cpus)


def test_the_hammer_hits() -> None:
    """A read and a write lose updates; else these tests would prove nothing."""
    with ArrayMap(ctypes.c_uint64, 1) as counts:

        def prog(skb: Any) -> Any:
            counts[0] = counts[0] + 1
            return 0

        with create_prog(ProgType.SOCKET_FILTER, SK_BUFF, prog) as loaded:
            total = sum(hammer(loaded) for _ in range(5))
        assert counts[0] < total


class Stat(ctypes.Structure):
    _fields_ = (
        ("packets", ctypes.c_uint64),
        ("size", ctypes.c_uint32),
        ("down", ctypes.c_int32),
        ("cells", ctypes.c_uint64 * 4),
    )


@pytest.mark.parametrize("value", [ctypes.c_uint64, ctypes.c_int64, ctypes.c_uint32, ctypes.c_int32])
@pytest.mark.parametrize(
    "make",
    [
        lambda value: HashMap(ctypes.c_uint32, value, 4),
        lambda value: HashMap(ctypes.c_uint32, value, 4, default=100),
        lambda value: LruHashMap(ctypes.c_uint32, value, 64),
        lambda value: ArrayMap(value, 4),
    ],
    ids=["hash", "hash with a default", "LRU hash", "array"],
)
def test_numbers(make: Callable[[Any], Any], value: Any) -> None:
    """The key is missing when both begin."""
    with make(value) as counts:

        def prog(skb: Any) -> Any:
            counts[2] += 1
            counts[3] -= 2
            return 0

        with create_prog(ProgType.SOCKET_FILTER, SK_BUFF, prog) as loaded:
            total = hammer(loaded)
        first = counts.map_spec.default or 0
        assert counts[2] == first + total
        assert counts[3] == value(first - 2 * total).value


def test_bitwise_operations() -> None:
    """Each CPU sets, clears and flips bits of its own; a lost update would leave another's."""
    with HashMap(ctypes.c_uint32, ctypes.c_uint64, 4) as flags:
        def prog(skb: Any) -> Any:
            bit = 1 << (funcs.get_smp_processor_id() & 31)
            flags[0] |= bit
            flags[0] &= ~bit
            flags[1] ^= bit
            flags[1] ^= bit
            flags[2] |= bit
            return 0

        flags[0] = flags[1] = 0xFF << 32
        with create_prog(ProgType.SOCKET_FILTER, SK_BUFF, prog) as loaded:
            hammer(loaded)
        cpus = sorted(os.sched_getaffinity(0))[:2]
        assert dict(flags) == {0: 0xFF << 32, 1: 0xFF << 32, 2: sum(1 << cpu for cpu in cpus)}


@pytest.mark.parametrize("array", [False, True], ids=["hash", "array"])
def test_fields_of_structs(array: bool) -> None:
    with ArrayMap(Stat, 1) if array else HashMap(ctypes.c_uint32, Stat, 4) as stats:

        def prog(skb: Any) -> Any:
            stat = stats.get(0)
            if stat is None:
                return 1
            stat.packets += 1
            stat.size += 3
            stat.down -= 1
            stat.cells[skb.len & 3] += 2
            stat.cells[1] -= 1
            return 0

        stats[0] = Stat()
        with create_prog(ProgType.SOCKET_FILTER, SK_BUFF, prog) as loaded:
            total = hammer(loaded)
        found = stats[0]
        assert (found.packets, found.size, found.down) == (total, 3 * total, -total)
        assert list(found.cells) == [0, (1 << 64) - total, 2 * total, 0]


@pytest.mark.parametrize("kind", [PerCpuHashMap, LruPerCpuHashMap, PerCpuArrayMap])
@pytest.mark.parametrize("value", [ctypes.c_uint64, ctypes.c_uint16])
def test_per_cpu_sums(kind: Any, value: Any) -> None:
    with kind(value, 4) if kind is PerCpuArrayMap else kind(ctypes.c_uint32, value, 64) as counts:

        def prog(skb: Any) -> Any:
            counts[1] += 1
            counts[2] += skb.len
            return 0

        with create_prog(ProgType.SOCKET_FILTER, SK_BUFF, prog) as loaded:
            hammer(loaded)
        for cpu in sorted(os.sched_getaffinity(0))[:2]:
            assert counts[1][cpu] == value(REPEAT).value
            assert counts[2][cpu] == value(REPEAT * 50).value
        assert counts[1].sum() == 2 * value(REPEAT).value


def test_a_shared_key_made_by_both() -> None:
    """Both insert new keys all the time, and each update counts."""
    with HashMap(ctypes.c_uint32, ctypes.c_uint64, 4096) as counts, ArrayMap(ctypes.c_uint64, 1) as serial:

        def prog(skb: Any) -> Any:
            serial[0] += 1
            counts[serial[0] & 4095] += 1
            return 0

        with create_prog(ProgType.SOCKET_FILTER, SK_BUFF, prog) as loaded:
            total = hammer(loaded)
        assert serial[0] == total == sum(counts.values())
