"""Avoids a second test of a value that was just tested: paths that know the outcome skip the test.

b0: branch %1, b1, b2                 b0: branch %1, b1, b4
b1: %2 = load %1 ...                  b1: %2 = load %1 ...
    jump b2                     ->        jump b3
b2: %3 = phi 0, %2                    b3: (%2 for %3)
    branch %1, b3, b4                 b4: (0 for %3)

b5: branch %5, b6, b7                 b5: branch %5, b6, b7
b6: branch %5, b8, b9       ->        b6: jump b8

Such code comes from reading a number of a packet or a map, and then testing whether the number was present.
"""

from __future__ import annotations

from typing import Final

from ..analysis.pointer_tests import without_zero_tests
from ..ir.dominators import Dominators, dominators
from ..ir.ops import INFO, Op
from ..ir.types import VOID
from ..ir.values import Block, Function, Value, const, prune, remove_edge

_SOURCES: Final = frozenset({Op.VIEW, Op.CALL})
"""Operations that give null for None. Tests of phis are left alone, since later passes know more while they are
together."""
_STEPS: Final = 4
"""The most blocks that are searched backwards for the first test."""


def run(fn: Function) -> None:
    """Repeats while something changes, since one test may follow another."""
    while any(_thread(fn, block) for block in fn.blocks if len(block.preds) == 2 and block.end.op is Op.BRANCH):
        pass
    settled = [_settle(block) for block in fn.blocks if block.end.op is Op.BRANCH and len(block.preds) <= 1]
    if any(settled):
        prune(fn)


def _settle(block: Block) -> bool:
    """Makes a branch a jump if the only path to it, or a guard before it, decides the outcome. Later passes would do so
    too, but only after the forms of loops are chosen."""
    tested, truth = without_zero_tests(block.end.args[0])
    ways = block.end.attr
    if tested.op not in _SOURCES or ways[0] is ways[1]:
        return False
    guards = [without_zero_tests(value.args[0]) for value in block.body if value.op is Op.GUARD]
    known = next((holds for value, holds in guards if value is tested), None)
    if known is None and block.preds:
        known = _outcome(tested, block.preds[0], block)
    if known is None:
        return False
    target, other = ways if known == truth else ways[::-1]
    remove_edge(block, other)
    block.body[-1] = Value(Op.JUMP, [], VOID, (target,), block.end.span)
    return True


def _outcome(tested: Value, pred: Block, block: Block) -> bool | None:
    """Whether ``tested`` is not 0 on the edge from ``pred``; None if no test on the way there tells."""
    for _ in range(_STEPS):
        if pred.end.op is Op.BRANCH and pred.end.attr[0] is not pred.end.attr[1]:
            found, truth = without_zero_tests(pred.end.args[0])
            if found is tested:
                return (block is pred.end.attr[0]) == truth
        if len(pred.preds) != 1:
            return None
        pred, block = pred.preds[0], pred
    return None


def _thread(fn: Function, block: Block) -> bool:
    tested, truth = without_zero_tests(block.end.args[0])
    if tested.op not in _SOURCES:
        return False
    first, second = (_outcome(tested, pred, block) for pred in block.preds)
    if first is None or second is None or first == second or block in block.succs:
        return False
    if not all(INFO[value.op].compare and without_zero_tests(value)[0] is tested for value in block.body[:-1]):
        return False
    if any(len(set(pred.succs)) != len(pred.succs) for pred in (block, *block.preds)):
        return False
    ways = [_Way(block, pred, known, truth) for pred, known in zip(block.preds, (first, second), strict=True)]
    if any(way.pred in way.target.preds for way in ways) or not _rename(fn, block, ways):
        return False
    for way in ways:
        way.take(block)
    fn.blocks.remove(block)
    return True


class _Way:
    """A path through the block: its predecessor, its target, and the block's values on the path."""

    def __init__(self, block: Block, pred: Block, known: bool, truth: bool) -> None:
        self.pred = pred
        self.target = block.end.attr[0 if known == truth else 1]
        at = block.preds.index(pred)
        self.values = {phi: phi.args[at] for phi in block.phis}
        self.values |= {value: const(int(without_zero_tests(value)[1] == known)) for value in block.body[:-1]}

    def take(self, block: Block) -> None:
        at = self.target.preds.index(block)
        self.target.preds[at] = self.pred
        for phi in self.target.phis:
            phi.args[at] = self.values.get(phi.args[at], phi.args[at])
        end = self.pred.end
        end.attr = tuple(self.target if succ is block else succ for succ in end.attr)


def _rename(fn: Function, block: Block, ways: list[_Way]) -> bool:
    """Replaces each use of the block's values by the value of the path that leads there; False if both may."""
    tree = dominators(fn)
    own = set(ways[0].values)
    changes: list[tuple[Value, int, Value]] = []
    for place in fn.blocks:
        if place is block:
            continue
        for user in place.values():
            for position, arg in enumerate(user.args):
                if arg not in own:
                    continue
                at = place.preds[position] if user.op is Op.PHI else place
                if at is block:
                    continue  # the target's phi: changed with the edge
                way = next((way for way in ways if _leads(tree, block, way, at)), None)
                if way is None:
                    return False
                changes.append((user, position, way.values[arg]))
    if any(value in own for way in ways for value in way.values.values()):
        return False
    for user, position, value in changes:
        user.args[position] = value
    return True


def _leads(tree: Dominators, block: Block, way: _Way, place: Block) -> bool:
    return way.target.preds == [block] and tree.dominates(way.target, place)
