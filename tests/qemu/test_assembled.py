"""Programs written by hand, without the compiler, in kernels that this machine may not have."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from ctypes import c_uint64

import pytest

from py2bpf import asm
from py2bpf.datastructures import ArrayMap
from py2bpf.kernel import kernel_program, perf_event
from py2bpf.kernel.perf_event import KprobeEvent
from py2bpf.spec import ProgramSpec
from py2bpf.uapi.helpers import HELPERS
from py2bpf.uapi.hooks import SPECS
from py2bpf.uapi.prog_types import ProgType

pytestmark = [pytest.mark.kernel, pytest.mark.any_kernel]

FRAME = bytes(64)
SLOT, DONE = 8, 1


@pytest.fixture
def counts() -> Iterator[ArrayMap]:
    with ArrayMap(c_uint64, 1) as made:
        yield made


def counting(kind: ProgType, counter: ArrayMap, key: int = 0) -> ProgramSpec:
    """A program that adds 1 to counter[key] and returns 7."""
    code = (
        asm.store_imm(4, asm.FRAME, -SLOT, key),
        asm.ld_map(1, 0),
        asm.mov(2, asm.FRAME),
        asm.alu_imm(asm.Alu.ADD, 2, -SLOT),
        asm.call(HELPERS["map_lookup_elem"].id),
        asm.branch_imm(asm.Jump.JEQ, 0, 0, DONE),
        asm.mov_imm(1, 1),
        asm.atomic(8, asm.Alu.ADD, 0, 0, 1),
        asm.label(DONE),
        asm.mov_imm(0, 7),
        asm.exit_(),
    )
    return ProgramSpec("counting", SPECS[kind], code, (None,) * len(code), (counter.map_spec,), (counter,))


def load(kind: ProgType, counter: ArrayMap, key: int = 0) -> kernel_program.LoadedProgram:
    return kernel_program.load(counting(kind, counter, key), [counter._storage.handle])


def test_a_filter_runs_and_counts(counts: ArrayMap) -> None:
    with load(ProgType.SOCKET_FILTER, counts) as loaded:
        assert loaded.test_run(FRAME).retval == 7
        loaded.test_run(FRAME, repeat=99)
    assert counts[0] == 100


def test_a_key_outside_the_array_is_missing(counts: ArrayMap) -> None:
    with load(ProgType.SOCKET_FILTER, counts, key=1) as loaded:
        assert loaded.test_run(FRAME).retval == 7
    assert counts[0] == 0


@pytest.mark.parametrize("kind", [ProgType.SCHED_CLS, ProgType.XDP])
def test_other_network_programs_run(counts: ArrayMap, kind: ProgType) -> None:
    with load(kind, counts) as loaded:
        assert loaded.test_run(FRAME).retval == 7
    assert counts[0] == 1


def test_many_programs_load() -> None:
    """Kernels before 5.11 charge maps and programs to RLIMIT_MEMLOCK, 64 kB by default."""
    with ExitStack() as stack:
        maps = [stack.enter_context(ArrayMap(c_uint64, 4096)) for _ in range(64)]
        for counter in maps:
            stack.enter_context(load(ProgType.SOCKET_FILTER, counter))
        assert len({counter.fd for counter in maps}) == 64


@pytest.mark.qemu
@pytest.mark.parametrize("is_return", [False, True])
def test_a_kprobe_sees_system_calls(counts: ArrayMap, is_return: bool) -> None:
    with (
        load(ProgType.KPROBE, counts) as loaded,
        KprobeEvent("__x64_sys_getpgid", 0, is_return) as event,
        perf_event.attach(event.event, loaded.handle) or nullcontext(),
    ):
        for _ in range(5):
            os.getpgid(0)
    os.getpgid(0)
    assert counts[0] == 5
