"""The instructions for each operation of the IR: each has a row of rules, of which the first that fits is used.

A rule is a function of the selector and a value. It emits the value's instructions and gives True, or does nothing and
gives False if it does not fit. So special rules stand before general ones, and the last rule of a row usually fits
always.

The first line of a rule's docstring states the translation, ``add x, #i  ->  rd = rx; rd += #i``, with its condition in
parentheses: in the words of the IR's printer on the left, of the disassembler on the right. ``rx`` is the register of
x, ``wx`` its lower half, ``rd`` the register of the result, ``#i`` a number, ``La`` a label; ``nothing`` no
instruction. Tests check each rule against this line.
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
    Op.TURN: "gone after the pass loop_forms",
    Op.VIEW: "gone after the pass views",
    Op.EXTENT: "gone after the pass views",
}
"""The operations that have no rules, besides exact ones, which the pass ``lower`` removes."""
