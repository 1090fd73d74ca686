"""Rows for tables of rules: small IR and the instructions for it; and a record of the rules that emitted them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from unittest import mock

from ir_text import parse

from py2bpf import disasm
from py2bpf.asm import Insn
from py2bpf.compiler import codegen
from py2bpf.compiler.codegen import machine as m
from py2bpf.compiler.codegen import select
from py2bpf.compiler.codegen.rules import RULES
from py2bpf.compiler.codegen.selector import Rule, Selector
from py2bpf.compiler.codegen.target import Isa
from py2bpf.compiler.ir.values import Function, Value
from py2bpf.disasm import listing

BEGINNING = """b0:
%0 = ctx ctx*
%1 = load u64 %0, offset=0, bytes=8, unsigned
%2 = load u64 %0, offset=8, bytes=8, unsigned
"""
"""What comes before the IR of a row that has no blocks of its own: a context and two numbers."""

X86 = Isa(unaligned=True, little_endian=True)

Rows = dict[str, tuple[str, str]]
"""The IR and the instructions of each row; its name begins with the rule's."""


class Firing(NamedTuple):
    """What a rule has made, as lines of text."""

    rule: str
    lines: tuple[str, ...]


def name_of(rule: Rule) -> str:
    return f"{rule.__module__.rpartition('.')[2]}.{rule.__name__}"


def function_of(ir: str) -> Function:
    text = textwrap.dedent(ir).strip()
    return parse(text if text.startswith("b0:") else BEGINNING + text)


def assembly(fn: Function, isa: Isa = X86) -> str:
    with mock.patch.object(select, "isa_for", lambda target: isa):
        return listing(codegen.generate(fn).code)


@contextmanager
def recorded() -> Iterator[list[Firing]]:
    """Which rules fire meanwhile, and what they make."""
    fired: list[Firing] = []

    def watched(rule: Rule) -> Rule:
        def call(s: Selector, value: Value) -> bool:
            before = len(s.block.code)
            fits = rule(s, value)
            made = [line for instruction in s.block.code[before:] for line in _lines(instruction)]
            if fits:
                fired.append(Firing(name_of(rule), (*made, *(["goto L0"] if s.block.next is not None else []))))
            else:
                assert not made, f"{name_of(rule)} does not fit, and yet makes {made}"
            return fits

        return call

    rules = {op: tuple(watched(rule) for rule in row) for op, row in RULES.items()}
    with mock.patch.object(select, "RULES", rules):
        yield fired


def _lines(instruction: m.Machine) -> list[str]:
    if instruction.kind == m.LEA:
        return [f"r{instruction.dst} = r10", f"r{instruction.dst} += {instruction.off}"]
    i = instruction
    return [disasm.text(Insn(i.kind, i.code, i.dst, i.src, i.off, i.imm, 0))]


def check(name: str, rows: Rows, isa: Isa = X86) -> None:
    """Checks one row: its instructions, and that the rule in its name emitted some of them."""
    ir, wanted = rows[name]
    with recorded() as fired:
        found = assembly(function_of(ir), isa)
    assert found.split() == wanted.split(), found
    assert name.split(":")[0] in {each.rule for each in fired}, f"made by {[each.rule for each in fired]}"
