"""Register allocation: a physical register for each virtual one of a function.

Other modules use only ``allocate()``, so another allocator only has to provide this function. It gets the code of
selection, in which each instruction lists the registers that it reads, writes and destroys, and may

- drop instructions whose results are never read (``liveness.is_dead``),
- keep values on the stack, or make them anew at each use (``spill_code.spill``), which adds virtual registers.

Afterwards each virtual register in the code has one of r0 to r9 in ``Allocation.registers``. No two that are alive at
once have the same, and none that is alive across a call has one of r0 to r5. Emission drops moves of a register to
itself, and ``spills.py`` gives spilled values their places on the stack.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ...exception import InternalCompilerError
from .colouring import Colouring
from .interference import Interference
from .machine import MachineFunction
from .spill_code import spill

_ROUNDS: Final = 40


class Allocation(NamedTuple):
    """A register for each virtual one, and the number of 8-byte spill places."""

    registers: dict[int, int]
    spills: int


def allocate(code: MachineFunction) -> Allocation:
    """Assigns registers; if values must be spilled, rewrites the code and colours everything again."""
    spills = 0
    temporaries: set[int] = set()
    for _ in range(_ROUNDS):
        colouring = Colouring(Interference(code), temporaries)
        failed = colouring.colour()
        if not failed:
            return Allocation(colouring.colours(), spills)
        spills = spill(code, failed, temporaries, spills)
    raise InternalCompilerError("regalloc", "registers do not settle")
