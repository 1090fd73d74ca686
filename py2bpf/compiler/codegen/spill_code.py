"""Code that keeps values on the stack, or makes them anew, if register allocation finds no registers for them.

    r17 = *(u64 *)(r16 + 8)           r18 = *(u64 *)(r16 + 8); *(u64 *)(place) = r18
    ...                         ->    ...
    r0 += r17                         r19 = *(u64 *)(place); r0 += r19
"""

from __future__ import annotations

from typing import Final

from ...asm import Jump
from .machine import FRAME, JUMP_K, Machine, MachineFunction, load, store
from .spills import FIRST as FIRST_SPILL

_ORDERS: Final = (Jump.JLT, Jump.JLE, Jump.JGT, Jump.JGE, Jump.JSLT, Jump.JSLE, Jump.JSGT, Jump.JSGE)
_BOUNDING: Final = frozenset(JUMP_K[order] for order in _ORDERS)


def spill(code: MachineFunction, failed: list[int], temporaries: set[int], spills: int) -> int:
    """Rewrites the code so that the registers ``failed`` are on the stack, or are made anew at each use. New registers
    join the ``temporaries``. ``spills`` is the number of places taken before; returns the number afterwards."""
    definitions: dict[int, list[Machine]] = {register: [] for register in failed}
    for block in code.blocks:
        for instruction in block.code:
            for register in instruction.writes:
                if register in definitions:
                    definitions[register].append(instruction)
    again = {r: made[0] for r, made in definitions.items() if len(made) == 1 and made[0].rematerialises()}
    stored = [register for register in failed if register not in again]
    places = {register: FIRST_SPILL + spills + number for number, register in enumerate(stored)}
    rewriter = _Rewriter(code, again, places, temporaries)
    for block in code.blocks:
        block.code = rewriter.rewritten(block.code)
    return spills + len(stored)


class _Rewriter:
    """Registers in ``again`` are made anew at each use, by the given instruction. Registers in ``places`` are stored
    where they are written, and loaded where they are read."""

    def __init__(
        self, code: MachineFunction, again: dict[int, Machine], places: dict[int, int], temporaries: set[int]
    ) -> None:
        self.code = code
        self.again = again
        self.places = places
        self.temporaries = temporaries

    def rewritten(self, old: list[Machine]) -> list[Machine]:
        self.out: list[Machine] = []
        for instruction in old:
            touched = {r for r in (*instruction.reads, *instruction.writes) if r in self.places or r in self.again}
            if not any(self.again.get(r) is instruction for r in touched):
                self._instruction(instruction, touched)
        return self.out

    def _instruction(self, instruction: Machine, touched: set[int]) -> None:
        """The instruction with a new register for each touched one, between their loads and stores."""
        after: list[Machine] = []
        for register in touched:
            fresh = self.code.fresh()
            self.temporaries.add(fresh)
            if register in instruction.reads:
                self.out.append(self._reload(register, fresh, instruction))
                # Stored again, the register is tied to its place: what is loaded next has the bound too.
                if register in self.places and instruction.code in _BOUNDING:
                    self.out.append(_saved(self.places[register], fresh, instruction))
            if register in instruction.writes:
                after.append(_saved(self.places[register], fresh, instruction))
            _rename(instruction, register, fresh)
        self.out.append(instruction)
        self.out += after

    def _reload(self, register: int, fresh: int, at: Machine) -> Machine:
        """The value in a new register, from the stack or made anew."""
        if register in self.again:
            model = self.again[register]
            copy = Machine(model.kind, model.code, fresh, model.src, model.off, model.imm, model.ref, (), (fresh,), 0,
                           model.target, model.slot)  # fmt: skip
        else:
            copy = load(8, fresh, FRAME, 0, slot=self.places[register])
        copy.span = at.span
        return copy


def _saved(place: int, register: int, at: Machine) -> Machine:
    """The register's value, put on the stack."""
    access = store(8, register, FRAME, 0, slot=place)
    access.span = at.span
    return access


def _rename(instruction: Machine, old: int, new: int) -> None:
    if instruction.dst == old:
        instruction.dst = new
    if instruction.src == old:
        instruction.src = new
    instruction.reads = tuple(new if r == old else r for r in instruction.reads)
    instruction.writes = tuple(new if r == old else r for r in instruction.writes)
