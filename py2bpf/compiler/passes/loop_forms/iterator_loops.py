"""Puts the kernel's iterator around one loop."""

from __future__ import annotations

from typing import Final

from ...ir.loop_policy import MAX_ITERATIONS, TOO_LONG
from ...ir.natural_loops import Loop
from ...ir.ops import Op, Raise
from ...ir.types import I64, STACK, VOID, Ptr, Region
from ...ir.values import Block, Function, Value, connect, const
from ..shared import loop_turns
from ..shared.loop_edges import entry_of, split_latches
from .hiding import hide_carried

ITERATOR_BYTES: Final = 8
"""sizeof(struct bpf_iter_num)."""


class IteratorLoop:
    """The rewriting of one loop, which counts its turns at ``turn`` or its header. ``enough``: the loop certainly needs
    no more turns than the iterator has."""

    def __init__(self, fn: Function, loop: Loop, turn: Value | None, enough: bool) -> None:
        self.fn = fn
        self.loop = loop
        self.turn = turn
        self.enough = enough
        self.span = loop.header.end.span

    def insert(self) -> None:
        """Makes the iterator before the loop, and asks it in the loop."""
        entry = entry_of(self.fn, self.loop)
        slot = Value(Op.ALLOCA, [], STACK, ITERATOR_BYTES, self.span)
        zero = Value(Op.ITER_NEW, [slot, const(MAX_ITERATIONS)], I64, None, self.span)
        entry.body[-1:-1] = [slot, zero]
        split_latches(self.fn, self.loop)
        hide_carried(self.loop, zero)
        self._test(slot)

    def _test(self, slot: Value) -> None:
        """Asks the iterator where a turn begins."""
        block, rest = loop_turns.split(self.fn, self.loop, self.turn)
        end = Block()
        more = Value(Op.ITER_NEXT, [slot], Ptr(Region.MEM, nullable=True), None, self.span)
        block.body.append(more)
        connect(block, Op.BRANCH, [more], (rest, end), self.span)
        end.body = [Value(Op.EXIT, [], VOID, Raise("" if self.enough else TOO_LONG), self.span)]
        self.fn.blocks.append(end)
        if self.turn:
            loop_turns.sink(self.fn, self.loop, rest)
