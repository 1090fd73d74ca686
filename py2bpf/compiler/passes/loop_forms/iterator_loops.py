"""Puts the kernel's iterator around one loop."""

from __future__ import annotations

from typing import Final

from ...ir.loop_policy import MAX_ITERATIONS, TOO_LONG
from ...ir.natural_loops import Loop
from ...ir.ops import Op, Raise
from ...ir.types import I64, STACK, VOID, Int, Ptr, Region
from ...ir.values import Block, Function, Value, connect, const
from ..shared import turns
from ..shared.loop_edges import entry_of, split_latches

ITERATOR_BYTES: Final = 8
"""sizeof(struct bpf_iter_num)."""


class IteratorLoop:
    """The rewriting of one loop, which counts at ``turn`` or its header; ``enough``: it surely needs no more turns than
    the iterator has."""

    def __init__(self, fn: Function, loop: Loop, turn: Value | None, enough: bool) -> None:
        self.fn = fn
        self.loop = loop
        self.turn = turn
        self.enough = enough
        self.span = loop.header.end.span

    def insert(self) -> None:
        entry = entry_of(self.fn, self.loop)
        slot = Value(Op.ALLOCA, [], STACK, ITERATOR_BYTES, self.span)
        zero = Value(Op.ITER_NEW, [slot, const(MAX_ITERATIONS)], I64, None, self.span)
        entry.body[-1:-1] = [slot, zero]
        split_latches(self.fn, self.loop)
        for phi in self.loop.header.phis:
            if isinstance(phi.type, Int):
                self._hide(phi, zero)
        self._test(slot)

    def _hide(self, phi: Value, zero: Value) -> None:
        for edge, pred in enumerate(self.loop.header.preds):
            if phi.args[edge] is not phi:
                hidden = Value(Op.HIDE, [phi.args[edge], zero], phi.type, None, self.span)
                pred.body.insert(len(pred.body) - 1, hidden)
                phi.args[edge] = hidden

    def _test(self, slot: Value) -> None:
        """Asks the iterator where a turn begins."""
        block, rest = turns.split(self.fn, self.loop, self.turn)
        end = Block()
        more = Value(Op.ITER_NEXT, [slot], Ptr(Region.MEM, nullable=True), None, self.span)
        block.body.append(more)
        connect(block, Op.BRANCH, [more], (rest, end), self.span)
        end.body = [Value(Op.EXIT, [], VOID, Raise("" if self.enough else TOO_LONG), self.span)]
        self.fn.blocks.append(end)
        if self.turn:
            turns.sink(self.fn, self.loop, rest)
