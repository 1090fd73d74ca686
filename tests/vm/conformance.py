"""Reads the programs of another project's suite for BPF machines (github.com/Alan-Jowett/bpf_conformance): files of
sections, an assembler's text among them. `ldxdw %r0, [%r1+8]` loads, `jne32 %r0, 5, somewhere` jumps."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from py2bpf import asm
from py2bpf.asm import CMPXCHG, FETCH, SIZES, XCHG, Alu, Class, Insn, Jump, Kind, Source

_SIZES = {"b": 1, "h": 2, "w": 4, "dw": 8}
_REGISTER = re.compile(r"%r(\d+)")
_PLACE = re.compile(r"\[%r(\d+)([-+]\w+)?\]")
_ALU = {name.lower(): Alu[name] for name in ("ADD", "SUB", "MUL", "DIV", "OR", "AND", "LSH", "RSH", "MOD", "XOR", "MOV",
                                             "ARSH")}  # fmt: skip
_JUMP = {op.name.lower(): op for op in Jump if op not in (Jump.CALL, Jump.EXIT, Jump.JA)}
_SIGNED = {"sdiv": Alu.DIV, "smod": Alu.MOD}
_END = {"le": Class.ALU | Alu.END, "be": Class.ALU | Alu.END | Source.X, "swap": Class.ALU64 | Alu.END,
        "bswap": Class.ALU64 | Alu.END}  # fmt: skip
_ATOMIC = {"add": Alu.ADD, "or": Alu.OR, "and": Alu.AND, "xor": Alu.XOR, "xchg": XCHG, "cmpxchg": CMPXCHG}


@dataclass(frozen=True)
class Program:
    """``memory`` is what r1 points at (r2 has its length), ``result`` what is in r0 at the end."""

    code: list[Insn]
    memory: bytes
    result: int


class NotUnderstood(Exception):
    """Raised for text that is no instruction known here."""


def read(text: str) -> Program:
    """The program of a file."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("-- "):
            lines = found.setdefault(line[3:].strip(), [])
        else:
            lines.append(line.split("#")[0].strip())
    memory = bytes.fromhex("".join(found.get("mem", [])))
    return Program(assemble(found["asm"]), memory, int("".join(found["result"]), 0))


def assemble(lines: list[str]) -> list[Insn]:
    """Symbolic instructions. The first exit has a label of that name where nothing else has."""
    labels: dict[str, int] = {}

    def label(name: str) -> int:
        return labels.setdefault(name, len(labels))

    code: list[Insn] = []
    defined = {line[:-1] for line in lines if line.endswith(":")}
    for line in filter(None, lines):
        if line.endswith(":"):
            code.append(asm.label(label(line[:-1])))
            continue
        if line == "exit" and "exit" not in defined:
            defined.add("exit")
            code.append(asm.label(label("exit")))
        code.append(_instruction(line, label))
    return code


def _instruction(line: str, label: Callable[[str], int]) -> Insn:
    name, _, rest = line.partition(" ")
    operands = [operand.strip() for operand in rest.split(",")] if rest.strip() else []
    for kind in (_jump, _memory, _alu):
        if (insn := kind(name, operands, label)) is not None:
            return insn
    raise NotUnderstood(line)


def _number(text: str, bits: int = 32) -> int:
    value = int(text, 0) & ((1 << bits) - 1)
    return value - (1 << bits) if value >> (bits - 1) else value


def _register(text: str) -> int:
    found = _REGISTER.fullmatch(text)
    if found is None:
        raise NotUnderstood(text)
    return int(found[1])


def _place(text: str) -> tuple[int, int]:
    found = _PLACE.fullmatch(text)
    if found is None:
        raise NotUnderstood(text)
    return int(found[1]), int(found[2] or "0", 0)


def _jump(name: str, operands: list[str], label: Callable[[str], int]) -> Insn | None:
    if name == "exit":
        return asm.exit_()
    if name in ("ja", "ja32"):
        return _to(operands[0], asm.jump(0), label)
    if name == "call":
        kind, _, goal = operands[0].partition(" ")
        if kind.startswith("%"):
            raise NotUnderstood("a call of what a register says")
        return asm.call_local(label(goal)) if kind == "local" else asm.call(_number(kind))
    op = _JUMP.get(name.removesuffix("32"))
    if op is None:
        return None
    wide, (left, right, goal) = not name.endswith("32"), operands
    if right.startswith("%"):
        return _to(goal, asm.branch(op, _register(left), _register(right), 0, wide), label)
    return _to(goal, asm.branch_imm(op, _register(left), _number(right), 0, wide), label)


def _to(goal: str, jump: Insn, label: Callable[[str], int]) -> Insn:
    """A jump to a label, or by a number of slots: +1."""
    if goal[0] in "+-":
        return jump._replace(kind=Kind.PLAIN, off=int(goal, 0))
    return jump._replace(ref=label(goal))


def _memory(name: str, operands: list[str], label: Callable[[str], int]) -> Insn | None:
    if name == "lddw":
        return Insn(Kind.LD64, 0x18, _register(operands[0]), imm=_number(operands[1], 64))
    if name == "lock":
        return _atomic(operands)
    if (found := re.fullmatch(r"(ldxs|ldx|stx|st)(b|h|w|dw)", name)) is None:
        return None
    kind, size = found[1], _SIZES[found[2]]
    base, off = _place(operands[1 if kind.startswith("ld") else 0])
    if kind == "ldx":
        return asm.load(size, _register(operands[0]), base, off)
    if kind == "ldxs":
        return Insn(Kind.PLAIN, Class.LDX | 0x80 | SIZES[size], _register(operands[0]), base, off)
    if kind == "stx":
        return asm.store(size, base, off, _register(operands[1]))
    return asm.store_imm(size, base, off, _number(operands[1]))


def _atomic(operands: list[str]) -> Insn:
    *words, place = operands[0].split()
    fetch = FETCH if words[0] == "fetch" else 0
    base, off = _place(place)
    size = 4 if words[-1].endswith("32") else 8
    return asm.atomic(size, _ATOMIC[words[-1].removesuffix("32")] | fetch, base, off, _register(operands[1]))


def _alu(name: str, operands: list[str], label: Callable[[str], int]) -> Insn | None:
    if (found := re.fullmatch(r"(le|be|swap|bswap)(16|32|64)", name)) is not None:
        return Insn(Kind.PLAIN, _END[found[1]], _register(operands[0]), imm=int(found[2]))
    if (found := re.fullmatch(r"movsx(8|16|32)(32|64)", name)) is not None:
        return asm.mov(_register(operands[0]), _register(operands[1]), found[2] == "64")._replace(off=int(found[1]))
    plain, wide = name.removesuffix("32"), not name.endswith("32")
    if plain == "neg":
        return Insn(Kind.PLAIN, (Class.ALU64 if wide else Class.ALU) | Alu.NEG, _register(operands[0]))
    op, off = (_SIGNED[plain], 1) if plain in _SIGNED else (_ALU.get(plain), 0)
    if op is None:
        return None
    if operands[1].startswith("%"):
        return asm.alu(op, _register(operands[0]), _register(operands[1]), wide)._replace(off=off)
    return asm.alu_imm(op, _register(operands[0]), _number(operands[1]), wide)._replace(off=off)
