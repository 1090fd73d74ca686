"""Natural loops of a function: a header, which all paths into the loop pass, and the blocks that lead back to it."""

from __future__ import annotations

from .values import Block, Function


class Loop:
    """``blocks`` has the header and inner loops; ``latches`` jump back to the header; ``inner`` are the loops directly
    inside, ``parent`` the one around."""

    __slots__ = ("blocks", "header", "inner", "latches", "parent")

    def __init__(self, header: Block) -> None:
        self.header = header
        self.blocks: set[Block] = {header}
        self.latches: list[Block] = []
        self.inner: list[Loop] = []
        self.parent: Loop | None = None

    def entries(self) -> list[Block]:
        """The predecessors of the header outside of the loop."""
        return [pred for pred in self.header.preds if pred not in self.blocks]


def find_loops(fn: Function) -> list[Loop]:
    """All loops, inner before outer. The function's blocks stand after their forward predecessors."""
    index = {block: i for i, block in enumerate(fn.blocks)}
    loops: dict[Block, Loop] = {}
    for block in fn.blocks:
        for header in dict.fromkeys(block.succs):
            if index[header] <= index[block]:
                loop = loops.setdefault(header, Loop(header))
                loop.latches.append(block)
                _grow(loop, block)
    found = sorted(loops.values(), key=lambda loop: len(loop.blocks))
    for i, loop in enumerate(found):
        loop.parent = next((outer for outer in found[i + 1 :] if loop.header in outer.blocks), None)
        if loop.parent is not None:
            loop.parent.inner.append(loop)
    return found


def _grow(loop: Loop, latch: Block) -> None:
    pending = [latch]
    while pending:
        block = pending.pop()
        if block not in loop.blocks:
            loop.blocks.add(block)
            pending += block.preds
