"""Spin-locked map values: in programs, in user space, and what is refused."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from locked_values import Flow, Narrow

from py2bpf.compiler import pipeline
from py2bpf.datastructures import (
    ArrayMap,
    HashMap,
    LpmTrieMap,
    LruHashMap,
    PerCpuHashMap,
    SpinLock,
)
from py2bpf.exception import DataTypeError
from py2bpf.prog import Prog, create_prog
from py2bpf.uapi.contexts import SK_BUFF
from py2bpf.uapi.prog_types import ProgType

pytestmark = pytest.mark.filterwarnings("ignore::py2bpf.exception.PossiblyNone")
kernel = pytest.mark.kernel
PACKET = bytes(64)


@pytest.fixture(autouse=True)
def _checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "checking", True)


@pytest.fixture(params=[HashMap, ArrayMap])
def flows(request: pytest.FixtureRequest) -> Iterator[Any]:
    make = request.param
    with make(ctypes.c_uint32, Flow, 8) if make is HashMap else make(Flow, 8) as m:
        if make is HashMap:
            m[1] = Flow()
        yield m


def load(fn: Any, prog_type: ProgType = ProgType.SCHED_CLS) -> Prog:
    return create_prog(prog_type, SK_BUFF, fn)


def counting(m: Any, key: int) -> Callable[[Any], int]:
    def prog(skb: Any) -> Any:
        size = skb.len
        with m.lock(key) as flow:
            if flow:
                flow.packets += 1
                flow.size = flow.size + size
                flow.mean = flow.size // flow.packets
                if flow.packets == 3:
                    return flow.packets * 100
        return 7

    return prog


@kernel
def test_counting(flows: Any) -> None:
    with load(counting(flows, 1)) as prog:
        assert [prog.test_run(PACKET).retval for _ in range(4)] == [7, 7, 300, 7]
        assert (flows[1].packets, flows[1].size, flows[1].mean) == (4, 4 * 64, 64)


@kernel
def test_a_missing_key_takes_no_lock() -> None:
    with HashMap(ctypes.c_uint32, Flow, 8) as flows, load(counting(flows, 5)) as prog:
        assert prog.test_run(PACKET).retval == 7
        assert 5 not in flows


@kernel
def test_every_way_out(flows: Any) -> None:
    """continue, break, return and falling off; a lock that stayed held would be refused by the verifier."""

    def prog(skb: Any) -> Any:
        total = 0
        for i in range(6):
            with flows.lock(1) as flow:
                if not flow:
                    return 1000
                if flow.packets == 1:
                    flow.packets = 2
                    continue
                if flow.packets == 4:
                    break
                if flow.packets == 9:
                    return 900 + i
                flow.packets = flow.packets + 1
                total = total + flow.packets
        return total

    with load(prog) as loaded:
        for begin, wanted in ((0, 1 + 3 + 4), (4, 0), (9, 900), (5, 6 + 7 + 8 + 9)):
            flows[1] = Flow(packets=begin)
            assert loaded.test_run(PACKET).retval in (wanted, 904), begin


@kernel
def test_what_python_would_raise_gives_the_lock_back(flows: Any) -> None:
    def prog(skb: Any) -> Any:
        divisor = skb.mark
        with flows.lock(1) as flow:
            flow.packets += 1
            flow.mean = 640 // divisor
            if flow.packets >= 3:
                raise ValueError(flow.packets)
        return 7

    with load(prog) as loaded:
        ctx = SK_BUFF.struct(mark=10)
        assert [loaded.test_run(PACKET, ctx=ctx).retval for _ in range(2)] == [7, 7]
        assert loaded.test_run(PACKET, ctx=ctx).retval != 7
        assert loaded.test_run(PACKET).retval != 7
        assert (flows[1].packets, flows[1].mean) == (4, 64)
        assert sum(loaded.errors.values()) == 2


@kernel
def test_in_a_function_that_is_called(flows: Any) -> None:
    def add(flow: Any, size: Any) -> Any:
        if flow.packets == 2:
            return 0
        flow.size += size
        return 1

    def locked(key: Any, size: Any) -> Any:
        with flows.lock(key) as flow:
            if flow is None:
                return 2
            flow.packets += 1
            return add(flow, size)

    def prog(skb: Any) -> Any:
        return locked(1, skb.len) * 10 + locked(skb.mark + 7, 1)

    with load(prog) as loaded:
        # The array has an entry 7 too, the hash hasn't.
        wanted = [12, 2, 12] if isinstance(flows, HashMap) else [11, 0, 11]
        assert [loaded.test_run(PACKET).retval for _ in range(3)] == wanted
        assert flows[1].size == 128


class Locked(ctypes.Structure):
    _fields_ = (("lock", SpinLock), ("narrow", Narrow), ("items", Narrow * 2))


@kernel
def test_numbers_without_atomic_operations_change_under_the_lock() -> None:
    """They are stored as ctypes does: cut to their size."""

    def prog(skb: Any) -> Any:
        i = skb.len
        with locked.lock(1) as entry:
            entry.narrow.level -= 100
            entry.narrow.low += 5
            entry.narrow.high ^= i & 31
            entry.narrow.short += i << 10
            entry.narrow.words[i & 3] |= 0x1234
            entry.items[i & 1].big -= 1
            entry.items[1].words[2] += entry.narrow.level
        return 7

    with HashMap(ctypes.c_uint32, Locked, 4) as locked:
        locked[1] = Locked()
        with load(prog) as loaded:
            assert [loaded.test_run(bytes(67)).retval for _ in range(3)] == [7] * 3
        compiled = bytes(locked[1])
        locked[1] = Locked()
        assert [prog(SK_BUFF.struct(len=67)) for _ in range(3)] == [7] * 3
        assert bytes(locked[1]) == compiled
        assert (locked[1].narrow.level, locked[1].narrow.low, locked[1].items[1].big) == (-300 + 256, 7, 2**32 - 3)


@kernel
def test_returns_from_the_iterations_of_an_unrolled_loop(flows: Any) -> None:
    def prog(skb: Any) -> Any:
        for i in range(1, 4):
            with flows.lock(i) as flow:
                if not flow:
                    return 100 + i
                flow.packets += i
                if flow.size:
                    return 200 + i
        return 7

    with load(prog) as loaded:
        assert loaded.test_run(PACKET).retval == (102 if isinstance(flows, HashMap) else 7)
        flows[2] = flows[3] = Flow()
        assert loaded.test_run(PACKET).retval == 7
        flows[2] = Flow(size=5)
        assert loaded.test_run(PACKET).retval == 202
        assert [flows[i].packets for i in (1, 2, 3)] == [3, 2, 3]


@kernel
def test_two_locks_in_turn(flows: Any) -> None:
    def prog(skb: Any) -> Any:
        with flows.lock(1) as flow:
            if flow:
                flow.packets = 5
        with flows.lock(1):
            pass
        with flows.lock(1) as flow:
            return flow.packets

    with load(prog) as loaded:
        assert loaded.test_run(PACKET).retval == 5


@kernel
def test_a_loop_at_run_time_under_the_lock(flows: Any) -> None:
    def prog(skb: Any) -> Any:
        n = skb.len & 63 | 32
        with flows.lock(1) as flow:
            if flow:
                for i in range(n):
                    flow.size = flow.size + i
                return flow.size
        return 0

    with load(prog) as loaded:
        assert loaded.test_run(PACKET).retval == sum(range(32))
        assert not loaded.spec.kfuncs


@kernel
def test_locks_in_a_long_loop(flows: Any) -> None:
    with ArrayMap(ctypes.c_uint32, 1) as limit:
        limit[0] = 3000

        def prog(skb: Any) -> Any:
            for i in range(limit[0]):
                with flows.lock(i % 4) as flow:
                    if flow:
                        if flow.packets == 500:
                            break
                        flow.packets = flow.packets + 1
            return 7

        with load(prog) as loaded:
            assert loaded.test_run(PACKET).retval == 7
            assert flows[1].packets == 500


@kernel
def test_whole_values_are_stored_under_the_lock(flows: Any) -> None:
    def prog(skb: Any) -> Any:
        flows[1] = Flow(packets=3, size=skb.len, name=b"abc")
        return 0

    with load(prog) as loaded:
        loaded.test_run(PACKET)
        assert (flows[1].packets, flows[1].size, flows[1].name) == (3, 64, b"abc")


@kernel
def test_programs_run_at_the_same_time(flows: Any) -> None:
    def prog(skb: Any) -> Any:
        with flows.lock(1) as flow:
            if flow:
                flow.size = flow.size + 1
                flow.mean = flow.mean + 2
        return 0

    torn: list[Any] = []
    with load(prog) as loaded:
        threads = [threading.Thread(target=loaded.test_run, args=(PACKET, None, 20_000)) for _ in range(3)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            flow = flows[1]
            torn += [flow] if flow.mean != 2 * flow.size else []
            torn += [value for _, value in flows.items() if value.mean != 2 * value.size]
        for thread in threads:
            thread.join()
    assert torn == []
    assert (flows[1].size, flows[1].mean) == (60_000, 120_000)


@kernel
def test_user_space(flows: Any) -> None:
    with flows.lock(1) as flow:
        flow.packets = 9
        flow.name = b"x"
    assert (flows[1].packets, flows[1].name) == (9, b"x")
    flows.update({1: Flow(packets=4)})
    assert flows[1].packets == 4
    assert (1, 4) in [(key, value.packets) for key, value in flows.items()]
    if isinstance(flows, HashMap):
        with flows.lock(2) as missing:
            assert missing is None
        with flows.lock(1) as flow:
            del flows[1]
        assert 1 not in flows
        assert flows.add(3, Flow(packets=1)) and not flows.add(3, Flow())
        assert flows.pop(3).packets == 1


@kernel
def test_what_user_space_changed_before_an_error_stays(flows: Any) -> None:
    with pytest.raises(ZeroDivisionError), flows.lock(1) as flow:
        flow.packets = 9
        1 // 0
    assert flows[1].packets == 9


@kernel
def test_the_same_function_runs_in_cpython(flows: Any) -> None:
    skb = SK_BUFF.struct(len=64)
    with load(counting(flows, 1)) as prog:
        compiled = [prog.test_run(PACKET).retval for _ in range(4)]
    after = bytes(flows[1])
    flows[1] = Flow()
    assert [counting(flows, 1)(skb) for _ in range(4)] == compiled
    assert bytes(flows[1]) == after


# what is refused
class Two(ctypes.Structure):
    _fields_ = (("a", SpinLock), ("b", SpinLock))


class Outer(ctypes.Structure):
    _fields_ = (("n", ctypes.c_uint32), ("flow", Flow))


class Packed(ctypes.Structure):
    _pack_, _layout_ = 1, "ms"
    _layout_ = "ms"
    _fields_ = (("n", ctypes.c_uint8), ("lock", SpinLock))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: LruHashMap(ctypes.c_uint32, Flow, 4), "a LRU hash map can't hold values with a spin lock"),
        (lambda: PerCpuHashMap(ctypes.c_uint32, Flow, 4), "can't hold values with a spin lock; HashMap and ArrayMap"),
        (lambda: LpmTrieMap(ctypes.c_uint32, Flow, 4), "can't hold values with a spin lock"),
        (lambda: HashMap(Flow, ctypes.c_uint32, 4), "a key has no spin lock"),
        (lambda: HashMap(ctypes.c_uint32, Two, 4), "may have one SpinLock"),
        (lambda: HashMap(ctypes.c_uint32, Outer, 4), "as a field of its own"),
        (lambda: HashMap(ctypes.c_uint32, SpinLock, 4), "as a field of its own"),
        (lambda: ArrayMap(SpinLock * 2, 4), "may have one SpinLock"),
        (lambda: ArrayMap(Packed, 4), "multiple of 4 bytes"),
    ],
)
def test_locks_that_the_kernel_does_not_know(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(DataTypeError, match=says):
        make()


@kernel
def test_a_map_without_locks() -> None:
    with HashMap(ctypes.c_uint32, ctypes.c_uint32, 4) as m, pytest.raises(DataTypeError, match="have no spin lock"):
        m.lock(1)
