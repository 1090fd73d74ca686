"""Loading for a target of the kernel's BTF, and what is done with links, by programs assembled by hand."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from assembled import COUNTER, PACKET, counting, returning, spec

from py2bpf import asm
from py2bpf.asm import FRAME, Alu, Insn
from py2bpf.btf import Btf, Kind, writer
from py2bpf.core.handles import Handle
from py2bpf.exception import ClosedError, KernelError, VerifierError
from py2bpf.kernel import kernel_program, map_commands, syscalls
from py2bpf.kernel.kernel_program import LoadedProgram
from py2bpf.kernel.prog_load import BtfTarget
from py2bpf.programs import encode
from py2bpf.spec import ProgramSpec
from py2bpf.uapi.hooks import SPECS
from py2bpf.uapi.map_types import MapType
from py2bpf.uapi.prog_types import AttachType, ProgType

pytestmark = pytest.mark.kernel

LOOPBACK = socket.if_nametoindex("lo")


def kernel_target(kind: Kind, name: str) -> BtfTarget:
    number = Btf.kernel().number(kind, name)
    if number is None:
        pytest.skip(f"this kernel's BTF has no {name}")
    return BtfTarget(number)


def tracing(made: ProgramSpec, attach_type: AttachType) -> ProgramSpec:
    hook = replace(SPECS[ProgType.RAW_TRACEPOINT], prog_type=ProgType.TRACING, name="tracing", attach_type=attach_type)
    return replace(made, hook=hook)


def counting_and(result: int, prog_type: ProgType = ProgType.SOCKET_FILTER) -> ProgramSpec:
    """Counts, and returns a number that its hook takes: fentry takes 0 alone."""
    code = [*counting().code[:-3], asm.label(9), asm.mov_imm(0, result), asm.exit_()]
    return spec(code, prog_type, (COUNTER,))


@contextmanager
def counter() -> Iterator[Handle]:
    with syscalls.map_create(MapType.ARRAY, 4, 8, 1) as made:
        yield made


def count(made: Handle) -> int:
    return int.from_bytes(map_commands.map_lookup(made, bytes(4), 8) or b"", "little")


def some_calls() -> None:
    for _ in range(10):
        os.getppid()


# For a target


def test_a_program_for_a_tracepoint_of_btf_runs_there() -> None:
    target = kernel_target(Kind.TYPEDEF, "btf_trace_sys_enter")
    traced = tracing(counting_and(0), AttachType.TRACE_RAW_TP)
    with counter() as made, kernel_program.load(traced, [made], target) as loaded:
        with syscalls.raw_tracepoint_open(loaded.handle, ""):
            some_calls()
        reached = count(made)
        assert reached >= 10
        some_calls()
        assert count(made) == reached


@pytest.mark.qemu
def test_a_program_for_a_function_of_the_kernel_is_loaded() -> None:
    target = kernel_target(Kind.FUNC, "vfs_read")
    kernel_program.load(tracing(returning(0), AttachType.TRACE_FENTRY), (), target).close()


def test_without_a_target_the_error_is_the_verifiers() -> None:
    with pytest.raises(VerifierError) as caught:
        kernel_program.load(tracing(returning(0), AttachType.TRACE_ITER))
    assert caught.value.errno == errno.EINVAL
    assert "must provide btf" in caught.value.log


def test_a_target_of_the_wrong_kind_is_named_in_the_log() -> None:
    target = kernel_target(Kind.STRUCT, "task_struct")
    with pytest.raises(VerifierError) as caught:
        kernel_program.load(tracing(returning(0), AttachType.TRACE_RAW_TP), (), target)
    assert caught.value.errno == errno.EINVAL
    assert f"attach_btf_id {target.number} is not a typedef" in caught.value.log


def own_function(loaded: LoadedProgram) -> BtfTarget:
    """The main function of a program, as the BTF counts that was written for it."""
    blob = writer.program(loaded.spec, encode(loaded.spec).slot_of).blob
    number = Btf(blob).number(Kind.FUNC, loaded.spec.name)
    assert number is not None
    return BtfTarget(number, loaded.handle)


@pytest.mark.qemu
def test_a_program_for_a_function_of_another_program_runs_when_that_does() -> None:
    with counter() as made, kernel_program.load(returning(7)) as other:
        traced = tracing(counting_and(0), AttachType.TRACE_FENTRY)
        with kernel_program.load(traced, [made], own_function(other)) as loaded:
            assert other.test_run(PACKET).retval == 7 and count(made) == 0
            with syscalls.raw_tracepoint_open(loaded.handle, ""):
                assert other.test_run(PACKET, repeat=5).retval == 7
            assert count(made) == 5
            other.test_run(PACKET)
            assert count(made) == 5


def test_a_target_of_a_program_that_is_closed() -> None:
    with kernel_program.load(returning(7, name="the_other")) as other:
        target = own_function(other)
    with pytest.raises(ClosedError, match="program the_other is closed"):
        kernel_program.load(tracing(returning(0), AttachType.TRACE_FENTRY), (), target)


def test_flags_reach_the_kernel() -> None:
    """BPF_F_SLEEPABLE, which no socket filter may have."""
    with pytest.raises(KernelError) as caught:
        kernel_program.load(returning(0), flags=1 << 4)
    assert caught.value.errno == errno.EINVAL


# Raw tracepoints


def test_a_raw_tracepoint_by_name() -> None:
    raw = replace(counting(), hook=SPECS[ProgType.RAW_TRACEPOINT])
    with counter() as made, kernel_program.load(raw, [made]) as loaded:
        with syscalls.raw_tracepoint_open(loaded.handle, "sys_enter"):
            some_calls()
        assert count(made) >= 10


def test_a_raw_tracepoint_that_is_none() -> None:
    with kernel_program.load(returning(0, ProgType.RAW_TRACEPOINT)) as loaded, pytest.raises(KernelError) as caught:
        syscalls.raw_tracepoint_open(loaded.handle, "no_such_tracepoint")
    assert caught.value.errno == errno.ENOENT
    assert "a link to the raw tracepoint no_such_tracepoint" in str(caught.value)


def test_a_raw_tracepoint_and_a_closed_program() -> None:
    with kernel_program.load(returning(0, ProgType.RAW_TRACEPOINT, name="early")) as loaded:
        pass
    with pytest.raises(ClosedError, match="program early is closed"):
        syscalls.raw_tracepoint_open(loaded.handle, "sys_enter")


# Links


def verdict(action: int, marker: int) -> ProgramSpec:
    return returning(action, ProgType.XDP, name=f"verdict{marker}")


@contextmanager
def on_loopback(first: LoadedProgram) -> Iterator[Handle]:
    with syscalls.link_create(first.handle, LOOPBACK, AttachType.XDP, 2) as link:  # XDP_FLAGS_SKB_MODE
        yield link


def sees(made: Handle) -> bool:
    """Whether a datagram over the loopback device is counted."""
    before = count(made)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", ("127.0.0.1", 9))
    return count(made) > before


def passing(made: Handle) -> LoadedProgram:
    """An XDP program that counts and lets everything pass."""
    return kernel_program.load(counting_and(2, ProgType.XDP), [made])


def test_a_link_gets_another_program() -> None:
    with counter() as one, counter() as two, passing(one) as first, passing(two) as second, on_loopback(first) as link:
        assert sees(one) and not sees(two)
        syscalls.link_update(link, second.handle)
        assert sees(two) and not sees(one)
        syscalls.link_update(link, first.handle, old=second.handle)
        assert sees(one) and not sees(two)
        with pytest.raises(KernelError, match="the link has another program by now") as caught:
            syscalls.link_update(link, second.handle, old=second.handle)
        assert caught.value.errno == errno.EPERM and sees(one)


def test_no_packet_is_unseen_while_programs_change() -> None:
    """Each of them lets pass what it counts, and together they count all."""
    with counter() as one, counter() as two, passing(one) as first, passing(two) as second, on_loopback(first) as link:
        before = count(one) + count(two)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there, socket.socket(type=socket.SOCK_DGRAM) as sock:
            there.bind(("127.0.0.1", 0))
            for turn in range(500):
                sock.sendto(b"x", there.getsockname())
                syscalls.link_update(link, (first, second)[turn % 2].handle)
        assert count(one) + count(two) - before >= 500
        assert count(one) and count(two)


def test_a_link_takes_no_program_of_another_kind() -> None:
    with (
        counter() as made, passing(made) as first, kernel_program.load(returning(0)) as other,
        on_loopback(first) as link,
    ):  # fmt: skip
        with pytest.raises(KernelError, match="cannot replace the program of the link") as caught:
            syscalls.link_update(link, other.handle)
        assert caught.value.errno == errno.EINVAL and sees(made)
        closed = passing(made)
        closed.close()
        with pytest.raises(ClosedError):
            syscalls.link_update(link, closed.handle)


def test_a_link_that_is_detached_stays_open() -> None:
    with counter() as made, passing(made) as first, on_loopback(first) as link:
        assert sees(made)
        syscalls.link_detach(link)
        assert not sees(made) and not link.closed
        with pytest.raises(KernelError, match="what it was attached to is gone") as caught:
            syscalls.link_update(link, first.handle)
        assert caught.value.errno == errno.ENOLINK


# Iterators


def writing_ids() -> list[Insn]:
    """Of each task (ctx[1], NULL at the end): its number, and that of the process that reads, 4 bytes each."""
    task = Btf.kernel().layout("task_struct")["pid"].bit_offset // 8
    meta_seq = Btf.kernel().layout("bpf_iter_meta")["seq"].bit_offset // 8
    return [
        asm.mov(6, 1),
        asm.load(8, 2, 6, 8),
        asm.branch_imm(asm.Jump.JEQ, 2, 0, 9),
        asm.load(4, 3, 2, task),
        asm.store(4, FRAME, -8, 3),
        asm.call(14),
        asm.store(4, FRAME, -4, 0),
        asm.load(8, 1, 6, 0),
        asm.load(8, 1, 1, meta_seq),
        asm.mov(2, FRAME),
        asm.alu_imm(Alu.ADD, 2, -8),
        asm.mov_imm(3, 8),
        asm.call(127),
        asm.label(9),
        asm.mov_imm(0, 0),
        asm.exit_(),
    ]


def test_an_iterator_over_tasks_writes_their_numbers() -> None:
    target = kernel_target(Kind.FUNC, "bpf_iter_task")
    with (
        kernel_program.load(tracing(spec(writing_ids()), AttachType.TRACE_ITER), (), target) as loaded,
        syscalls.link_create(loaded.handle, 0, AttachType.TRACE_ITER, what="the iterator") as link,
    ):
        for _ in range(2):
            with syscalls.iter_create(link) as made, os.fdopen(os.dup(made.fd), "rb") as file:
                data = file.read()
            found = list(struct.iter_unpack("=II", data))
            (own,) = {reader for _task, reader in found}
            assert own in {task for task, _reader in found} and len(found) > 1
    with pytest.raises(ClosedError):
        syscalls.iter_create(link)


def test_only_links_of_iterators_are_read() -> None:
    with counter() as made, passing(made) as first, on_loopback(first) as link, pytest.raises(KernelError) as caught:
        syscalls.iter_create(link)
    assert caught.value.errno == errno.EINVAL
    assert "cannot read by the link" in str(caught.value)
