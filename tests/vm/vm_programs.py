"""Programs written by hand, for the embedded VM and the kernel alike."""

from __future__ import annotations

import ctypes
import errno
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from py2bpf import asm
from py2bpf.asm import Insn
from py2bpf.exception import KernelError
from py2bpf.kernel import kernel_program as kernel_program
from py2bpf.spec import MapSpec, ProgramSpec
from py2bpf.uapi.helpers import HELPERS
from py2bpf.uapi.hooks import SPECS
from py2bpf.uapi.map_types import MapType
from py2bpf.uapi.prog_types import ProgType
from py2bpf.vm import machine_calls
from py2bpf.vm import vm_program as vm_program

SAVED = asm.mov(6, 1)
"""Keeps the context in r6, where calls take it from."""

CTX = "ctx"


def spec_of(
    code: Sequence[Insn], prog_type: ProgType, kfuncs: tuple[str, ...] = (), maps: tuple[MapSpec, ...] = ()
) -> ProgramSpec:
    code = tuple(code)
    return ProgramSpec("byhand", SPECS[prog_type], code, (None,) * len(code), maps, kfuncs=kfuncs)


def array_of(size: int, flags: int = 0) -> MapSpec:
    """An array of one value of so many bytes."""
    return MapSpec(MapType.ARRAY, ctypes.c_uint32, ctypes.c_uint8 * size, 1, flags)


class Held:
    """A map of the VM as programs are loaded with it."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle


def call(name: str, *args: Any) -> list[Insn]:
    """A call of a helper: arguments are numbers, CTX, ("stack", offset) or ("reg", number)."""
    code = []
    for number, arg in enumerate(args, 1):
        if arg == CTX:
            code.append(asm.mov(number, 6))
        elif isinstance(arg, tuple) and arg[0] == "stack":
            code += [asm.mov(number, asm.FRAME), asm.alu_imm(asm.Alu.ADD, number, arg[1])]
        elif isinstance(arg, tuple):
            code.append(asm.mov(number, arg[1]))
        else:
            code.append(asm.mov_imm(number, arg))
    return [*code, asm.call(HELPERS[name].id)]


def in_kernel(spec: ProgramSpec, data: bytes, ctx: bytes | None = None, repeat: int = 1) -> tuple[int, bytes] | int:
    """The result and the packet afterwards, or the errno of what the kernel refuses to run."""
    with kernel_program.load(spec) as loaded:
        return _outcome(loaded, data, ctx, repeat)


def in_vm(
    spec: ProgramSpec, data: bytes, ctx: bytes | None = None, repeat: int = 1, machine: Any = None
) -> tuple[int, bytes] | int:
    """As in_kernel. Raises VmFault."""
    with vm_program.load(spec, (), machine or machine_calls.machine_create(2)) as loaded:
        return _outcome(loaded, data, ctx, repeat)


def _outcome(loaded: Any, data: bytes, ctx: bytes | None, repeat: int) -> tuple[int, bytes] | int:
    try:
        run = loaded.test_run(data, ctx, repeat)
    except KernelError as error:
        return error.errno or errno.EINVAL
    return run.retval, run.data


def refused_helpers() -> set[str]:
    """The helper functions that the VM lacks, by the last table of docs/vm.md."""
    text = (Path(__file__).resolve().parents[2] / "docs" / "vm.md").read_text(encoding="utf-8")
    rows = text.partition("The VM refuses these helper functions")[2].partition("| --- | --- |")[2].splitlines()
    return {name for row in rows if row.startswith("|") for name in re.findall(r"`(\w+)`", row.split("|")[1])}
