"""The callback: a loop's blocks, rewritten so that each call of the function runs one turn."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from ...ir.dominators import Dominators
from ...ir.ops import Op
from ...ir.types import CTX, I64, VOID
from ...ir.values import Block, Value, append, connect, const
from ..shared.callback_values import CONSTANT, SLOT, in_packet, on_stack
from .callback_context import FIRST_EXIT, CallbackContext


class WayOut(NamedTuple):
    """An edge out of the loop: its target, and the caller's block that goes there."""

    target: Block
    arm: Block


class CallbackBody:
    """``turn``: the blocks before and after the place where a turn begins, if that isn't the header. ``new``: the
    callback's replacements for the caller's values. ``homes`` and ``tree`` tell where the loop computes its own."""

    def __init__(self, context: CallbackContext, turn: tuple[Block, Block] | None, homes: dict[Value, Block],
                 tree: Dominators) -> None:  # fmt: skip
        self.context = context
        self.loop = context.loop
        self.span = context.span
        self.callback = context.callback
        self.param = context.param
        self.turn = turn
        self.homes = homes
        self.tree = tree
        self.new: dict[Value, Value] = {}

    def make(self, blocks: list[Block], live_in: list[Value]) -> None:
        """Rewrites the loop's blocks so that a call runs one turn."""
        header, first, new = self.loop.header, Block(), self.new
        self._become_callback()
        self.callback.blocks = [first, *blocks]
        first.body.append(self.param)
        if any(value.op in (Op.VIEW, Op.EXTENT) for block in blocks for value in block.body):
            live_in = [*live_in, *({self._context()} - set(live_in))]
        for phi in header.phis:
            new[phi] = self.context.load(first, phi, self.param)
        for value in live_in:
            self._bring(first, value)
        for latch in [pred for pred in header.preds if pred in self.loop.blocks]:
            self._once_more(latch)
        header.phis, header.preds = [], []
        self._begin(first)
        for block in blocks:
            for value in block.values():
                value.args = [new.get(arg, arg) for arg in value.args]

    def _become_callback(self) -> None:
        """Makes the function a callback: returning 1 ends the loop, and with the raise flag set, the program."""
        callback, program = self.callback, self.context.fn
        callback.belong_to(program)
        callback.hook = dataclasses.replace(program.hook, fallback=1)
        callback.locked = program.locked
        callback.params, callback.result, callback.flag, callback.callback = 1, I64, self.param, True

    def _begin(self, first: Block) -> None:
        """Goes to the header. Where a turn begins, the callback returns if the loop has ended. Then the call is for the
        tests alone, or never happens; but Linux 6.7 and later don't know that 1 from a callback ends the calls."""
        if self.turn is None:
            self._check(first, self.loop.header)
            return
        tests, turn = self.turn
        connect(first, Op.JUMP, [], (self.loop.header,), self.span)
        tests.body.pop()
        turn.preds.clear()
        self._check(tests, turn)

    def _check(self, block: Block, turn: Block) -> None:
        """Returns at the end of a block if the loop has ended, else goes on to the turn."""
        over = Block()
        end = append(block, Op.LOAD, [self.param], I64, (0, SLOT, True), self.span)
        connect(block, Op.BRANCH, [end], (over, turn), self.span)
        append(over, Op.RETURN, [const(1)], VOID, None, self.span)
        self.callback.blocks.append(over)
        self.loop.blocks.add(over)

    def _context(self) -> Value:
        return next(value for value in self.context.fn.blocks[0].body if value.type == CTX)

    def _bring(self, first: Block, value: Value) -> Value:
        """A value of the caller in the callback: computed again if possible, else loaded."""
        new = self.new
        if value.op is Op.CONST or value in new:
            return new.get(value, value)
        offset_only = value.op is Op.PTRADD and on_stack(value) and value.args[1].op is Op.CONST
        if value.op in CONSTANT or offset_only or in_packet(value):
            args = [self._bring(first, arg) for arg in value.args]
            new[value] = append(first, value.op, args, value.type, value.attr, value.span)
        else:
            new[value] = self.context.load(first, value, self.param)
        return new[value]

    def _once_more(self, latch: Block) -> None:
        """Where the loop jumps back, the callback stores the values for the next turn, and returns."""
        edge = self.loop.header.preds.index(latch)
        jump = latch.body.pop()
        for phi in self.loop.header.phis:
            if phi.args[edge] is not phi:
                args = [self.param, phi.args[edge]]
                append(latch, Op.STORE, args, VOID, (self.context.slot(phi), SLOT), jump.span)
        append(latch, Op.RETURN, [const(0)], VOID, None, jump.span)

    def ways_out(self, blocks: list[Block], live_out: list[Value]) -> list[WayOut]:
        """Gives each edge out of the loop a block on either side."""
        carried = {old for old in self.new if old.op is Op.PHI and self.homes.get(old) is self.loop.header}
        ways: list[WayOut] = []
        for block in blocks:
            for target in block.succs:
                if target not in self.loop.blocks:
                    handed = [value for value in self._handed(block, target, live_out) if value not in carried]
                    ways.append(self._way_out(block, target, handed, FIRST_EXIT + len(ways)))
        return ways

    def _handed(self, block: Block, target: Block, live_out: list[Value]) -> list[Value]:
        """The values that the callback computes before an edge and that the caller uses after it."""
        edge = target.preds.index(block)
        chosen = [phi.args[edge] for phi in target.phis if phi.args[edge] in self.homes]
        made = [value for value in live_out if self.tree.dominates(self.homes[value], block)]
        return list(dict.fromkeys(chosen + made))

    def _way_out(self, block: Block, target: Block, handed: list[Value], number: int) -> WayOut:
        """One edge: a stub in the callback stores the values to hand over, and the number of the way out."""
        stub, arm, span = Block(), Block(), block.end.span
        for value in handed:
            self._store(stub, self.context.slot(value), value)
        self._store(stub, 0, append(stub, Op.HELD, [const(number)], I64, None, span))
        append(stub, Op.RETURN, [const(1)], VOID, None, span)
        stub.preds = [block]
        target.preds[target.preds.index(block)] = arm
        at = block.succs.index(target)
        block.end.attr = (*block.end.attr[:at], stub, *block.end.attr[at + 1 :])
        self.callback.blocks.append(stub)
        append(arm, Op.JUMP, [], VOID, (target,), span)
        return WayOut(target, arm)

    def _store(self, block: Block, slot: int, value: Value) -> None:
        append(block, Op.STORE, [self.param, value], VOID, (slot, SLOT), self.span)
