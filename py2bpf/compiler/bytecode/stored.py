"""Finds the instructions that pushed the values of stores to items and attributes: errors about the values point there.
"""

from __future__ import annotations

from .canonical import TERMINATORS, Drafts, Instr, Op
from .stack import effect

_STORES = {Op.STORE_SUBSCR: 3, Op.STORE_ATTR: 2}
"""Stores, with the depth of the value below the top of the stack."""
_OF_STATEMENTS = frozenset((Op.UNPACK_SEQUENCE, Op.UNPACK_EX, Op.INPLACE, Op.WITH_ENTER))
"""Operations that push values that aren't an expression of the source, so that the store's own place says more."""


def find(drafts: Drafts) -> None:
    """Sets ``value`` of the stores whose value was pushed in their own block."""
    for instrs, _ in drafts.values():
        if any(instr.op in _STORES for instr in instrs):
            _follow(instrs)


def _follow(instrs: list[Instr]) -> None:
    stack: list[int] = []
    last = -1
    for instr in instrs:
        if instr.op in TERMINATORS:
            return
        depth = _STORES.get(instr.op, 0)
        if 0 < depth <= len(stack):
            instr.value = stack[-depth]
        _step(stack, instr, -1 if instr.unit == last else instr.unit)  # the second value of one opcode has no place
        last = instr.unit


def _step(stack: list[int], instr: Instr, unit: int) -> None:
    """Follows one instruction. ``stack`` has only the values that the block itself pushed; others are unknown."""
    if instr.op is Op.SWAP:
        if instr.arg > len(stack):
            stack.clear()
        else:
            stack[-1], stack[-instr.arg] = stack[-instr.arg], stack[-1]
        return
    if instr.op is Op.COPY:
        unit = stack[-instr.arg] if instr.arg <= len(stack) else -1
    elif instr.op in _OF_STATEMENTS:
        unit = -1
    pops, pushes = effect(instr)
    del stack[max(len(stack) - pops, 0) :]
    stack += [unit] * pushes
