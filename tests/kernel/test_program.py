"""Programs assembled by hand, loaded into the running kernel and run there."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import socket
import subprocess
from array import array as array_of
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from mmap import PAGESIZE
from pathlib import Path
from typing import Any

import pytest
from assembled import COUNTER, FIRST_LINE, PACKET, counting, returning, spec

from py2bpf import Global, asm, funcs, programs, tracepoint
from py2bpf.asm import FRAME, Alu, Insn, Jump
from py2bpf.core import failures
from py2bpf.core.handles import Handle
from py2bpf.exception import (
    ClosedError,
    InternalCompilerError,
    KernelError,
    LimitExceeded,
    NotSupported,
    Span,
    VerifierError,
)
from py2bpf.kernel import bpf_call, kernel_program, map_commands, prog_load, refusals, syscalls
from py2bpf.uapi.map_types import MapType
from py2bpf.uapi.operations import Operation
from py2bpf.uapi.prog_types import AttachType, ProgType
from py2bpf.util import ensure_resources

kernel = pytest.mark.kernel
any_kernel = pytest.mark.any_kernel

SO_ATTACH_BPF = 50


def run(code: list[Insn], packet: bytes = PACKET) -> int:
    with kernel_program.load(spec(code)) as loaded:
        return loaded.test_run(packet).retval


@kernel
@any_kernel
@pytest.mark.parametrize("value", [0, 1, 42, (1 << 31) - 1])
def test_a_program_returns_its_constant(value: int) -> None:
    with kernel_program.load(returning(value)) as loaded:
        result = loaded.test_run(PACKET)
        assert (result.retval, result.data) == (value, PACKET)
        assert result.duration_ns >= 0


@kernel
@any_kernel
@pytest.mark.parametrize("value", [1 << 32, -(1 << 63), (1 << 64) - 1, 0x1234567800000000, 0xFFFFFFFF, -1])
def test_64_bit_immediates(value: int) -> None:
    code = [asm.mov_imm(0, 1), asm.mov_imm(1, value), Insn(asm.Kind.LD64, 0x18, 2, imm=value)]
    code += [asm.branch(Jump.JEQ, 1, 2, 1), asm.mov_imm(0, 2), asm.label(1)]
    code += [asm.alu_imm(Alu.RSH, 1, 32), asm.mov_imm(3, value & 0xFFFFFFFF), asm.alu_imm(Alu.LSH, 1, 32)]
    code += [asm.alu(Alu.OR, 1, 3), asm.branch(Jump.JEQ, 1, 2, 2), asm.mov_imm(0, 3), asm.label(2), asm.exit_()]
    assert run(code) == 1


@kernel
@any_kernel
def test_jumps_forth_and_back() -> None:
    """Sums 1 to 10."""
    code = [asm.mov_imm(0, 0), asm.mov_imm(1, 10), asm.label(1), asm.branch_imm(Jump.JEQ, 1, 0, 2)]
    code += [asm.alu(Alu.ADD, 0, 1), asm.alu_imm(Alu.SUB, 1, 1), asm.jump(1), asm.label(2), asm.exit_()]
    assert run(code) == 55


@kernel
@any_kernel
def test_a_local_call() -> None:
    code = [asm.mov_imm(1, 20), Insn(asm.Kind.CALL_LOCAL, ref=1), asm.alu_imm(Alu.ADD, 0, 1), asm.exit_()]
    code += [asm.label(1), asm.mov(0, 1), asm.alu_imm(Alu.ADD, 0, 1), asm.exit_()]
    assert run(code) == 22


@kernel
def test_a_long_jump() -> None:
    """Over 40000 instructions, for packets with data behind the Ethernet header; version 4 of the instruction set."""
    code = [asm.mov_imm(0, 7), asm.load(4, 2, 1, 0), asm.branch_imm(Jump.JEQ, 2, 0, 3), asm.jump(2), asm.label(3)]
    code += [asm.alu_imm(Alu.ADD, 0, 1)] * 40_000 + [asm.label(2), asm.exit_()]
    assert run(code, PACKET + bytes(20)) == 7
    assert run(code, PACKET) == 40_007


@contextmanager
def array(value_size: int = 8) -> Iterator[Handle]:
    with syscalls.map_create(MapType.ARRAY, 4, value_size, 1) as made:
        yield made


@kernel
@any_kernel
def test_a_map() -> None:
    with array() as made, kernel_program.load(counting(), (made,)) as loaded:
        assert [loaded.test_run(PACKET).retval for _ in range(3)] == [0, 1, 2]
        assert loaded.test_run(PACKET, repeat=1000).retval == 1002
        assert map_commands.map_lookup(made, bytes(4), 8) == (1003).to_bytes(8, "little")


@kernel
@any_kernel
def test_a_map_value_by_its_address() -> None:
    code = [Insn(asm.Kind.LD_MAP_VALUE, 0x18, 1, imm=8, ref=0), asm.load(8, 0, 1, 0), asm.exit_()]
    with array(16) as made:
        map_commands.map_update(made, bytes(4), (5).to_bytes(8, "little") + (77).to_bytes(8, "little"))
        with kernel_program.load(spec(code, maps=(COUNTER,)), (made,)) as loaded:
            assert loaded.test_run(PACKET).retval == 77


def test_as_many_maps_as_the_spec_has() -> None:
    with array() as made, pytest.raises(ValueError, match="uses 1 maps, and 2 are given"):
        kernel_program.load(counting(), (made, made))


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
    """A million instructions take the verifier seconds, and a second load would tell no more."""
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
def test_closing_twice() -> None:
    loaded = kernel_program.load(returning(0))
    with loaded as same:
        assert same is loaded
        fd = loaded.fd
        assert os.readlink(f"/proc/self/fd/{fd}") == "anon_inode:bpf-prog"
        assert loaded.fileno() == fd
    assert loaded.closed
    loaded.close()
    assert repr(loaded) == "<LoadedProgram assembled closed>"
    with pytest.raises(ClosedError, match="program assembled is closed"):
        _ = loaded.fd
    with pytest.raises(ClosedError, match="program assembled is closed"), loaded:
        pass
    with pytest.raises(ValueError, match="program assembled is closed"):
        loaded.test_run(PACKET)
    with pytest.raises(ValueError, match="closed"):
        loaded.info()


@kernel
@any_kernel
def test_a_forgotten_program_is_closed() -> None:
    fd = kernel_program.load(returning(0)).fd
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


@kernel
@any_kernel
def test_what_the_kernel_knows() -> None:
    with kernel_program.load(returning(3, name="a name-with öther signs")) as loaded:
        info = loaded.info()
    assert info.name == "a_name_with__th"
    assert info.type == ProgType.SOCKET_FILTER
    assert info.id > 0
    assert len(bytes.fromhex(info.tag)) == 8
    assert info.recursion_misses == 0
    assert info.verified_insns in (0, 2)  # 0 before Linux 5.16


@kernel
def test_statistics() -> None:
    """BPF_ENABLE_STATS counts while its descriptor is open."""
    attr = bytearray(4)
    with ExitStack() as stack, kernel_program.load(returning(0)) as loaded:
        stats = stack.enter_context(Handle("statistics"))
        failures.checked(bpf_call.bpf_make(stats, 32, attr), "cannot turn statistics on")
        before = loaded.info().run_cnt
        left, right = (stack.enter_context(s) for s in socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))
        left.setsockopt(socket.SOL_SOCKET, SO_ATTACH_BPF, loaded.fd)
        for _ in range(5):
            right.send(b"x" * 20)
        info = loaded.info()
        assert info.run_cnt == before + 5
        assert info.run_time_ns > 0


@kernel
@any_kernel
@pytest.mark.parametrize("size", [0, 1, 13])
def test_a_packet_that_is_too_short(size: int) -> None:
    with kernel_program.load(returning(0)) as loaded, pytest.raises(KernelError, match="14 at least") as caught:
        loaded.test_run(bytes(size))
    assert caught.value.errno == errno.EINVAL
    assert f"on {size} bytes" in str(caught.value)


@kernel
@any_kernel
@pytest.mark.parametrize("prog_type", [ProgType.TRACEPOINT, ProgType.KPROBE])
def test_what_cannot_be_run_for_a_test(prog_type: ProgType) -> None:
    with (
        kernel_program.load(returning(0, prog_type)) as loaded,
        pytest.raises(NotSupported, match=f"test runs of {prog_type.name.lower()} programs") as caught,
    ):
        loaded.test_run()
    assert caught.value.errno == errno.EOPNOTSUPP


@kernel
@any_kernel
def test_a_run_without_data() -> None:
    """A raw tracepoint takes its arguments as the context."""
    code = [asm.load(8, 0, 1, 0), asm.load(8, 2, 1, 8), asm.alu(Alu.ADD, 0, 2), asm.exit_()]
    args = (ctypes.c_uint64 * 2)(30, 12)
    with kernel_program.load(spec(code, ProgType.RAW_TRACEPOINT)) as loaded:
        assert loaded.test_run(ctx=args) == (42, b"", 0)
        assert loaded.test_run(ctx=bytes(args)).retval == 42


@kernel
@any_kernel
def test_a_context_of_a_network_program() -> None:
    """The mark of the socket buffer, at offset 8."""
    context = bytearray(192)
    context[8:12] = (99).to_bytes(4, "little")
    with kernel_program.load(spec([asm.load(4, 0, 1, 8), asm.exit_()], ProgType.SCHED_CLS)) as loaded:
        assert loaded.test_run(bytes(64), ctx=context).retval == 99


@kernel
@any_kernel
def test_a_packet_that_changes() -> None:
    """An XDP program puts 32 bytes before the packet."""
    code = [asm.mov_imm(2, -32), asm.call(44), asm.mov_imm(0, 2), asm.exit_()]
    with kernel_program.load(spec(code, ProgType.XDP)) as loaded:
        result = loaded.test_run(b"\x55" * 64)
    assert result.retval == 2
    assert len(result.data) == 96
    assert result.data[32:] == b"\x55" * 64


@kernel
@any_kernel
def test_repeating() -> None:
    with array() as made, kernel_program.load(counting(), (made,)) as loaded:
        result = loaded.test_run(PACKET, repeat=100_000)
        assert result.retval == 99_999
        assert 0 < result.duration_ns < 100_000
        with pytest.raises(ValueError, match="at least once"):
            loaded.test_run(PACKET, repeat=0)


@kernel
@any_kernel
@pytest.mark.parametrize(("arguments", "error", "message"), [
    ({"repeat": 2**40}, ValueError, "at most 4294967295 times"),
    ({"repeat": "5"}, TypeError, "repeat is the number of runs, an int, not '5'"),
    ({"repeat": True}, TypeError, "repeat is the number"),
    ({"data": "abc"}, TypeError, "data is the packet's bytes, not 'abc'"),
    ({"data": 64}, TypeError, "data is the packet's bytes, not 64"),
    ({"data": None}, TypeError, "data is the packet's bytes, not None"),
    ({"ctx": 64}, TypeError, "ctx is the context's bytes or a ctypes structure, not 64"),
])  # fmt: skip
def test_wrong_arguments_of_a_test_run(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with kernel_program.load(returning(0)) as loaded, pytest.raises(error, match=message):
        loaded.test_run(**{"data": PACKET} | arguments)


@kernel
@any_kernel
@pytest.mark.parametrize("data", [bytearray(20), memoryview(PACKET), (ctypes.c_uint8 * 20)(), array_of("B", bytes(20))])
def test_packets_of_any_kind_of_bytes(data: Any) -> None:
    with kernel_program.load(returning(5)) as loaded:
        assert loaded.test_run(data).retval == 5


@kernel
@any_kernel
@pytest.mark.parametrize("prog_type", [ProgType.SOCKET_FILTER, ProgType.SCHED_CLS])
def test_a_packet_that_is_too_long(prog_type: ProgType) -> None:
    with kernel_program.load(returning(0, prog_type)) as loaded:
        assert loaded.test_run(bytes(PAGESIZE - 600)).retval == 0
        with pytest.raises(KernelError, match=rf"on {2 * PAGESIZE} bytes.* at most a page of {PAGESIZE} bytes"):
            loaded.test_run(bytes(2 * PAGESIZE))


@kernel
@any_kernel
def test_expected_attach_type() -> None:
    """A cgroup program for egress isn't one for ingress: the kernel keeps what it was loaded for."""
    good = returning(1, ProgType.CGROUP_SKB)
    egress = replace(good, hook=replace(good.hook, attach_type=AttachType.CGROUP_INET_EGRESS))
    kernel_program.load(egress).close()
    wrong = replace(good, hook=replace(good.hook, attach_type=AttachType.XDP))
    with pytest.raises(KernelError) as caught:
        kernel_program.load(wrong)
    assert caught.value.errno == errno.EINVAL


@kernel
@any_kernel
def test_the_licence_counts() -> None:
    code = [asm.mov(1, FRAME), asm.alu_imm(Alu.ADD, 1, -8), asm.mov_imm(2, 8), asm.mov_imm(3, 0), asm.call(113)]
    reading = spec([*code, asm.mov_imm(0, 0), asm.exit_()], ProgType.TRACEPOINT)
    kernel_program.load(reading).close()
    with pytest.raises(VerifierError) as caught:
        kernel_program.load(replace(reading, license="proprietary"))
    assert "GPL" in caught.value.strerror


@pytest.fixture
def bpffs(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "bpf"
    folder.mkdir()
    subprocess.run(["mount", "-t", "bpf", "bpf", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


@kernel
@any_kernel
def test_pins(bpffs: Path) -> None:
    path = bpffs / "mine"
    with kernel_program.load(returning(12)) as loaded:
        loaded.pin(path)
        with pytest.raises(KernelError, match="pinned there already") as caught:
            loaded.pin(path)
        assert caught.value.errno == errno.EEXIST
        number = loaded.info().id
    with kernel_program.LoadedProgram(syscalls.obj_get(path), returning(12)) as again:
        assert again.info().id == number
        assert again.test_run(PACKET).retval == 12
    assert kernel_program.LoadedProgram.unpin(path) is True
    assert kernel_program.LoadedProgram.unpin(path) is False
    with pytest.raises(KernelError, match="nothing is pinned there"):
        syscalls.obj_get(path)


@kernel
@any_kernel
def test_a_pin_outside_of_a_bpf_file_system(tmp_path: Path) -> None:
    with kernel_program.load(returning(0)) as loaded, pytest.raises(KernelError, match="mount -t bpf bpf /sys/fs/bpf"):
        loaded.pin(tmp_path / "here")
    assert list(tmp_path.iterdir()) == []


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


def test_encoding_needs_no_kernel_and_is_the_same_each_time() -> None:
    one, other = programs.encode(counting()), programs.encode(counting())
    assert one == other
    assert len(one.slot_of) == len(counting().code)


@pytest.mark.parametrize(("release", "charges"), [("5.10.0-30-amd64", True), ("4.19", True), ("5.11.0", False),
                                                  ("6.18.1+", False), ("10.0", False), ("odd", False)])
def test_the_memory_limit_is_told_of_only_where_it_counts(
    release: str, charges: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (65536, 65536))
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "host", release, "1", "x86_64")))
    told = str(failures.failure(errno.EPERM, "making one", Operation.MAKE_MAP))
    assert ("RLIMIT_MEMLOCK is 65536" in told) is charges
