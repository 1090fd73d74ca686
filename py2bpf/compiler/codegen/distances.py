"""Checks that conditional jumps reach their targets, for which an instruction has 16 bits.

The check runs before register allocation, which takes the longest of all. So it counts only code that certainly becomes
instructions: no moves, and no constants that may be loaded elsewhere.
"""

from __future__ import annotations

from ... import asm
from ..ir.values import Block
from .machine import JUMP, LABEL, Machine, MachineFunction


def check(code: MachineFunction) -> None:
    """Raises LimitExceeded for a jump that can't reach."""
    begins: dict[Block | int | None, int] = {}
    jumps: list[tuple[int, Machine]] = []
    at = 0
    for block in code.blocks:
        begins[block.label] = at
        for instruction in block.code:
            if instruction.kind == LABEL:
                begins[instruction.target] = at
            elif instruction.kind == JUMP:
                jumps.append((at, instruction))
            if instruction.kind != LABEL and not instruction.is_move and not instruction.rematerialises():
                at += 1
    for place, jump in jumps:
        distance = abs(begins.get(jump.target, at) - place)  # exits have no block yet; they come after all others
        if distance > asm.FARTHEST + 1:
            raise asm.out_of_reach(distance, jump.span)
