"""Lets the verifier follow the ways that store a 0 on the stack last.

    if r1 s> 5 goto L0                     if r1 s<= 5 goto L0
    *(u8 *)(r10 - 8) = 0                   *(u8 *)(r10 - 8) = 1
    goto L1                          ->    goto L1
L0: *(u8 *)(r10 - 8) = 1               L0: *(u8 *)(r10 - 8) = 0
L1: ...                                L1: ...

It follows what comes next in the code, and a jump later. It tells bytes of the stack that are 0 from others: a state
with a 0 needs no walk after one with another number there, but not the other way round, so that each 0 that came first
would double its walk. See also _either() of rules/conditions.py.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from ..ir.ops import Op
from ..ir.types import Ptr, Region
from ..ir.values import Block, Function, Value, plain

MANY: Final = 6
"""So many blocks that store a 0 are put last, or aside where that is no end of a choice: it costs them a jump."""


def put_last(fn: Function) -> set[Block]:
    """Puts blocks that bring a 0 behind the other ways to the same place. Gives those without another way in between,
    which belong behind all code."""
    storing = _storing(fn)
    stored = {plain(value.args[1]) for block in fn.blocks for value in block.body if value.op is Op.STORE}
    index = {block: i for i, block in enumerate(fn.blocks)}
    before: dict[Block, list[Block]] = {}
    aside: set[Block] = set()
    for block in fn.blocks:
        if block.end.op is Op.JUMP and not block.phis and len(block.preds) == 1:
            (succ,) = block.succs
            if index[block] > index[succ]:
                continue
            if block in storing and block.preds[0] in succ.preds:
                aside.add(block)
            elif block in storing or (len(block.body) == 1 and _brings_zero(block, succ, stored)):
                before.setdefault(succ, []).append(block)
    moved = {block for blocks in before.values() for block in blocks}
    fn.blocks = [each for block in fn.blocks if block not in moved for each in (*before.get(block, ()), block)]
    return aside


def _brings_zero(block: Block, succ: Block, stored: Collection[Value]) -> bool:
    edge = succ.preds.index(block)
    numbers = [(phi, phi.args[edge]) for phi in succ.phis]
    return any(_is_zero(arg) and phi in stored for phi, arg in numbers)


def _storing(fn: Function) -> set[Block]:
    """The blocks that store a 0 on the stack, where there are many."""
    found = {block for block in fn.blocks if any(_stores_zero(value) for value in block.body)}
    return found if len(found) >= MANY else set()


def _stores_zero(value: Value) -> bool:
    """Of 8 bytes the verifier keeps the number, and forgets which where that makes no difference."""
    if value.op is not Op.STORE or value.attr[1] == 8 or not _is_zero(plain(value.args[1])):
        return False
    place = value.args[0].type
    return isinstance(place, Ptr) and place.region is Region.STACK


def _is_zero(value: Value) -> bool:
    return value.op is Op.CONST and value.attr == 0
