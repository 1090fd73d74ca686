"""The embedded VM's programs in the C core; csrc/api.h describes the calls, which release the GIL.

A failing call raises KernelError with the errno that the kernel would give, unless a docstring says otherwise.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from .._ffi import ffi, lib
from ..core.entries import Buffer
from ..core.failures import is_closed
from ..core.handles import Handle
from .machine_calls import core_failure
from .pause import interruptible

PACKET_MAX: Final[int] = lib.P2B_VM_PACKET_MAX
"""The size in bytes of the largest packet on which programs of the VM run."""


class Fault(NamedTuple):
    """Why a program can't run, or ended: the slot, the number or address at fault, the reason.

    ``program`` is the address (see address()) of the program that has the slot; 0 means the program that was called.
    """

    slot: int
    value: int
    reason: str
    program: int = 0


class RunResult(NamedTuple):
    """The outcome of runs: ``duration`` is the mean time in nanoseconds, ``insns`` the instructions of all runs."""

    retval: int
    data: bytes
    ctx: bytes
    duration: int
    insns: int


def _fault(fault: Any, program: int = 0) -> Fault:
    return Fault(fault.index, fault.value, ffi.string(fault.what).decode(), program)


def address(prog: Handle) -> int:
    """The program's address, which identifies the program in a Fault."""
    return _number(prog.cell.object)


def _number(pointer: Any) -> int:
    return int(ffi.cast("uintptr_t", pointer))


def prog_create(
    machine: Any, slots: Buffer, prog_type: int, maps: Sequence[Handle], kfuncs: Sequence[str], what: str
) -> Handle | Fault:
    """A program, made from the result of programs.encode().

    Returns the Fault of a program that the machine refuses. Raises ClosedError if a map is closed.
    """
    names = [ffi.new("char[]", name.encode()) for name in kfuncs]
    made, fault = Handle(what), ffi.new("struct p2b_fault *")
    result: int = lib.p2b_vm_prog_create(
        machine, ffi.from_buffer(slots), len(slots) // 8, prog_type, [map.cell for map in maps], len(maps), names,
        len(names), fault, made.cell,
    )  # fmt: skip
    if is_closed(result):
        raise next((map for map in maps if map.closed), made).closed_error()
    if result < 0:
        found = _fault(fault)
        if not found.reason:
            raise core_failure(result, "cannot make a program of the embedded VM")
        return found
    return made


def prog_run(prog: Handle, data: Buffer, ctx: Buffer, repeat: int, budget: int) -> RunResult | Fault | int:
    """Runs a program ``repeat`` times on a packet and a context. ``budget`` is about how many instructions a run may
    take (0: 2**30).

    Returns a Fault if the program ends with one, or the errno if the kernel would refuse the run.
    """
    room = PACKET_MAX + (1 << 13) if data else 0  # an XDP packet grows by its headroom and a page, at most
    packet, context = ffi.from_buffer(data), ffi.from_buffer(ctx)
    out, ctx_out = ffi.new("char[]", room), ffi.new("char[]", len(ctx))
    run = ffi.new("struct p2b_vm_run *")
    run.data, run.data_size, run.data_out, run.data_cap = packet, len(data), out, room
    run.ctx, run.ctx_size, run.ctx_out = context, len(ctx), ctx_out
    run.repeat, run.budget = repeat, budget
    with interruptible() as run.pause:
        result: int = lib.p2b_vm_run(prog.cell, run)
    if is_closed(result):
        raise prog.closed_error()
    if result == -errno.EFAULT and run.fault_prog:
        return _fault(run.fault, _number(run.fault_prog))
    if result < 0:
        return -result
    after = ffi.buffer(out, run.data_out_size)[:]
    return RunResult(run.retval, after, ffi.buffer(ctx_out, len(ctx))[:], run.duration, run.insns)


class Batch(NamedTuple):
    """The outcome of prog_run_many(): the first ``done`` results are there. ``failure`` is why it stopped early: a
    Fault, or the errno if the kernel would refuse the run; None if all packets were processed."""

    done: int
    insns: int
    duration: int
    failure: Fault | int | None


def prog_run_many(
    prog: Handle, data: Buffer, offsets: Buffer, sizes: Buffer, times: Buffer | None, retvals: bytearray,
    budget: int = 0,
) -> Batch:  # fmt: skip
    """Runs a network program once for each packet. ``offsets`` (u64) and ``sizes`` (u32) say where the packets are in
    ``data``, ``times`` (u64, nanoseconds) what all clocks show meanwhile. ``retvals`` receives a u32 for each
    packet."""
    count = len(sizes) // 4
    if len(offsets) != 8 * count or len(retvals) < 4 * count or (times is not None and len(times) != 8 * count):
        raise ValueError(f"{count} packets need as many offsets, times and results")
    run, done = ffi.new("struct p2b_vm_run *"), ffi.new("uint32_t *")
    run.budget = budget
    with interruptible() as run.pause:
        result: int = lib.p2b_vm_run_many(
            prog.cell,
            ffi.from_buffer(data),
            len(data),
            ffi.from_buffer("uint64_t[]", offsets),
            ffi.from_buffer("uint32_t[]", sizes),
            ffi.NULL if times is None else ffi.from_buffer("uint64_t[]", times),
            count,
            ffi.from_buffer("uint32_t[]", retvals),
            done,
            run,
        )
    if is_closed(result):
        raise prog.closed_error()
    failure: Fault | int | None = None
    if result == -errno.EFAULT and run.fault_prog:
        failure = _fault(run.fault, _number(run.fault_prog))
    elif result < 0:
        failure = -result
    return Batch(done[0], run.insns, run.duration, failure)
