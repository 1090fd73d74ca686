"""Instruction selection: lowered IR to machine code over virtual registers, block by block, value by value.

``rules/`` defines the instructions of each operation, ``selector.py`` the interface for rules. Values are selected
before their uses, so ``uses.py`` first finds values that need no instructions of their own: a comparison that only
steers branches is part of their jumps, a constant offset part of each access, and maps and stack addresses are made
where they are used, unless they are used often.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...exception import InternalCompilerError
from ..ir.values import Block, Function, Value
from .exits import Exits, Sites
from .machine import MachineFunction
from .rules import RULES
from .selector import Selector
from .target import isa_for


def select(fn: Function, depths: Mapping[Block, int], slots: dict[Value, int], sites: Sites) -> MachineFunction:
    """The machine code of one function, with its blocks in the order of the IR. ``depths``: the number of loops around
    each block. ``slots``: numbers of the stack objects. ``sites``: the places of errors in the functions before."""
    selector = Selector(fn, isa_for(fn.target), slots, Exits(sites))
    for block, following in zip(fn.blocks, (*fn.blocks[1:], None), strict=True):
        selector.begin(block, depths[block], following)
        for value in block.body:
            selector.span = value.span
            _select(selector, value)
    return selector.code


def _select(selector: Selector, value: Value) -> None:
    """Emits the instructions of the first rule that fits."""
    for rule in RULES.get(value.op, ()):
        if rule(selector, value):
            return
    raise InternalCompilerError("codegen", f"no rule for {value!r}", value.span)
