"""Instructions as text: what LLVM has no words for, and what is no instruction. tests/core compares the rest."""

from __future__ import annotations

import pytest

from py2bpf import asm, disasm
from py2bpf.asm import Alu, Class, Insn, Jump, Kind, Source


@pytest.mark.parametrize(
    ("insn", "text"),
    [
        (asm.label(4), "L4:"),
        (asm.jump(4), "goto L4"),
        (asm.branch_imm(Jump.JEQ, 1, 3, 4), "if r1 == 3 goto L4"),
        (asm.branch(Jump.JSGT, 1, 3, 4, wide=False), "if w1 s> w3 goto L4"),
        (Insn(Kind.PLAIN, Class.JMP | Jump.JA, off=-2), "goto -2"),
        (Insn(Kind.PLAIN, Class.JMP32 | Jump.JA, imm=70000), "gotol +70000"),
        (asm.mov_imm(1, 1 << 40), "r1 = 1099511627776 ll"),
        (asm.ld_map(0, 2), "r0 = map 2 ll"),
        (Insn(Kind.LD_MAP_VALUE, 0x18, 1, imm=8, ref=0), "r1 = map 0 value + 8 ll"),
        (Insn(Kind.CALL_LOCAL, ref=6), "call L6"),
        (Insn(Kind.PLAIN, Class.JMP | Jump.CALL, 0, 1, imm=9), "call pc+9"),
        (asm.ld_func(2, 6), "r2 = function L6 ll"),
        (asm.call_kfunc(3), "call kfunc 3"),
        (Insn(Kind.PLAIN, Class.JMP | Jump.CALL, 0, 2, imm=64242), "call kfunc 64242"),
        (asm.call(1), "call map_lookup_elem"),
        (asm.call(99999), "call 99999"),
        (asm.packet_load(2, 12), "r0 = *(u16 *)skb[12]"),
        (asm.packet_load(1, 5, index=3), "r0 = *(u8 *)skb[r3 + 5]"),
        (asm.store(4, 10, -4, 1), "*(u32 *)(r10 - 4) = r1"),
        (asm.alu(Alu.MOV, 1, 2)._replace(off=8), "r1 = (s8)r2"),
        (asm.alu(Alu.DIV, 1, 2)._replace(off=1), "r1 s/= r2"),
        (asm.alu_imm(Alu.MOD, 1, 3, wide=False)._replace(off=1), "w1 s%= 3"),
        (Insn(Kind.PLAIN, Class.ALU64 | Alu.END, 1, imm=32), "r1 = bswap32 r1"),
        (Insn(Kind.PLAIN, Class.LDX | 0x80, 1, 2, 3), "r1 = *(s32 *)(r2 + 3)"),
    ],
)
def test_text(insn: Insn, text: str) -> None:
    assert disasm.text(insn) == text
    assert disasm.text(insn) == str(disasm.Shown(*insn)) == text


@pytest.mark.parametrize(
    "insn",
    [
        Insn(Kind.PLAIN, Class.JMP32 | 0xE0),
        Insn(Kind.PLAIN, Class.ALU | 0xE0),
        Insn(Kind.PLAIN, Class.LDX | 0xE0),
        Insn(Kind.PLAIN, Class.STX | 0x20),
        Insn(Kind.PLAIN, Class.ST | 0xC0),
        Insn(Kind.PLAIN, Class.LD | 0x60),
        asm.atomic(8, Alu.MUL, 10, -8, 1),
        asm.atomic(8, Alu.LSH | asm.FETCH, 10, -8, 1),
    ],
)
def test_no_instruction(insn: Insn) -> None:
    assert disasm.text(insn).startswith(f"invalid code {insn.code:#04x} ")


def test_a_listing_has_its_labels_at_the_margin() -> None:
    code = [asm.mov_imm(0, 1), asm.label(1), asm.exit_()]
    assert disasm.listing(code) == "    r0 = 1\nL1:\n    exit\n"


def test_the_immediate_form_is_told_by_its_bit() -> None:
    assert Source.X == 8
    assert disasm.text(asm.alu(Alu.ADD, 0, 5)) == "r0 += r5"
    assert disasm.text(asm.alu_imm(Alu.ADD, 0, 5)) == "r0 += 5"
