"""Orders blocks so that the verifier walks paths that store a 0 on the stack last.

    if r1 s> 5 goto L0                     if r1 s<= 5 goto L0
    *(u8 *)(r10 - 8) = 0                   *(u8 *)(r10 - 8) = 1
    goto L1                          ->    goto L1
L0: *(u8 *)(r10 - 8) = 1               L0: *(u8 *)(r10 - 8) = 0
L1: ...                                L1: ...

The verifier walks the next instruction first, and the target of a jump later. It distinguishes bytes of the stack that
are 0 from others: a state with a 0 needs no walk after a state with another number there, but not the reverse. So each
0 that comes first would double its work. See also _either() of rules/conditions.py.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from ..ir.ops import Op
from ..ir.types import Ptr, Region
from ..ir.values import Block, Function, Value, plain

MANY: Final = 6
"""From this many blocks that store a 0 on, they are put last, or aside if they don't end a choice, at the cost of a
jump."""


def put_last(fn: Function) -> set[Block]:
    """Puts blocks that bring a 0 behind the other paths to the same place. Gives those without another path in between,
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
    """The blocks that store a 0 on the stack, if there are many."""
    found = {block for block in fn.blocks if any(_stores_zero(value) for value in block.body)}
    return found if len(found) >= MANY else set()


def _stores_zero(value: Value) -> bool:
    """Whether the operation stores a 0 on the stack. Not for 8 bytes, whose number the verifier keeps, and ignores
    where it makes no difference."""
    if value.op is not Op.STORE or value.attr[1] == 8 or not _is_zero(plain(value.args[1])):
        return False
    place = value.args[0].type
    return isinstance(place, Ptr) and place.region is Region.STACK


def _is_zero(value: Value) -> bool:
    return value.op is Op.CONST and value.attr == 0
