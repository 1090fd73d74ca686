"""Programs written by hand, for tests of the stages after the compiler."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable

from py2bpf import asm
from py2bpf.asm import FRAME, Alu, Insn, Jump
from py2bpf.exception import Span
from py2bpf.spec import MapSpec, ProgramSpec
from py2bpf.uapi.hooks import SPECS
from py2bpf.uapi.map_types import MapType
from py2bpf.uapi.prog_types import ProgType

PACKET = bytes(14)
"""The smallest packet that a network program runs on."""

FIRST_LINE = 100
"""Instruction i of ``spec`` comes from line FIRST_LINE + i of ``user.py``."""

COUNTER = MapSpec(MapType.ARRAY, ctypes.c_uint32, ctypes.c_uint64, 1)
EVENTS = MapSpec(MapType.PERF_EVENT_ARRAY, ctypes.c_uint32, ctypes.c_uint32, 0)


def spec(
    code: Iterable[Insn],
    prog_type: ProgType = ProgType.SOCKET_FILTER,
    maps: tuple[MapSpec, ...] = (),
    name: str = "assembled",
) -> ProgramSpec:
    code = tuple(code)
    lines = tuple(Span("user.py", FIRST_LINE + i, 4 * i) for i in range(len(code)))
    return ProgramSpec(name, SPECS[prog_type], code, lines, maps)


def returning(value: int, prog_type: ProgType = ProgType.SOCKET_FILTER, name: str = "assembled") -> ProgramSpec:
    return spec([asm.mov_imm(0, value), asm.exit_()], prog_type, name=name)


def next_number(map_number: int) -> list[Insn]:
    """r7 = the first value of an array map, which then grows by one. Leaves by label 9 with r0 = 0 without it."""
    return [
        asm.store_imm(4, FRAME, -4, 0),
        asm.ld_map(1, map_number),
        asm.mov(2, FRAME),
        asm.alu_imm(Alu.ADD, 2, -4),
        asm.call(1),
        asm.branch_imm(Jump.JEQ, 0, 0, 9),
        asm.load(8, 7, 0, 0),
        asm.mov(1, 7),
        asm.alu_imm(Alu.ADD, 1, 1),
        asm.store(8, 0, 0, 1),
    ]


def counting() -> ProgramSpec:
    """Returns how many times it ran before; map 0 is COUNTER."""
    return spec([*next_number(0), asm.mov(0, 7), asm.label(9), asm.exit_()], maps=(COUNTER,))


def sending(size: int = 8) -> ProgramSpec:
    """Sends the number of the run, as u64 repeated to ``size`` bytes, to perf event array 1; map 0 is COUNTER."""
    words = -(-size // 8)
    begin = -8 - 8 * words
    code = [asm.mov(6, 1), *next_number(0)]
    code += [asm.store(8, FRAME, begin + 8 * i, 7) for i in range(words)]
    code += [
        asm.mov(1, 6),
        asm.ld_map(2, 1),
        asm.mov_imm(3, 0xFFFFFFFF),
        asm.mov(4, FRAME),
        asm.alu_imm(Alu.ADD, 4, begin),
        asm.mov_imm(5, size),
        asm.call(25),
        asm.label(9),
        asm.exit_(),
    ]
    return spec(code, maps=(COUNTER, EVENTS))
