"""Objects that another thread closes at the worst moment, which these tests choose: nothing made for them meanwhile may
leak.
"""

from __future__ import annotations

import contextlib
import gc
import mmap
import sys
import threading
from array import array
from ctypes import Structure, c_uint32, c_uint64
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from forked import in_child
from rounds import descriptors

from py2bpf import vm
from py2bpf._ffi import lib
from py2bpf.core.batches import Batch
from py2bpf.datastructures import ArrayMap, BpfQueue, Global, HashMap, RingBuffer, insertions
from py2bpf.exception import ClosedError
from py2bpf.prog import ProgType, create_prog
from py2bpf.socket_filter import SkBuffContext
from py2bpf.vm import map_calls

pytestmark = pytest.mark.kernel
everywhere = pytest.mark.parametrize("where", ["kernel", "vm"])


class Pair(Structure):
    _fields_ = [("a", c_uint32), ("b", c_uint32)]


@everywhere
def test_memory_of_a_view(where: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with vm.backend(where):
        before = descriptors()
        m = ArrayMap(c_uint64, 4, mmap=True)
        make = m._storage.memory  # type: ignore[attr-defined]

        def memory() -> Any:
            made = make()
            m.close()
            return made

        monkeypatch.setattr(type(m._storage), "memory", lambda _: memory())
        with contextlib.suppress(ClosedError):
            assert list(m.view()) == [0, 0, 0, 0]
        assert descriptors() == before, "the closed map holds its memory"
        with pytest.raises(ClosedError):
            m.view()


class ClosedAfter(Global):
    """Another thread closes it as soon as somebody has looked for its memory."""

    @property
    def _memory(self) -> Any:  # type: ignore[override]
        found = Global._memory.__get__(self)  # type: ignore[attr-defined]
        if found is not None:
            self.close()
        return found

    @_memory.setter
    def _memory(self, memory: Any) -> None:
        Global._memory.__set__(self, memory)  # type: ignore[attr-defined]


@everywhere
@pytest.mark.parametrize("use", [
    lambda: ClosedAfter(c_uint64).value, lambda: ClosedAfter(Pair).value.a,
    lambda: setattr(ClosedAfter(c_uint64), "value", 7),
], ids=["number", "structure", "store"])  # fmt: skip
def test_memory_of_a_global_variable(where: Any, use: Any) -> None:
    """The call that had begun ends as if it had come first, or finds it closed."""
    with vm.backend(where):
        with contextlib.suppress(ClosedError):
            assert use() in (0, None)


@everywhere
def test_counter_of_losses(where: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with vm.backend(where):
        before = descriptors()
        m = HashMap(c_uint32, c_uint64, 4)
        make = insertions.LossCounter

        def counter(where: Any) -> Any:
            m.close()
            return make(where)

        monkeypatch.setattr(insertions, "LossCounter", counter)
        with pytest.raises(ClosedError):
            m.lost_counter
        assert m.lost == 0
        assert descriptors() == before, "the closed map holds its counter"


@everywhere
@pytest.mark.parametrize("kind", [BpfQueue, RingBuffer])
def test_losses_of_a_queue_that_two_threads_close(where: Any, kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one, as an iteration that ends is, takes nothing away that the first one reads."""
    count = 3000
    with vm.backend(where), kind(c_uint32, mmap.PAGESIZE if kind is RingBuffer else 1) as queue:

        def write(skb: Any) -> int:
            queue.output(c_uint32(7)) if kind is RingBuffer else queue.output(skb, c_uint32(7))
            return 0

        with create_prog(ProgType.SCHED_CLS, SkBuffContext, write) as program:
            program.test_run(bytes(64), repeat=count)
        real, others = insertions.LossCounter.read, [threading.Thread(target=queue.close)]

        def read(counter: Any) -> int:
            if others:
                other = others.pop()
                other.start()
                other.join()
            return real(counter)

        monkeypatch.setattr(insertions.LossCounter, "read", read)
        queue.close()
        assert 0 < queue.lost < count and len(list(queue)) + queue.lost == count


def test_the_core_gives_memory_back_without_running_python() -> None:
    """A signal handler that raised there would raise into the core: nobody would hear of Ctrl-C."""
    called: list[str] = []

    def look(frame: FrameType, event: str, _what: Any) -> None:
        if event == "call":
            called.append(f"{Path(frame.f_code.co_filename).name}: {frame.f_code.co_name}")

    with vm.backend("vm"):
        handle = ArrayMap(c_uint64, 4, mmap=True)._storage.handle  # type: ignore[attr-defined]
        before = len(map_calls._lent)
        sys.setprofile(look)
        try:
            lib.p2b_handle_close(handle.cell)
        finally:
            sys.setprofile(None)
        assert called == []
        assert len(map_calls._lent) == before - 1


def batches_in_cycles() -> None:
    for out in (bytearray(64), memoryview(bytearray(64)), array("I", bytes(64)), (c_uint32 * 16)()):
        batch = Batch(out, 4, 16, cpus=array("I", bytes(64)), sizes=memoryview(bytearray(64)))
        cycle: list[Any] = [batch._held]  # younger than the memory, which is collected first then
        cycle.append(cycle)
        del batch, cycle
        gc.collect()


def test_where_records_are_put_is_collected() -> None:
    """CPython raises, or crashes, where it collects a memoryview of which somebody else still has the memory."""
    in_child(batches_in_cycles)
