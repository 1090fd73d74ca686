"""Why programs assembled by hand can't be loaded: the verifier's reasons, missing rights, limits of memory."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
from array import array as array_of
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from assembled import FIRST_LINE, returning, spec

from py2bpf import Global, asm, funcs, programs, tracepoint
from py2bpf.asm import FRAME, Alu, Insn, Jump
from py2bpf.core import failures
from py2bpf.exception import (
    InternalCompilerError,
    KernelError,
    LimitExceeded,
    Span,
    VerifierError,
)
from py2bpf.kernel import bpf_call, kernel_program, prog_load, refusals
from py2bpf.uapi.operations import Operation
from py2bpf.uapi.prog_types import ProgType
from py2bpf.util import ensure_resources

kernel = pytest.mark.kernel
any_kernel = pytest.mark.any_kernel


@kernel
@any_kernel
def test_a_verifier_error_names_the_line() -> None:
    code = [asm.mov_imm(1, 1 << 40), asm.label(1), asm.mov_imm(3, 42), asm.load(8, 0, 3, 0), asm.exit_()]
    with pytest.raises(VerifierError) as caught:
        kernel_program.load(spec(code))
    error = caught.value
    assert error.strerror.startswith("the kernel refused to load assembled, a socket_filter program: R3 ")
    assert (error.line, error.column) == (FIRST_LINE + 3, 12)
    assert error.span == Span("user.py", FIRST_LINE + 3, 12)
    assert error.errno == errno.EACCES
    assert "2: (b7) r3 = 42" in error.log
    assert isinstance(error, OSError)


@kernel
@any_kernel
def test_an_error_before_any_instruction_ran() -> None:
    with pytest.raises(VerifierError) as caught:
        kernel_program.load(spec([asm.mov_imm(0, 0), asm.exit_(), asm.mov_imm(0, 1), asm.exit_()]))
    assert caught.value.line == FIRST_LINE + 2


@kernel
@any_kernel
def test_an_instruction_without_a_line_has_its_neighbours() -> None:
    bad = spec([asm.mov_imm(0, 0), asm.mov_imm(3, 1), asm.load(8, 0, 3, 0), asm.exit_()])
    bad = replace(bad, lines=(bad.lines[0], bad.lines[1], None, None))
    with pytest.raises(VerifierError) as caught:
        kernel_program.load(bad)
    assert caught.value.line == FIRST_LINE + 1


@kernel
@any_kernel
def test_a_log_of_many_pages_is_whole() -> None:
    """The first room for the log is 64 KiB."""
    code = [asm.mov_imm(0, 0), *[asm.alu_imm(Alu.XOR, 0, 1)] * 9000, asm.load(8, 0, 0, 0), asm.exit_()]
    with pytest.raises(VerifierError) as caught:
        kernel_program.load(spec(code))
    log = caught.value.log
    assert len(log) > 128 << 10
    assert "\n1: (a7) r0 ^= 1" in log
    assert "9001: (79)" in log
    assert "too long" not in caught.value.strerror
    assert caught.value.line == FIRST_LINE + 9001


def endless() -> list[Insn]:
    """Counts until the context's length, which the verifier follows round by round; instruction 4 jumps back."""
    code = [asm.mov_imm(0, 0), asm.label(1), asm.alu_imm(Alu.ADD, 0, 1), asm.load(4, 2, 1, 0)]
    return [*code, asm.branch(Jump.JLT, 0, 2, 1), asm.exit_()]


@kernel
@any_kernel
def test_a_loop_that_is_too_much_for_the_verifier() -> None:
    with pytest.raises(VerifierError, match="BPF program is too large") as caught:
        kernel_program.load(spec(endless()))
    error = caught.value
    assert (error.errno, error.line) == (errno.E2BIG, FIRST_LINE + 4)
    assert "a bound that the verifier can see" in str(error) and "1000001 insn" in error.log
    assert "shown is the last loop" in str(error) and ".. " not in str(error)
    assert "goto" not in error.log and len(error.log) < 2000 and "too long to be kept" not in str(error)


@kernel
def test_what_is_too_much_is_verified_once() -> None:
    """A million instructions take the verifier seconds, and a second load would show no more."""
    ensure_resources()
    own, bpf_prog_load = os.getpid(), 5

    @tracepoint.probe("syscalls:sys_enter_bpf")
    def count(event: Any) -> int:
        if event.cmd == bpf_prog_load and funcs.get_current_pid_tgid() >> 32 == own:
            loads.value += 1
        return 0

    with Global(ctypes.c_uint64) as loads, count():
        before = loads.value
        with pytest.raises(VerifierError, match="BPF program is too large"):
            kernel_program.load(spec(endless()))
        assert loads.value == before + 1


@kernel
@any_kernel
def test_a_loop_without_an_end() -> None:
    code = [asm.label(1), asm.load(4, 0, 1, 0), asm.branch_imm(Jump.JLE, 0, 5, 1), asm.mov_imm(0, 4), asm.exit_()]
    with pytest.raises(VerifierError, match="infinite loop detected at insn 0") as caught:
        kernel_program.load(spec(code))
    assert (caught.value.errno, caught.value.line) == (errno.EINVAL, FIRST_LINE + 1)
    assert "a bound that the verifier can see" in str(caught.value)


@kernel
@any_kernel
def test_a_loop_of_too_many_branches() -> None:
    """Each round leaves a branch to look at later, and the verifier keeps 8192 of them."""
    code = [asm.load(4, 2, 1, 0), asm.mov_imm(0, 0), asm.label(1), asm.branch(Jump.JGE, 0, 2, 2)]
    code += [asm.load(4, 3, 1, 8), asm.alu_imm(Alu.ADD, 0, 1), asm.branch_imm(Jump.JSET, 3, 5, 3)]
    code += [asm.label(3), asm.jump(1), asm.label(2), asm.exit_()]
    with pytest.raises(VerifierError) as caught:
        kernel_program.load(spec(code))
    assert "a bound that the verifier can see" in str(caught.value)
    assert FIRST_LINE + 2 <= caught.value.line <= FIRST_LINE + 8


@kernel
@any_kernel
def test_of_a_very_long_log_the_end_is_kept() -> None:
    """The fault comes after a hundred thousand steps of a loop."""
    code = [asm.mov_imm(0, 0), asm.label(1), asm.alu_imm(Alu.ADD, 0, 1), asm.branch_imm(Jump.JLT, 0, 60_000, 1)]
    code += [asm.mov_imm(3, 42), asm.load(8, 0, 3, 0), asm.exit_()]
    with pytest.raises(VerifierError, match="R3 ") as caught:
        kernel_program.load(spec(code))
    assert caught.value.line == FIRST_LINE + 5


@pytest.mark.parametrize(("error", "code", "expected"), [
    (errno.E2BIG, endless(), VerifierError),
    (errno.ENOMEM, endless(), VerifierError),
    (errno.EPERM, endless(), KernelError),
    (errno.E2BIG, [asm.mov_imm(0, 0), asm.exit_()], KernelError),
])  # fmt: skip
def test_refusals_without_a_reason(error: int, code: list[Insn], expected: type[KernelError]) -> None:
    refused = refusals.refusal(spec(code), array_of("I", range(len(code))), prog_load.LoadResult(-error, "", False))
    assert type(refused) is expected and refused.errno == error
    if isinstance(refused, VerifierError):
        assert refused.line == FIRST_LINE + 4 and "a bound that" in str(refused) and os.strerror(error) in str(refused)


@contextmanager
def unprivileged() -> Iterator[None]:
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@kernel
def test_without_privileges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bpf_call, "_memlock_tried", True)
    with unprivileged(), pytest.raises(KernelError, match="needs CAP_BPF and CAP_PERFMON, and") as caught:
        kernel_program.load(returning(0, ProgType.TRACEPOINT))
    assert caught.value.errno == errno.EPERM
    assert not isinstance(caught.value, VerifierError)
    assert "kernel.unprivileged_bpf_disabled is " in str(caught.value)


@pytest.mark.parametrize("error", [errno.EPERM, errno.E2BIG, errno.ENOMEM, errno.EMFILE, errno.EBADF, errno.ENOSYS])
def test_messages_say_what_was_tried_and_why_not(error: int) -> None:
    failure = failures.failure(error, "cannot do it")
    assert failure.errno == error
    assert str(failure).startswith("cannot do it")
    assert str(failure).count(os.strerror(error)) == 1


def test_the_kernels_own_not_supported() -> None:
    assert failures.failure(524, "cannot do it").errno == errno.EOPNOTSUPP


class Kernel510:
    """Counts calls; refuses as a kernel does that charges RLIMIT_MEMLOCK, until the limit is lifted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, hard: int, may_raise: bool) -> None:
        self.calls = 0
        self.limits = [(65536, hard)]
        self.may_raise = may_raise
        monkeypatch.setattr(bpf_call, "_memlock_tried", False)
        monkeypatch.setattr(resource, "getrlimit", lambda which: self.limits[-1])
        monkeypatch.setattr(resource, "setrlimit", self.setrlimit)

    def setrlimit(self, which: int, limits: tuple[int, int]) -> None:
        assert which == resource.RLIMIT_MEMLOCK
        if not self.may_raise and limits[1] != self.limits[0][1]:
            raise ValueError("not allowed to raise maximum limit")
        self.limits.append(limits)

    def call(self) -> int:
        self.calls += 1
        return 5 if self.limits[-1][0] != 65536 else -errno.EPERM


UNLIMITED = resource.RLIM_INFINITY


def test_the_memlock_limit_is_lifted_when_the_kernel_charges(monkeypatch: pytest.MonkeyPatch) -> None:
    old = Kernel510(monkeypatch, hard=65536, may_raise=True)
    assert bpf_call.charged(old.call) == 5
    assert old.limits[1:] == [(UNLIMITED, UNLIMITED)]
    assert old.calls == 2


def test_the_memlock_limit_goes_as_far_as_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    old = Kernel510(monkeypatch, hard=1 << 30, may_raise=False)
    assert bpf_call.charged(old.call) == 5
    assert old.limits[1:] == [(1 << 30, 1 << 30)]


def test_the_memlock_limit_is_touched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    old = Kernel510(monkeypatch, hard=65536, may_raise=False)
    assert bpf_call.charged(old.call) == -errno.EPERM
    assert bpf_call.charged(old.call) == -errno.EPERM
    assert len(old.limits) == 2  # raised to the hard limit, which is where it was
    assert old.calls == 3


@pytest.mark.parametrize("result", [7, 0, -errno.EINVAL, -errno.ENOMEM])
def test_the_memlock_limit_stays_otherwise(monkeypatch: pytest.MonkeyPatch, result: int) -> None:
    new = Kernel510(monkeypatch, hard=65536, may_raise=True)
    assert bpf_call.charged(lambda: result) == result
    assert len(new.limits) == 1


@kernel
@any_kernel
def test_the_licence_counts() -> None:
    code = [asm.mov(1, FRAME), asm.alu_imm(Alu.ADD, 1, -8), asm.mov_imm(2, 8), asm.mov_imm(3, 0), asm.call(113)]
    reading = spec([*code, asm.mov_imm(0, 0), asm.exit_()], ProgType.TRACEPOINT)
    kernel_program.load(reading).close()
    with pytest.raises(VerifierError) as caught:
        kernel_program.load(replace(reading, license="proprietary"))
    assert "GPL" in caught.value.strerror


def test_a_branch_over_too_much_code_is_the_users_to_mend() -> None:
    code = [asm.branch_imm(Jump.JEQ, 1, 0, 1), *[asm.mov_imm(0, 0)] * 32768, asm.label(1), asm.exit_()]
    with pytest.raises(LimitExceeded) as caught:
        programs.encode(spec(code))
    assert caught.value.line == FIRST_LINE
    assert caught.value.span == Span("user.py", FIRST_LINE, 0)
    assert "32768 instructions" in caught.value.msg
    assert caught.value.hints


def test_a_malformed_spec_is_ours() -> None:
    with pytest.raises(InternalCompilerError, match=r"encoding.*user.py:101.*not defined: 5.*goto L5"):
        programs.encode(spec([asm.exit_(), asm.jump(5)]))


def test_a_map_number_without_a_map_is_ours() -> None:
    with pytest.raises(InternalCompilerError, match=r"relocation.*without a descriptor"):
        kernel_program.load(spec([asm.ld_map(1, 0), asm.exit_()]))


@pytest.mark.parametrize(("release", "charges"), [("5.10.0-30-amd64", True), ("4.19", True), ("5.11.0", False),
                                                  ("6.18.1+", False), ("10.0", False), ("odd", False)])
def test_the_memory_limit_is_told_of_only_where_it_counts(
    release: str, charges: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (65536, 65536))
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "host", release, "1", "x86_64")))
    told = str(failures.failure(errno.EPERM, "making one", Operation.MAKE_MAP))
    assert ("RLIMIT_MEMLOCK is 65536" in told) is charges
