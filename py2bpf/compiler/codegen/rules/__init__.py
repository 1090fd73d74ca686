"""Which instructions each operation of the IR becomes: for each a row of rules, of which the first that fits wins.

A rule is a function of the selector and a value. It puts the value's instructions into the code and gives True, or
does nothing and gives False where it does not fit. So the special rules stand before the general ones, and the last
of a row mostly fits always.

The first line of a rule's text says what becomes what, ``add x, #i  ->  rd = rx; rd += #i``, and behind it in
parentheses when: in the words of the IR's printer on the left, of the disassembler on the right. ``rx`` is the register
of x, ``wx`` its lower half, ``rd`` that of the result, ``#i`` a number, ``La`` a label; ``nothing`` no instruction.
Tests hold each rule to that line.
"""

from __future__ import annotations

from typing import Final

from ...ir.ops import Op
from ..selector import Rule
from . import arith, calls, conditions, control, memory

RULES: Final[dict[Op, tuple[Rule, ...]]] = {
    **arith.RULES,
    **conditions.RULES,
    **memory.RULES,
    **calls.RULES,
    **control.RULES,
}

WITHOUT_RULES: Final = {
    Op.CONST: "made where they are used",
    Op.PHI: "set by the jumps to their block",
    Op.TRUNC: "gone after the pass lower",
    Op.TURN: "gone after the pass loops",
    Op.VIEW: "gone after the pass packets",
    Op.EXTENT: "gone after the pass packets",
}
"""The operations besides the exact ones, which the pass ``lower`` takes away, that no rule is asked about."""
