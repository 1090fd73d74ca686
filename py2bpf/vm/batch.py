"""Runs one program of the VM on many packets, in one call of the C core."""

from __future__ import annotations

from array import array
from typing import Any, NamedTuple

from ..core import entries
from ..exception import DataTypeError, KernelError, VmFault
from ..given import shown
from . import program_calls
from .vm_program import VmProgram


class ManyRuns(NamedTuple):
    """``retvals`` are the results as unsigned 32-bit numbers, ``insns`` is the number of instructions of all runs.
    ``fault`` is what the program did wrong on the next packet, if it ended early."""

    retvals: memoryview
    insns: int
    fault: VmFault | None


def run_many(prog: Any, data: entries.Buffer, offsets: memoryview, sizes: memoryview, times: memoryview) -> ManyRuns:
    """Runs a network program of the VM once for each packet: packet i is ``sizes[i]`` bytes of ``data`` at
    ``offsets[i]``, and all clocks show ``times[i]`` meanwhile. The arrays are of u64, u32 and u64.

    Packets shorter than an Ethernet header are filled up with zeros, those longer than program_calls.PACKET_MAX are
    cut. Raises DataTypeError for a program that isn't in the VM, KernelError for one that takes no packets.
    """
    program = getattr(prog, "_loaded", prog)
    if not isinstance(program, VmProgram):
        raise DataTypeError(f"{shown(prog)} is no program of the embedded VM: make it inside of py2bpf.vm.backend()")
    if len(sizes) and max(sizes) > program_calls.PACKET_MAX:
        sizes = memoryview(array("I", (min(size, program_calls.PACKET_MAX) for size in sizes)))
    retvals = bytearray(4 * len(sizes))
    ran = program_calls.prog_run_many(
        program.handle, data, offsets.cast("B"), sizes.cast("B"), times.cast("B"), retvals
    )
    fault = program.fault(ran.failure) if isinstance(ran.failure, program_calls.Fault) else None
    if isinstance(ran.failure, int):
        what = f"cannot run {program.spec.name}, a {program.spec.hook.name} program, on packets"
        raise KernelError(ran.failure, what)
    return ManyRuns(memoryview(retvals).cast("I")[: ran.done], ran.insns, fault)
