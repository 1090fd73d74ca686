"""Programs assembled by hand, loaded into the running kernel and run there."""

from __future__ import annotations

import ctypes
import errno
import os
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
from assembled import COUNTER, PACKET, counting, returning, spec

from py2bpf import asm, programs
from py2bpf.asm import Alu, Insn, Jump
from py2bpf.core import failures
from py2bpf.core.handles import Handle
from py2bpf.exception import (
    ClosedError,
    KernelError,
    NotSupported,
)
from py2bpf.kernel import bpf_call, kernel_program, map_commands, syscalls
from py2bpf.uapi.map_types import MapType
from py2bpf.uapi.prog_types import AttachType, ProgType

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


def test_encoding_needs_no_kernel_and_is_the_same_each_time() -> None:
    one, other = programs.encode(counting()), programs.encode(counting())
    assert one == other
    assert len(one.slot_of) == len(counting().code)
