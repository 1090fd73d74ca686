"""Columns whose lengths lie or change, many readers of one queue, and types that no memory holds."""

from __future__ import annotations

import contextlib
import sys
import threading
import tracemalloc
from collections.abc import Callable
from ctypes import c_uint8, c_uint32, c_uint64
from typing import Any

import pytest

from py2bpf import vm
from py2bpf.datastructures import ArrayMap, BpfQueue, Global, HashMap, PerCpuArrayMap, RingBuffer
from py2bpf.exception import DataRangeError, DataTypeError, KernelError

pytestmark = pytest.mark.kernel


class Longer(list[int]):
    """Says that it has a million items."""

    def __len__(self) -> int:
        return 1_000_000


@pytest.mark.parametrize("where", ["kernel", "vm"])
@pytest.mark.parametrize("which", ["keys", "values", "both"])
def test_a_length_that_lies(where: Any, which: str) -> None:
    keys, values = (Longer((1, 2)) if which in (name, "both") else [1, 2] for name in ("keys", "values"))
    with vm.backend(where), HashMap(c_uint32, c_uint64, 8) as m:
        with contextlib.suppress(DataRangeError, ValueError):
            m.update(keys, values)
        assert set(m.items()) <= {(1, 1), (2, 2)}


@pytest.mark.parametrize("where", ["kernel", "vm"])
def test_a_length_that_another_thread_changes(where: Any) -> None:
    """What is stored is what was there at one time, or nothing."""
    keys, over = list(range(512)), threading.Event()

    def change() -> None:
        while not over.is_set():
            del keys[8:]
            keys.extend(range(8, 512))

    thread = threading.Thread(target=change)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    thread.start()
    try:
        with vm.backend(where), HashMap(c_uint32, c_uint64, 1024) as m:
            for _ in range(200):
                with contextlib.suppress(DataRangeError, ValueError):  # the two columns don't belong together
                    m.update(keys, keys)
            assert all(key == value for key, value in m.items())
    finally:
        over.set()
        thread.join()
        sys.setswitchinterval(before)


def test_many_readers_of_one_queue() -> None:
    """Each record goes to one of them, whichever way they read."""
    with vm.backend("vm"), RingBuffer(c_uint32, 1 << 16) as ring:
        got: list[list[int]] = [[] for _ in range(6)]
        errors: list[BaseException] = []

        def read(mine: list[int], number: int) -> None:
            room = bytearray(4 * 64)
            try:
                while True:
                    if number % 2:
                        mine.extend(ring.poll(0.01))
                    elif n := ring.read_into(room, 0.01):
                        mine.extend(memoryview(room).cast("I")[:n])
                    if (mine and mine[-1] == LAST) or ring.closed:
                        return
            except ValueError:
                pass  # closed
            except BaseException as error:  # noqa: BLE001 - told below
                errors.append(error)

        before = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        threads = [threading.Thread(target=read, args=(mine, i)) for i, mine in enumerate(got)]
        for thread in threads:
            thread.start()
        for number in range(3000):
            ring.deliver(number)
        ring.deliver(LAST)
        while sum(map(len, got)) <= 3000 and not errors:
            threading.Event().wait(0.01)
        ring.close()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(before)
    assert not errors, errors[0]
    assert sorted(number for mine in got for number in mine) == [*range(3000), LAST]


LAST = 1 << 31


def test_others_take_while_one_looks_for_what_was_interrupted() -> None:
    with vm.backend("vm"), RingBuffer(c_uint32, 4096) as ring:
        class Meanwhile:
            """Another thread takes a record just when this chunk is looked at."""

            @property
            def ready(self) -> bool:
                ring._pending.popleft()
                return True

        for number in range(3):
            ring.deliver(number)
        ring._pending.insert(1, Meanwhile())  # type: ignore[arg-type]
        ring._settle()
        assert len(ring._pending) == 3
        ring._pending.popleft()
        assert ring.poll(0) == [1, 2]


GIANT = c_uint8 * 2**31


@pytest.mark.parametrize("where", ["kernel", "vm"])
@pytest.mark.parametrize("make", [
    lambda: HashMap(GIANT, c_uint32, 4), lambda: HashMap(c_uint32, GIANT, 4), lambda: ArrayMap(GIANT, 4),
    lambda: BpfQueue(GIANT), lambda: RingBuffer(GIANT), lambda: Global(GIANT), lambda: PerCpuArrayMap(GIANT, 1),
])  # fmt: skip
def test_giant_types_are_refused_before_anything_is_made(where: Any, make: Callable[[], Any]) -> None:
    with vm.backend(where):
        tracemalloc.start()
        with pytest.raises((DataRangeError, DataTypeError, KernelError)):
            make()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert most < 1 << 24, most
