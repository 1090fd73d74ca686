"""Which registers may not be the same, because one is written while the other is alive; and what it costs to do
without a register.

A call destroys r0 to r5, and so what is alive across one interferes with those.
"""

from __future__ import annotations

from .liveness import alive_at_ends, is_dead
from .machine import ALLOCATABLE, FRAME, VIRTUAL, Machine, MachineFunction

Weighted = tuple[float, int]
"""How often a move runs, and the register at its other end."""


class Interference:
    """Of each register, by its number: the ``adjacent`` ones as a mask, and the ``cost`` of its reads and writes.

    ``present`` are the virtual ones that are used, ``moves`` those between virtual registers, as (weight, dst, src),
    ``hints`` the physical registers that others join one with.
    """

    def __init__(self, code: MachineFunction) -> None:
        """Drops instructions of which nobody reads the result."""
        self.adjacent = [0] * code.registers
        self.cost = [0.0] * code.registers
        self.moves: list[tuple[float, int, int]] = []
        self.hints: dict[int, list[Weighted]] = {}
        self.present = 0
        live_out = alive_at_ends(code)
        for block in code.blocks:
            weight = 8.0 ** min(block.depth, 6)
            live = live_out[block.label]
            kept: list[Machine] = []
            for instruction in reversed(block.code):
                if is_dead(instruction, live):
                    continue
                kept.append(instruction)
                live = self._instruction(instruction, live, weight)
            block.code = kept[::-1]
        self._make_symmetric()

    def allowed(self, register: int) -> int:
        """The physical registers that the value may be in, as a mask."""
        return ALLOCATABLE & ~self.adjacent[register]

    def _instruction(self, instruction: Machine, live: int, weight: float) -> int:
        """Enters what is written while others are alive. Gives what is alive before the instruction."""
        written = instruction.clobbers
        for register in instruction.writes:
            written |= 1 << register
            self.cost[register] += weight
        others = live
        if instruction.is_move:
            others &= ~(1 << instruction.src)
            self._move(instruction.dst, instruction.src, weight)
        rest = written
        while rest:
            low = rest & -rest
            register = low.bit_length() - 1
            self.adjacent[register] |= (others | written) & ~low
            if register >= VIRTUAL:
                self.present |= low
            rest ^= low
        live &= ~written
        for register in instruction.reads:
            live |= 1 << register
            self.cost[register] += weight
        return live

    def _move(self, dst: int, src: int, weight: float) -> None:
        if dst >= VIRTUAL and src >= VIRTUAL:
            self.moves.append((weight, dst, src))
        elif dst >= VIRTUAL and src < FRAME:
            self.hints.setdefault(dst, []).append((weight, src))
        elif src >= VIRTUAL and dst < FRAME:
            self.hints.setdefault(src, []).append((weight, dst))

    def _make_symmetric(self) -> None:
        for register in range(len(self.adjacent)):
            rest = self.adjacent[register]
            bit = 1 << register
            while rest:
                low = rest & -rest
                self.adjacent[low.bit_length() - 1] |= bit
                rest ^= low
