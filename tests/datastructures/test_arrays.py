"""Array maps, per-CPU maps, program arrays and stack traces in the kernel."""

from __future__ import annotations

import ctypes
import errno
import os
from ctypes import Structure, c_char, c_uint8, c_uint16, c_uint32, c_uint64
from typing import Any

import pytest
from sample_programs import PACKET, RAW_TRACEPOINT, STACK_ID, TAIL_CALL, loaded, returning

from py2bpf import asm
from py2bpf.codec import codec_for
from py2bpf.cpus import parse_cpus, possible_cpus
from py2bpf.datastructures import (
    ArrayMap,
    LruPerCpuHashMap,
    PerCpuArrayMap,
    PerCpuHashMap,
    PerCpuValues,
    ProgArray,
    StackTraceMap,
)
from py2bpf.exception import ClosedError, DataRangeError, DataTypeError, IndexOutOfRange, KernelError, Py2BpfError

pytestmark = pytest.mark.kernel
CPUS = len(possible_cpus())


class Stat(Structure):
    _fields_ = [("packets", c_uint64), ("small", c_uint16), ("pair", c_uint32 * 2)]


@pytest.mark.any_kernel
def test_an_array_is_a_mapping_from_its_indices() -> None:
    with ArrayMap(c_uint32, 4) as m:
        assert len(m) == 4 and list(m) == [0, 1, 2, 3] == list(m.keys()) and m
        assert dict(m) == dict.fromkeys(range(4), 0)
        m[2] = 7
        m[3] += 1
        assert m[2] == 7 and list(m.values()) == [0, 0, 7, 1] and 3 in m and 4 not in m and -1 not in m
        m.update({0: 9})
        assert m == {0: 9, 1: 0, 2: 7, 3: 1} and m.get(4) is None and m.get(-1, 5) == 5 and m.setdefault(2, 1) == 7
        assert not m.add(1, 5) and m[1] == 0
        keys, values = m.arrays()
        assert keys.tolist() == [0, 1, 2, 3] and values.tolist() == [9, 0, 7, 1]


@pytest.mark.parametrize("index", [4, -1, 1 << 40])
def test_indices_outside(index: int) -> None:
    with ArrayMap(c_uint32, 4) as m:
        for use in (lambda: m[index], lambda: m.__setitem__(index, 1), lambda: m.update({index: 1})):
            with pytest.raises(IndexOutOfRange) as caught:
                use()
            error = caught.value
            assert isinstance(error, IndexError) and isinstance(error, KeyError) and isinstance(error, Py2BpfError)
            assert str(error).startswith(f"index {index} of <ArrayMap") and str(error).endswith("it has 0 to 3")
        with pytest.raises(DataTypeError):
            m["1"]


def test_array_entries_stay() -> None:
    with ArrayMap(c_uint32, 4) as m, PerCpuArrayMap(c_uint32, 4) as p:
        for use in (m.clear, m.popitem, lambda: m.pop(1), lambda: m.pop(9, None), lambda: m.__delitem__(1), p.clear):
            with pytest.raises(DataTypeError, match="can't be deleted; store a zero instead"):
                use()


@pytest.mark.any_kernel
@pytest.mark.parametrize("make", [
    lambda: PerCpuArrayMap(c_uint32, 4), lambda: PerCpuHashMap(c_uint32, c_uint32, 4),
    lambda: LruPerCpuHashMap(c_uint32, c_uint32, 64),
])
def test_per_cpu_values(make: Any) -> None:
    with make() as m:
        assert m.map_spec.per_cpu and m.map_spec.value_size == 4
        m[1] = 5
        assert m[1] == [5] * CPUS and isinstance(m[1], PerCpuValues) and m[1].sum() == 5 * CPUS
        m[1] = list(range(CPUS))
        assert m[1] == list(range(CPUS)) and dict(m.items())[1] == list(range(CPUS))
        m[2] = m[1]
        assert m.pop(2, None) == list(range(CPUS)) if not isinstance(m, PerCpuArrayMap) else m[2] == m[1]
        m.update({3: 1})
        assert m.arrays()[1][list(m).index(3)].tolist() == [1] * CPUS
        with pytest.raises(DataRangeError, match=f"each of the {CPUS} possible CPUs"):
            m[1] = [1] * (CPUS + 1)
        with pytest.raises(DataRangeError, match="doesn't fit c_uint32"):
            m[1] = [-1] * CPUS


def test_per_cpu_structures_are_summed_by_field() -> None:
    with PerCpuHashMap(c_uint8, Stat, 4) as m:
        m[1] = [(cpu, 1, (2, cpu)) for cpu in range(CPUS)]
        total = m[1].sum()
        assert type(total) is Stat and total.packets == sum(range(CPUS)) and total.small == CPUS
        assert list(total.pair) == [2 * CPUS, sum(range(CPUS))]
        m[2] = (7, 7, (7, 7))
        assert [stat.packets for stat in m[2]] == [7] * CPUS, "a tuple is one value, for all CPUs"
        _, values = m.arrays()
        assert values.shape == (2, CPUS) and values["small"].sum() == CPUS + 7 * CPUS


def test_sums_that_make_no_sense() -> None:
    with pytest.raises(DataRangeError, match="small"):
        PerCpuValues([Stat(small=40000), Stat(small=40000)], codec_for(Stat)).sum()
    with pytest.raises(DataTypeError, match="can't be summed"):
        PerCpuValues([b"a"], codec_for(c_char * 4)).sum()


def test_cpu_lists() -> None:
    assert parse_cpus("0-3,8-9,12\n") == (0, 1, 2, 3, 8, 9, 12)
    assert parse_cpus("0") == (0,)
    assert len(possible_cpus()) >= len(os.sched_getaffinity(0))


@pytest.mark.any_kernel
def test_programs_in_an_array_are_called(backend: str) -> None:
    with ProgArray(4) as m, returning(42) as target, returning(43) as other, loaded([
        asm.ld_map(2, 0), asm.mov_imm(3, 2), asm.call(TAIL_CALL), asm.mov_imm(0, 7), asm.exit_(),
    ], m) as caller:
        assert caller.test_run(PACKET).retval == 7 and len(m) == 0 and not m and 2 not in m
        m[2] = target
        assert caller.test_run(PACKET).retval == 42
        assert m[2] == target.info().id and dict(m) == {2: target.info().id} and m and len(m) == 1
        m.update({2: other if backend == "vm" else other.fd})
        assert caller.test_run(PACKET).retval == 43
        del m[2]
        with pytest.raises(KeyError):
            m[2]
        with pytest.raises(KeyError):
            del m[2]
        assert caller.test_run(PACKET).retval == 7
        m[0] = m[3] = target
        assert m.popitem() == (0, target.info().id) and m.pop(3) == target.info().id
        m[1] = m[2] = target
        m.clear()
        assert len(m) == 0


@pytest.mark.kernel_only
def test_refused_programs() -> None:
    with ProgArray(4) as m, returning(0) as program:
        with pytest.raises(DataTypeError, match="a program or its file descriptor, not 'x'"):
            m[0] = "x"
        with pytest.raises(DataTypeError, match="not True"):
            m[0] = True
        with pytest.raises(KernelError, match=r"descriptors? of a? ?program"):
            m[0] = m.fd
        with pytest.raises(IndexOutOfRange):
            m[4] = program
        with pytest.raises(DataTypeError, match=r"add\(\)"):
            m.add(0, program)
        with pytest.raises(DataTypeError, match=r"setdefault\(\)"):
            m.setdefault(0, program)
        program.close()
        with pytest.raises((ClosedError, ValueError)):
            m[0] = program


@pytest.mark.kernel_only
@pytest.mark.any_kernel
def test_stack_traces() -> None:
    with StackTraceMap(16) as m, loaded([
        asm.ld_map(2, 0), asm.mov_imm(3, 0), asm.call(STACK_ID), asm.exit_(),
    ], m, hook=RAW_TRACEPOINT) as program:
        stack_id = program.test_run(ctx=bytes(8)).retval
        assert ctypes.c_int32(stack_id).value >= 0
        stack = m[stack_id]
        assert type(stack) is list and 2 < len(stack) < 127 and all(address >> 47 for address in stack)
        assert list(m) == [stack_id] and len(m) == 1 and stack_id in m and dict(m.items())[stack_id] == stack
        assert m.get(stack_id + 1) is None
        del m[stack_id]
        assert len(m) == 0 and not m


def test_stack_ids_that_are_errors() -> None:
    with StackTraceMap(16, max_depth=10) as m:
        with pytest.raises(KeyError, match="-14 is the error -EFAULT of get_stackid"):
            m[-errno.EFAULT]
        assert m.get(-17) is None and -17 not in m and m.map_spec.value_size == 80
        for use in (lambda: m.__setitem__(1, [1]), lambda: m.update({1: [1]}), lambda: m.add(1, []),
                    lambda: m.setdefault(1)):
            with pytest.raises(DataTypeError, match="filled by programs alone"):
                use()
