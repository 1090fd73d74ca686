"""Finds where a loop's turns are counted: after the tests at its beginning, which run once more than there are turns.

b1: %1 = phi 0, %2
    branch lt %1, %0, b2, b3
b2: turn                       (the loop of b1 counts here; one without such a place counts at its header)
    %2 = add %1, 1
    jump b1
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from ...ir.dominators import dominators
from ...ir.natural_loops import Loop
from ...ir.ops import INFO, Op
from ...ir.values import Block, Function, Value, split_block
from .loop_edges import enter


def find(fn: Function, loops: Iterable[Loop]) -> dict[Loop, Value]:
    """The places where loops count their turns, for loops that don't do so at their headers."""
    places = {value: block for block in fn.blocks for value in block.body if value.op is Op.TURN}
    if not places:
        return {}
    tree = dominators(fn)
    found: dict[Loop, Value] = {}
    for loop in loops:
        own = loop.blocks.difference(*(inner.blocks for inner in loop.inner))
        for turn, block in places.items():
            if block in own and loop not in found and all(tree.dominates(block, latch) for latch in loop.latches):
                found[loop] = turn
    return found


def keep(fn: Function, found: Container[Value]) -> None:
    """Removes all places where turns are counted except ``found``."""
    for block in fn.blocks:
        block.body = [value for value in block.body if value.op is not Op.TURN or value in found]


def split(fn: Function, loop: Loop, turn: Value | None) -> tuple[Block, Block]:
    """Splits the block in which the loop counts its turns in two, the first without a terminator."""
    block = next((each for each in loop.blocks if turn in each.body), loop.header) if turn else loop.header
    rest = split_block(block, block.body.index(turn) + 1 if turn else 0)
    if turn:
        block.body.pop()
    fn.blocks.insert(fn.blocks.index(block) + 1, rest)
    enter(loop, rest)
    return block, rest


def sink(fn: Function, loop: Loop, rest: Block) -> None:
    """Moves values that only turns need from the tests to the turn's beginning, so that they need no register in
    between."""
    tests = _tests(loop, rest)
    late = loop.blocks - tests
    places: dict[Value, list[Block]] = {}
    for block in fn.blocks:
        for value in block.values():
            for i, arg in enumerate(value.args):
                places.setdefault(arg, []).append(block.preds[i] if value.op is Op.PHI else block)
    for block in [block for block in reversed(fn.blocks) if block in tests]:
        for value in block.body[::-1]:
            if INFO[value.op].pure and late.issuperset(places.get(value, ())):
                _move(value, block, rest, places)


def _move(value: Value, block: Block, rest: Block, places: dict[Value, list[Block]]) -> None:
    block.body.remove(value)
    rest.body.insert(0, value)
    for arg in value.args:
        places[arg].remove(block)
        places[arg].append(rest)


def _tests(loop: Loop, rest: Block) -> set[Block]:
    """The loop's blocks from its header on, before the one where its turns begin."""
    found: set[Block] = set()
    pending = [loop.header]
    while pending:
        block = pending.pop()
        if block not in found and block is not rest and block in loop.blocks:
            found.add(block)
            pending += block.succs
    return found
