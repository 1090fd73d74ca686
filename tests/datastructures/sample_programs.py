"""Programs made by hand, to have the kernel write to maps and queues."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from py2bpf import asm, vm
from py2bpf.asm import FRAME, Alu, Insn, Jump
from py2bpf.datastructures import BpfQueue, PerCpuArrayMap
from py2bpf.kernel.kernel_program import LoadedProgram, load
from py2bpf.prog import Prog, ProgType, create_prog
from py2bpf.spec import HookSpec, ProgramSpec
from py2bpf.uapi.contexts import SK_BUFF
from py2bpf.vm.machine import machine
from py2bpf.vm.vm_program import load as vm_load

TC = HookSpec(prog_type=3, name="tc")
RAW_TRACEPOINT = HookSpec(prog_type=17, name="raw tracepoint")
LOOKUP, UPDATE, DELETE, CPU, TAIL_CALL, OUTPUT, STACK_ID = 1, 2, 3, 8, 12, 25, 27
CURRENT_CPU = 0xFFFFFFFF
PACKET = bytes(64)
CPUS = sorted(os.sched_getaffinity(0))
PAUSE = 4.0
"""Seconds for which a loaded machine may leave a process alone."""


class Event(ctypes.Structure):
    _fields_ = [("seq", ctypes.c_uint64), ("cpu", ctypes.c_uint32), ("more", ctypes.c_uint32)]


def loaded(code: list[Insn], *maps: Any, hook: HookSpec = TC) -> Any:
    spec = ProgramSpec("test", hook, tuple(code), (None,) * len(code), tuple(m.map_spec for m in maps))
    if vm.current() == "vm":
        return vm_load(spec, [m._storage for m in maps], machine().handle)
    return load(spec, [m._storage.handle for m in maps])


def returning(value: int) -> LoadedProgram:
    return loaded([asm.mov_imm(0, value), asm.exit_()])


def emitter(queue: BpfQueue, counters: PerCpuArrayMap, size: int = 16) -> LoadedProgram:
    """Each run writes an Event (or its first size bytes) with this CPU's next number."""
    return loaded([
        asm.mov(6, 1),
        asm.store_imm(4, FRAME, -4, 0),
        asm.mov(2, FRAME), asm.alu_imm(Alu.ADD, 2, -4),
        asm.ld_map(1, 0), asm.call(LOOKUP),
        asm.branch_imm(Jump.JEQ, 0, 0, 1),
        asm.load(8, 7, 0, 0),
        asm.store(8, FRAME, -24, 7),
        asm.alu_imm(Alu.ADD, 7, 1),
        asm.store(8, 0, 0, 7),
        asm.call(CPU),
        asm.store(4, FRAME, -16, 0),
        asm.store_imm(4, FRAME, -12, 7),
        asm.mov(1, 6), asm.ld_map(2, 1), asm.mov_imm(3, CURRENT_CPU),
        asm.mov(4, FRAME), asm.alu_imm(Alu.ADD, 4, -24), asm.mov_imm(5, size),
        asm.call(OUTPUT),
        asm.label(1),
        asm.mov_imm(0, 0), asm.exit_(),
    ], counters, queue)  # fmt: skip


@contextmanager
def emitting(queue: BpfQueue, size: int = 16) -> Iterator[LoadedProgram]:
    with PerCpuArrayMap(ctypes.c_uint64, 1) as counters, emitter(queue, counters, size) as program:
        yield program


def until(true: Callable[[], bool]) -> None:
    """Waits for something to become true."""
    deadline = time.monotonic() + 10 * PAUSE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def run_on(cpu: int, program: LoadedProgram | Prog, count: int) -> None:
    """Runs a program count times on one CPU."""
    in_vm = program.in_vm if isinstance(program, Prog) else not isinstance(program, LoadedProgram)

    def body() -> None:
        if in_vm:
            vm.set_cpu(cpu)
        else:
            os.sched_setaffinity(0, {cpu})
        program.test_run(PACKET, repeat=count)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()


def tc(fn: Callable[[Any], Any]) -> Prog:
    """A function as a program of traffic control, whose test runs hand it the whole packet."""
    return create_prog(ProgType.SCHED_CLS, SK_BUFF, fn)
