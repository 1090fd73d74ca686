"""Instruction selection: lowered IR to machine code over virtual registers, block by block, value by value.

``rules/`` says which instructions an operation becomes, ``selector.py`` has what rules work with. Values are met before
their uses, so ``uses.py`` finds out first which values need no instructions of their own: a comparison that only steers
branches is part of their jumps, a constant offset part of each access, and maps and stack addresses are made where they
are used, unless that is often.
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
    """The machine code of one function, its blocks in the order of the IR's. ``depths`` says how many loops are around
    each block, ``slots`` numbers the stack objects, ``sites`` are the places of errors in the functions before."""
    selector = Selector(fn, isa_for(fn.target), slots, Exits(sites))
    for block, following in zip(fn.blocks, (*fn.blocks[1:], None), strict=True):
        selector.begin(block, depths[block], following)
        for value in block.body:
            selector.span = value.span
            _select(selector, value)
    return selector.code


def _select(selector: Selector, value: Value) -> None:
    """The instructions of the first rule that fits."""
    for rule in RULES.get(value.op, ()):
        if rule(selector, value):
            return
    raise InternalCompilerError("codegen", f"no rule for {value!r}", value.span)
