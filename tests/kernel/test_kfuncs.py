"""Kernel functions: their numbers, and programs that call them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from assembled import PACKET, spec

from py2bpf import asm
from py2bpf.asm import FRAME, Alu, Jump
from py2bpf.btf import Btf, Kind, scans
from py2bpf.btf.reader import VMLINUX
from py2bpf.exception import NotSupported
from py2bpf.kernel import features, kfuncs
from py2bpf.kernel.features import Feature
from py2bpf.kernel.kernel_program import load
from py2bpf.spec import ProgramSpec

kernel = pytest.mark.kernel
NAMES = ("bpf_iter_num_new", "bpf_iter_num_next", "bpf_iter_num_destroy")


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    kfuncs._numbers.clear()
    yield
    kfuncs._numbers.clear()


def summing(n: int) -> ProgramSpec:
    """Returns 0 + 1 + ... + n - 1, over an open-coded iterator."""
    iterator = [asm.mov(1, FRAME), asm.alu_imm(Alu.ADD, 1, -8)]
    code = [
        asm.mov_imm(6, 0),
        *iterator, asm.mov_imm(2, 0), asm.mov_imm(3, n), asm.call_kfunc(0),
        asm.label(1), *iterator, asm.call_kfunc(1), asm.branch_imm(Jump.JEQ, 0, 0, 2),
        asm.load(4, 1, 0, 0), asm.alu(Alu.ADD, 6, 1), asm.jump(1),
        asm.label(2), *iterator, asm.call_kfunc(2), asm.mov(0, 6), asm.exit_(),
    ]  # fmt: skip
    return replace(spec(code), kfuncs=NAMES)


@kernel
def test_numbers_are_those_of_the_reader() -> None:
    if not features.probe(Feature.KFUNC_ITER_NUM):
        pytest.skip("this kernel has no iterators")
    assert kfuncs.numbers(NAMES) == tuple(Btf.kernel().number(Kind.FUNC, name) for name in NAMES)
    assert scans.find(VMLINUX.read_bytes(), Kind.STRUCT, "task_struct") == Btf.kernel().number(
        Kind.STRUCT, "task_struct"
    )


@kernel
@pytest.mark.any_kernel
def test_a_program_that_iterates() -> None:
    if not features.probe(Feature.KFUNC_ITER_NUM):
        with pytest.raises(NotSupported, match=r"bpf_iter_num_new\(\); it came with Linux 6.4"):
            load(summing(100))
        return
    with load(summing(100)) as program:
        assert program.test_run(PACKET).retval == 4950


@kernel
def test_numbers_are_found_quickly_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = time.process_time()
    kfuncs.find(NAMES)
    assert time.process_time() - begin < 0.2
    monkeypatch.setattr(kfuncs, "VMLINUX", Path("/nowhere"))
    assert set(kfuncs.find(NAMES)) == set(NAMES)


def test_a_function_that_no_kernel_has() -> None:
    with pytest.raises(NotSupported, match=r"the kernel function py2bpf_no_such\(\) "):
        load(replace(summing(1), kfuncs=("py2bpf_no_such", *NAMES[1:])))


def test_a_kernel_without_btf(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kfuncs, "VMLINUX", Path("/nowhere"))
    assert kfuncs.find(NAMES) == dict.fromkeys(NAMES)


@pytest.mark.parametrize("blob", [b"", bytes(24), b"\xeb\x9f" + bytes(30)])
def test_what_is_no_btf(blob: bytes) -> None:
    with pytest.raises(OSError, match="cannot search BTF"):
        scans.find(blob, Kind.FUNC, "f")
