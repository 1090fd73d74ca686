"""Register allocation: a physical register for each virtual one of a function.

What others rely on is ``allocate()`` alone, so that another way to find registers is another such function. It gets the
code of selection, in which each instruction says what it reads, writes and destroys, and may

- drop instructions of which nobody reads the result (``liveness.is_dead``),
- keep values on the stack, or make them anew at each use (``spill_code.spill``), which brings new virtual registers.

Afterwards each virtual register in the code has one of r0 to r9 in ``Allocation.registers``, no two that are alive at
once the same, and none across a call one of r0 to r5. Emission drops moves of a register to itself, and ``spills.py``
gives spilled values their places on the stack.
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
    """A register for each virtual one, and how many 8-byte spill places there are."""

    registers: dict[int, int]
    spills: int


def allocate(code: MachineFunction) -> Allocation:
    """Assigns registers; rewrites the code where values are spilled, and then colours everything anew."""
    spills = 0
    temporaries: set[int] = set()
    for _ in range(_ROUNDS):
        colouring = Colouring(Interference(code), temporaries)
        failed = colouring.colour()
        if not failed:
            return Allocation(colouring.colours(), spills)
        spills = spill(code, failed, temporaries, spills)
    raise InternalCompilerError("regalloc", "registers do not settle")
