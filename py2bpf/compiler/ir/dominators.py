"""Dominators, by the algorithm of Cooper, Harvey and Kennedy ("A Simple, Fast Dominance Algorithm", 2001)."""

from __future__ import annotations

from .values import Block, Function


class Dominators:
    """The dominator tree of a function whose blocks are in an order with predecessors first."""

    def __init__(self, fn: Function, idom: list[int], index: dict[Block, int]) -> None:
        self.idom = idom
        self.index = index
        self.children: dict[Block, list[Block]] = {block: [] for block in fn.blocks}
        for i, block in enumerate(fn.blocks[1:], 1):
            self.children[fn.blocks[idom[i]]].append(block)

    def dominates(self, a: Block, b: Block) -> bool:
        """Whether every path to b passes a."""
        i, j = self.index[a], self.index[b]
        while j > i:
            j = self.idom[j]
        return i == j


def dominators(fn: Function) -> Dominators:
    """Computes the tree; one sweep suffices unless there are loops."""
    index = {block: i for i, block in enumerate(fn.blocks)}
    idom = [-1] * len(fn.blocks)
    idom[0] = 0
    changed = True
    while changed:
        changed = False
        for i, block in enumerate(fn.blocks):
            if i == 0:
                continue
            new = -1
            for pred in block.preds:
                p = index[pred]
                if idom[p] >= 0:
                    new = p if new < 0 else _meet(idom, p, new)
            if idom[i] != new:
                idom[i] = new
                changed = True
    return Dominators(fn, idom, index)


def _meet(idom: list[int], a: int, b: int) -> int:
    while a != b:
        while a > b:
            a = idom[a]
        while b > a:
            b = idom[b]
    return a
