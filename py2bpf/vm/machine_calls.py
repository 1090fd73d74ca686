"""The embedded VM's machine in the C core; csrc/api.h describes the calls, which release the GIL.

The machine is a cffi pointer that frees the machine when it is collected.
"""

from __future__ import annotations

import os
from typing import Any, Final

from .._ffi import ffi, lib
from ..exception import KernelError

_TRACE_CHUNK: Final = 1 << 16


def core_failure(result: int, what: str) -> KernelError:
    return KernelError(-result, f"{what}: {os.strerror(-result)}")


def machine_create(n_cpus: int) -> Any:
    """A machine with ``n_cpus`` CPUs, at most 4096."""
    ret = ffi.new("struct p2b_vm **")
    result: int = lib.p2b_vm_create(n_cpus, ret)
    if result < 0:
        raise core_failure(result, f"cannot make an embedded VM of {n_cpus} CPUs")
    return ffi.gc(ret[0], lib.p2b_vm_destroy)


class Setting:
    """The settings of machine_set(): ``enum p2b_vm_setting``."""

    CPU: Final[int] = lib.P2B_VM_CPU
    SEED: Final[int] = lib.P2B_VM_SEED
    CLOCK: Final[int] = lib.P2B_VM_CLOCK
    RUN_CLOCK: Final[int] = lib.P2B_VM_RUN_CLOCK
    IDLE: Final[int] = lib.P2B_VM_IDLE


def machine_set(machine: Any, setting: int, value: int) -> None:
    """Changes a setting of the machine: what programs see as the CPU, the seed of random numbers, or a fixed clock."""
    result: int = lib.p2b_vm_set(machine, setting, value)
    if result < 0:
        raise core_failure(result, f"cannot set number {setting} of the embedded VM to {value}")


def trace(machine: Any) -> tuple[list[str], int]:
    """Takes the lines that programs printed, and how many lines were lost: the machine keeps a megabyte."""
    out, lost, text, missing = bytearray(_TRACE_CHUNK), ffi.new("uint64_t *"), bytearray(), 0
    while n := lib.p2b_vm_trace(machine, ffi.from_buffer(out), len(out), lost):
        text += out[:n]
        missing += lost[0]
    return text.decode(errors="replace").splitlines(), missing + lost[0]


def machine_lock(machine: Any) -> None:
    """Stops all programs and changes of maps until machine_unlock(). Waits for a running program's next pause."""
    lib.p2b_vm_lock(machine)


def machine_unlock(machine: Any) -> None:
    lib.p2b_vm_unlock(machine)


def machine_forked(machine: Any) -> None:
    """To be called in a child that was forked while the machine was locked: unlocks the machine, and forgets what the
    parent's other threads were running."""
    lib.p2b_vm_forked(machine)
