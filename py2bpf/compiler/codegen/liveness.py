"""Liveness: the registers that are alive at the end of each block, so still to be read before they are written.

Sets of registers are bit masks in Python integers, which makes them cheap.
"""

from __future__ import annotations

from ...exception import InternalCompilerError
from ..ir.values import Block
from .machine import FRAME, VIRTUAL, Machine, MachineBlock, MachineFunction


def alive_at_ends(code: MachineFunction) -> dict[Block, int]:
    """The registers that are alive at the end of each block."""
    blocks = [(block, *_summary(block)) for block in reversed(code.blocks)]
    live_in = {block.label: 0 for block in code.blocks}
    live_out = live_in.copy()
    changed = True
    while changed:
        changed = False
        for block, read, written in blocks:
            live = 0
            for succ in block.succs:
                live |= live_in[succ]
            live_out[block.label] = live
            live = read | live & ~written
            if live != live_in[block.label]:
                live_in[block.label] = live
                changed = True
    given = (2 << 1 + code.fn.params) - 2  # r1 and the registers of a subprogram's parameters
    if live_in[code.blocks[0].label] & ~(given | 1 << FRAME):
        raise InternalCompilerError("codegen", "a register is read that nothing wrote")
    return live_out


def is_dead(instruction: Machine, live: int) -> bool:
    """Whether the instruction only computes a virtual register that is not alive after it, so not in ``live``."""
    if len(instruction.writes) != 1 or instruction.clobbers or instruction.writes[0] < VIRTUAL:
        return False
    return not live >> instruction.writes[0] & 1


def _summary(block: MachineBlock) -> tuple[int, int]:
    """The registers that a block reads before it writes them, and those that it writes."""
    live = killed = 0
    for instruction in reversed(block.code):
        for written in instruction.writes:
            live &= ~(1 << written)
            killed |= 1 << written
        for read in instruction.reads:
            live |= 1 << read
    return live, killed
