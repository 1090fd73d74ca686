"""Jumps that can't reach their target are refused before registers are allocated."""

from __future__ import annotations

from typing import Any

import pytest

from py2bpf.asm import FARTHEST, Alu, Jump
from py2bpf.compiler.codegen import distances
from py2bpf.compiler.codegen import machine as m
from py2bpf.compiler.codegen.exits import EXIT_LABEL, Exits
from py2bpf.compiler.ir.values import Block
from py2bpf.exception import LimitExceeded

NOTHING: Any = None


def jumping(between: list[m.Machine], to_the_end: bool) -> m.MachineFunction:
    """A branch to the block behind these instructions, or to where the program ends."""
    first, second = m.MachineBlock(Block(), 0), m.MachineBlock(Block(), 0)
    target = EXIT_LABEL if to_the_end else second.label
    first.code = [m.branch_imm(Jump.JEQ, 20, 0, target), *between]
    code = m.MachineFunction(NOTHING, Exits({}))
    code.blocks = [first, second]
    return code


@pytest.mark.parametrize("to_the_end", [False, True])
def test_what_surely_is_too_far(to_the_end: bool) -> None:
    count = FARTHEST
    steps = [m.alu_imm(Alu.ADD, 20, 1)]
    maybe = [m.move(20, 21), m.mov_imm(20, 5), m.label(7)]
    distances.check(jumping(steps * count + maybe * count, to_the_end))
    with pytest.raises(LimitExceeded, match=rf"too long \({count + 2} instructions, 32767 at most\)"):
        distances.check(jumping(steps * (count + 1), to_the_end))
