"""Reading maps while other processes and threads change them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import c_uint32, c_uint64
from typing import Any

import pytest

from py2bpf.datastructures import HashMap, LpmTrieMap, LruHashMap, LruPerCpuHashMap, PerCpuHashMap, create_map

pytestmark = pytest.mark.kernel
STABLE = 200
CHURN = 300


@contextmanager
def other_process(change: Callable[[int], None]) -> Iterator[None]:
    """Another process changes the map until the end of the block."""
    pid = os.fork()
    if not pid:
        try:
            deadline, i = time.monotonic() + 30, 0
            while time.monotonic() < deadline:
                change(i)
                i += 1
        finally:
            os._exit(1)
    try:
        yield
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def lpm_key(i: int) -> str:
    return f"10.{i >> 8}.{i & 255}.0/24"


def snapshots(m: Any) -> Iterator[list[Any]]:
    """The keys, by every way to read a whole map."""
    yield list(m)
    yield [key for key, _ in m.items()]
    keys, values = m.arrays()
    assert len(keys) == len(values)
    yield m._keys.decode_many(keys.tobytes(), len(keys))
    if isinstance(m, (PerCpuHashMap, LruPerCpuHashMap)):
        yield [key for key, _ in m.sums()]
        yield m.sum_arrays()[0].tolist()


@pytest.mark.unsanitized("forks beside threads")
@pytest.mark.kernel_only
@pytest.mark.any_kernel
@pytest.mark.parametrize(("make", "name"), [
    (lambda: HashMap(c_uint32, c_uint64, 4096), int),
    (lambda: LruHashMap(c_uint32, c_uint64, 65536), int),
    (lambda: PerCpuHashMap(c_uint32, c_uint64, 4096), int),
    (lambda: LruPerCpuHashMap(c_uint32, c_uint64, 65536), int),
    (lambda: LpmTrieMap(c_uint32, c_uint64, 4096), lpm_key),
])
def test_snapshots_have_every_stable_key_once(make: Any, name: Callable[[int], Any]) -> None:
    with make() as m:
        stable = [name(2 * i) for i in range(STABLE)]
        for key in stable:
            m[key] = 1

        def change(i: int) -> None:
            key = name(2 * (i % CHURN) + 1)
            if m.pop(key, None) is None:
                m[key] = 2

        wanted = sorted(map(str, stable))
        with other_process(change):
            deadline, rounds = time.monotonic() + 1.0, 0
            while rounds < 4 or time.monotonic() < deadline:  # a slow machine takes longer
                for snapshot in snapshots(m):
                    seen = [str(key) for key in snapshot]
                    assert len(seen) == len(set(seen)), "a key came twice"
                    found = set(seen)
                    assert [key for key in wanted if key in found] == wanted
                assert STABLE <= len(m) <= STABLE + CHURN
                rounds += 1


def test_deleting_while_iterating() -> None:
    with create_map(c_uint32, c_uint64, 1024) as m:
        m.update((i, i) for i in range(500))
        for key in m:
            del m[key]
        assert len(m) == 0
        m.update((i, i) for i in range(500))
        for key, _ in m.items():
            m[key + 500] = 1
        assert len(m) == 1000


@pytest.mark.unsanitized("forks beside threads")
@pytest.mark.kernel_only
def test_clear_ends_while_another_process_inserts() -> None:
    with create_map(c_uint32, c_uint64, 4096) as m:
        with other_process(lambda i: m.__setitem__(i % 4096, 1)):
            time.sleep(0.1)
            for _ in range(20):
                m.clear()
        m.clear()
        assert len(m) == 0


@pytest.mark.any_kernel
def test_pop_hands_each_entry_to_one_taker() -> None:
    with create_map(c_uint32, c_uint64, 4096) as m:
        m.update((i, i) for i in range(4000))
        taken: list[list[int]] = [[], []]

        def take(mine: list[int]) -> None:
            for key in range(4000):
                if m.pop(key, None) is not None:
                    mine.append(key)

        threads = [threading.Thread(target=take, args=(mine,)) for mine in taken]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(taken[0] + taken[1]) == list(range(4000)) and len(m) == 0


def test_add_and_setdefault_insert_once() -> None:
    with create_map(c_uint32, c_uint64, 4096) as m:
        wins: list[int] = []

        def insert(me: int) -> None:
            for key in range(2000):
                if m.add(key, me):
                    wins.append(key)
                assert m.setdefault(key + 2000, me) in (1, 2)

        threads = [threading.Thread(target=insert, args=(me,)) for me in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(wins) == list(range(2000)) and len(m) == 4000


def test_popitem_empties_a_map_shared_by_threads() -> None:
    with create_map(c_uint32, c_uint64, 4096) as m:
        m.update((i, i) for i in range(1000))
        got: list[tuple[int, int]] = []

        def take() -> None:
            while True:
                try:
                    got.append(m.popitem())
                except KeyError:
                    return

        threads = [threading.Thread(target=take) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(got) == [(i, i) for i in range(1000)]
