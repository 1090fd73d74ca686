"""Destroys iterators on every way out of their loops, since the verifier refuses a program that leaves one behind.

b1: %1 = iter_next mem*? %0              b1: %1 = iter_next mem*? %0
    branch %1, b2, b3                        branch %1, b2, b3
b2: guard %2                       ->    b2: branch %2, b4, b5
    jump b1                              b4: jump b1
b3: return 0                             b3: iter_destroy %0
                                             return 0
                                         b5: iter_destroy %0
                                             exit
"""

from __future__ import annotations

from typing import Any

from ..ir.natural_loops import find_loops
from ..ir.ops import Op
from ..ir.types import VOID
from ..ir.values import Block, Function, Value, connect, replace_all, split_block
from .shared.lock_exits import absorb

Active = tuple[Value, ...]
"""The iterators, as stack objects, that exist in a block, outer before inner."""


def run(fn: Function) -> None:
    """Finds where each iterator exists, then splits guards and edges that leave such places."""
    _forget(fn)
    active = _active(fn)
    if not active:
        return
    for block in list(fn.blocks):
        if block in active:
            _edges(fn, block, active)
    _Guards(fn, active).run()


def _forget(fn: Function) -> None:
    """Drops unused iterators, of loops that turned out to have no turns."""
    asked = {value.args[0] for block in fn.blocks for value in block.body if value.op is Op.ITER_NEXT}
    unasked = {value: value.args[0] for block in fn.blocks for value in block.body
               if value.op is Op.ITER_NEW and value.args[0] not in asked}  # fmt: skip
    if unasked:
        hidden = [value for block in fn.blocks for value in block.body
                  if value.op is Op.HIDE and value.args[1] in unasked]  # fmt: skip
        replace_all(fn, {value: value.args[0] for value in hidden})
        gone = {*hidden, *unasked, *unasked.values()}
        for block in fn.blocks:
            block.body = [value for value in block.body if value not in gone]


def _active(fn: Function) -> dict[Block, Active]:
    """The iterators that exist in each block. One exists in the loop that asks it, and after the loop until no lock is
    held. Without a way back, one exists from where it is made to where it is asked."""
    asked = {value.args[0]: block for block in fn.blocks for value in block.body if value.op is Op.ITER_NEXT}
    if not asked:
        return {}
    made = {value.args[0]: block for block in fn.blocks for value in block.body if value.op is Op.ITER_NEW}
    every = find_loops(fn)
    absorb(fn, every)
    found: dict[Block, Active] = {}
    regions = []
    for slot, block in asked.items():
        own = [loop.blocks for loop in every if block in loop.blocks and made[slot] not in loop.blocks]
        regions.append((slot, own[0] if own else _between(made[slot], block)))
    for slot, region in sorted(regions, key=lambda item: -len(item[1])):
        for block in region:
            found[block] = (*found.get(block, ()), slot)
    return found


def _between(first: Block, last: Block) -> set[Block]:
    """The blocks on the paths from one block to the other."""
    found = {first}
    pending = [last]
    while pending:
        block = pending.pop()
        if block not in found:
            found.add(block)
            pending += block.preds
    return found


def _edges(fn: Function, block: Block, active: dict[Block, Active]) -> None:
    for succ in dict.fromkeys(block.succs):
        left = _left(active, block, succ)
        if not left:
            continue
        if all(_left(active, pred, succ) == left for pred in succ.preds):
            if not (succ.body and succ.body[0].op is Op.ITER_DESTROY):  # done for another edge
                succ.body[:0] = _destroy(left, block.end)
            continue
        middle = Block()
        middle.body = _destroy(left, block.end)
        middle.body.append(Value(Op.JUMP, [], VOID, (succ,), block.end.span))
        middle.preds = [block]
        succ.preds[succ.preds.index(block)] = middle
        block.end.attr = tuple(middle if target is succ else target for target in block.succs)
        fn.blocks.insert(_end_of(fn, active, left[0]), middle)
        if succ in active:
            active[middle] = active[succ]


def _left(active: dict[Block, Active], block: Block, succ: Block) -> Active:
    """The iterators that an edge leaves behind, inner before outer."""
    there = active.get(succ, ())
    return tuple(slot for slot in reversed(active.get(block, ())) if slot not in there)


def _end_of(fn: Function, active: dict[Block, Active], slot: Value) -> int:
    return max(i for i, block in enumerate(fn.blocks) if slot in active.get(block, ())) + 1


def _destroy(slots: Active, at: Value) -> list[Value]:
    return [Value(Op.ITER_DESTROY, [slot], VOID, None, at.span) for slot in slots]


class _Guards:
    """Turns guards where iterators exist into branches to exits that destroy them; equal exits are shared."""

    def __init__(self, fn: Function, active: dict[Block, Active]) -> None:
        self.fn = fn
        self.active = active
        self.exits: dict[Any, Block] = {}

    def run(self) -> None:
        blocks: list[Block] = []
        for block in self.fn.blocks:
            blocks.append(block)
            slots = self.active.get(block, ())
            while (found := self._first(block, slots)) is not None:
                block = self._split(block, *found)
                blocks.append(block)
        self.fn.blocks = [*blocks, *self.exits.values()]

    @staticmethod
    def _first(block: Block, slots: Active) -> tuple[int, Active] | None:
        """The first guard where iterators exist, and those iterators, without any made later in the same block."""
        made = {value.args[0]: i for i, value in enumerate(block.body) if value.op is Op.ITER_NEW}
        for i, value in enumerate(block.body):
            there = tuple(slot for slot in slots if made.get(slot, -1) < i)
            if value.op is Op.GUARD and there:
                return i, there
        return None

    def _split(self, block: Block, at: int, slots: Active) -> Block:
        rest = split_block(block, at + 1)
        guard = block.body.pop()
        connect(block, Op.BRANCH, guard.args, (rest, self._exit(guard, slots)), guard.span)
        return rest

    def _exit(self, guard: Value, slots: Active) -> Block:
        key = (slots, guard.attr, guard.span.line if guard.span else None)
        block = self.exits.get(key)
        if block is None:
            block = self.exits[key] = Block()
            block.body = _destroy(slots[::-1], guard)
            block.body.append(Value(Op.EXIT, [], VOID, guard.attr, guard.span))
        return block
