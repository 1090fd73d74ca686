"""Whole programs from Python in the VM and in the kernel: features that are hard to imitate have the same results."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from ctypes import c_int64, c_uint16, c_uint32, c_uint64
from typing import Any

import pytest
from vm_programs import refused_helpers

from py2bpf import Global, funcs, net, vm
from py2bpf.asm import FRAME, Alu, alu_imm, call, exit_, ld_map_value, load, mov, mov_imm, store_imm
from py2bpf.datastructures import ArrayMap, BpfQueue, HashMap, PerCpuArrayMap, ProgArray, SpinLock
from py2bpf.exception import VmFault
from py2bpf.prog import create_prog
from py2bpf.spec import MapSpec, ProgramSpec
from py2bpf.uapi.contexts import SK_BUFF, XDP_MD
from py2bpf.uapi.helpers import HELPERS
from py2bpf.uapi.hooks import SPECS
from py2bpf.uapi.map_types import MapType
from py2bpf.uapi.prog_types import ProgType
from py2bpf.vm import vm_map, vm_program
from py2bpf.vm.machine import machine

pytestmark = pytest.mark.filterwarnings("ignore::py2bpf.exception.PossiblyNone")
kernel = pytest.mark.kernel
LOCK, UNLOCK = 93, 94
CONTEXTS = {ProgType.SOCKET_FILTER: SK_BUFF, ProgType.SCHED_CLS: SK_BUFF, ProgType.XDP: XDP_MD}


def packets() -> list[bytes]:
    header = bytes.fromhex("0200000000010a0000000001")
    tail = bytes.fromhex("4500002e00004000401100007f0000017f000002") + bytes(range(40))
    return [header + kind + tail for kind in (b"\x08\0", b"\x81\0\0\x07\x08\0", b"\x86\xdd", b"\x12\x34")]


class Entry(ctypes.Structure):
    _fields_ = (("lock", SpinLock), ("packets", c_uint32), ("size", c_uint64))


def locked(kind: ProgType) -> Any:
    with HashMap(c_uint32, Entry, 8) as m:
        def prog(ctx: Any) -> Any:
            with m.lock(1) as entry:
                if entry is None:
                    return 1
                entry.packets += 1
                entry.size += entry.packets * 3
                if entry.packets > 2:
                    return 2
            return 0

        m[1] = Entry()
        with create_prog(kind, CONTEXTS[kind], prog) as loaded:
            results = [loaded.test_run(packet).retval for packet in packets()]
        return results, [(key, value.packets, value.size) for key, value in m.items()]


def globals_and_errors(kind: ProgType) -> Any:
    turns = Global(c_uint32)

    def prog(ctx: Any) -> Any:
        turns.value += 1
        return 100 // (turns.value - 2)

    with create_prog(kind, CONTEXTS[kind], prog) as loaded:
        results = [loaded.test_run(packet).retval for packet in packets()]
        return results, turns.value, sorted((str(key), count) for key, count in loaded.errors.items())


def loops_and_maps(kind: ProgType) -> Any:
    with ArrayMap(c_uint64, 4) as sums, PerCpuArrayMap(c_uint64, 1) as turns, BpfQueue(c_uint32) as queue:
        def prog(ctx: Any) -> Any:
            n = 0
            limit = 200 + int(turns[0]) * 50
            for i in range(limit):
                if i % 7 == 3:
                    continue
                n += i ^ 5
                if n > 20000:
                    break
            sums[n & 3] += n
            turns[0] += 1
            queue.output(ctx, c_uint32(n))
            return n

        with create_prog(kind, CONTEXTS[kind], prog) as loaded:
            results = [loaded.test_run(packet).retval for packet in packets()]
        events: list[int] = []
        while len(events) < len(results) and (more := queue.poll(1000)):
            events += more
        return results, list(sums.values()), turns[0].sum(), sorted(events)


def records_that_fail(kind: ProgType) -> Any:
    """The results are negative numbers of 64 bits."""
    with ArrayMap(c_int64, 2) as results, BpfQueue(c_uint64) as queue:
        def prog(ctx: Any) -> Any:
            record = c_uint64(7)
            results[0] = funcs.perf_event_output(ctx, queue, 1 << 20, record)  # of a CPU that is none
            results[1] = funcs.perf_event_output(ctx, queue, 1 << 60, record)  # with a flag that is none
            return 1

        with create_prog(kind, CONTEXTS[kind], prog) as loaded:
            return loaded.test_run(packets()[0]).retval, list(results.values())


def packet_writes(kind: ProgType) -> Any:
    def prog(ctx: Any) -> Any:
        ether = ctx.packet(net.Ethernet, 0)
        if ether is None:
            return 7
        if ether.type == net.EtherType.VLAN:
            inner = ctx.packet(c_uint16.__ctype_be__, 16)
            if inner is None:
                return 6
            return inner & 0xFF
        ether.type = ether.type + 1
        ether.source.octets[0] = ether.destination.octets[5]
        return 1

    with create_prog(kind, CONTEXTS[kind], prog) as loaded:
        return [(run.retval, run.data) for run in map(loaded.test_run, packets())]


def tail_calls(kind: ProgType) -> Any:
    with ProgArray(3) as progs, ArrayMap(c_uint32, 1) as depth:
        def again(ctx: Any) -> Any:
            depth[0] += 1
            funcs.tail_call(ctx, progs, 0)
            return 5

        def first(ctx: Any) -> Any:
            funcs.tail_call(ctx, progs, 2)
            funcs.tail_call(ctx, progs, 9)
            funcs.tail_call(ctx, progs, 0)
            return 4

        with create_prog(kind, CONTEXTS[kind], again) as target, create_prog(kind, CONTEXTS[kind], first) as start:
            missing = start.test_run(packets()[0]).retval
            progs[0] = target
            results = [start.test_run(packet).retval for packet in packets()]
            return missing, results, depth[0]


SCENES: list[tuple[Callable[[ProgType], Any], tuple[ProgType, ...]]] = [
    (locked, (ProgType.SCHED_CLS, ProgType.XDP)),
    (globals_and_errors, tuple(CONTEXTS)),
    (loops_and_maps, tuple(CONTEXTS)),
    (records_that_fail, tuple(CONTEXTS)),
    (packet_writes, (ProgType.SCHED_CLS, ProgType.XDP)),
    (tail_calls, tuple(CONTEXTS)),
]


@kernel
@pytest.mark.parametrize(("scene", "kind"), [(scene, kind) for scene, kinds in SCENES for kind in kinds])
def test_the_same_in_both(scene: Callable[[ProgType], Any], kind: ProgType) -> None:
    with vm.backend():
        mine = scene(kind)
    with vm.backend("kernel"):
        assert scene(kind) == mine


def test_the_locked_branch_runs() -> None:
    with vm.backend():
        assert locked(ProgType.SCHED_CLS) == ([0, 0, 2, 2], [(1, 4, 3 + 6 + 9 + 12)])


def on_lock(offset: int, helper: int) -> list[Any]:
    return [ld_map_value(1, 0, offset), call(helper)]


@pytest.mark.parametrize(("code", "reason"), [
    (on_lock(0, UNLOCK), "bpf_spin_unlock of a lock that is not held"),
    (on_lock(0, LOCK), "the program ends with a lock held"),
    ([*on_lock(0, LOCK), *on_lock(8, LOCK)], "bpf_spin_lock with a lock held already"),
    ([*on_lock(0, LOCK), *on_lock(8, UNLOCK)], "bpf_spin_unlock of a lock that is not held"),
    ([*on_lock(0, LOCK), *on_lock(0, UNLOCK), *on_lock(0, UNLOCK)], "bpf_spin_unlock of a lock that is not held"),
    ([mov_imm(1, 0), call(LOCK)], "write through a null pointer"),
    ([*on_lock(0, LOCK), mov_imm(1, 0), alu_imm(Alu.ADD, 1, 5), call(UNLOCK)], "write through a null pointer"),
])  # fmt: skip
def test_locks_are_balanced(code: list[Any], reason: str) -> None:
    spec = MapSpec(MapType.ARRAY, c_uint32, c_uint32 * 4, 1, 0, "locks")
    code = [*code, mov_imm(0, 0), exit_()]
    made = ProgramSpec("byhand", SPECS[ProgType.SCHED_CLS], tuple(code), (None,) * len(code), (spec,))
    with vm_program.load(made, (vm_map.VmMap(spec, 4, 16),), machine().handle) as loaded, \
            pytest.raises(VmFault, match=reason):  # fmt: skip
        loaded.test_run(bytes(64))


def byhand(kind: ProgType, *code: Any) -> ProgramSpec:
    return ProgramSpec("byhand", SPECS[kind], code, (None,) * len(code), ())


@pytest.mark.parametrize("own", [True, False])
def test_pid_namespaces(own: bool) -> None:
    mine = os.stat("/proc/self/ns/pid")
    ask = [store_imm(8, FRAME, -8, -1), mov_imm(1, mine.st_dev), mov_imm(2, mine.st_ino + (not own)), mov(3, FRAME),
           alu_imm(Alu.ADD, 3, -8), mov_imm(4, 8), call(HELPERS["get_ns_current_pid_tgid"].id)]  # fmt: skip
    wanted = (0, os.getpid()) if own else ((1 << 32) - errno.EINVAL, 0)
    for then, result in zip(((), (load(4, 0, FRAME, -4),)), wanted, strict=True):
        with vm_program.load(byhand(ProgType.SCHED_CLS, *ask, *then, exit_()), (), machine().handle) as loaded:
            assert loaded.test_run(bytes(64)).retval == result


def is_refused(helper: int) -> bool:
    for kind in (ProgType.SCHED_CLS, ProgType.XDP, ProgType.KPROBE):
        try:
            vm_program.load(byhand(kind, call(helper), exit_()), (), machine().handle).close()
        except VmFault as fault:
            if "the embedded VM has no such helper function" in str(fault):
                return True
    return False


def test_the_documentation_lists_what_is_refused() -> None:
    assert refused_helpers() == {name for name, helper in HELPERS.items() if is_refused(helper.id)}
