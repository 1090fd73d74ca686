"""The interference graph: registers that must differ, because one is written while the other is alive; and the cost of
spilling each.

A call destroys r0 to r5, so values that are alive across a call interfere with these.
"""

from __future__ import annotations

from .liveness import alive_at_ends, is_dead
from .machine import ALLOCATABLE, FRAME, VIRTUAL, Machine, MachineFunction

Weighted = tuple[float, int]
"""How often a move runs, and the register at its other end."""


class Interference:
    """For each register, by number: the ``adjacent`` ones as a mask, and the ``cost`` of its reads and writes.

    ``present``: the virtual registers that are used. ``moves``: the moves between virtual registers, as (weight, dst,
    src). ``hints``: the moves between a virtual register and physical ones.
    """

    def __init__(self, code: MachineFunction) -> None:
        """Builds the graph, and drops instructions whose results are never read."""
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
        """Adds the edges of registers that are written while others are alive. Gives the registers that are alive
        before the instruction."""
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
