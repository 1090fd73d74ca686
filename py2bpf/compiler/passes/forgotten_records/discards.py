"""Gives back records where a block, an edge or a guard forgets them."""

from __future__ import annotations

from collections.abc import Iterator

from ....exception import Span
from ....uapi.helpers import HELPERS
from ....uapi.ring_buffers import RingFlags
from ...ir.natural_loops import Loop, find_loops
from ...ir.ops import Op
from ...ir.types import VOID, Ptr
from ...ir.values import Block, Function, Value, append, connect, const
from .record_flow import RecordFlow, Status, after, held_records, learn
from .record_uses import check_use


class Discards:
    """The rewriting of one function; ``exits`` are the ways out that guards share."""

    def __init__(self, fn: Function, flow: RecordFlow) -> None:
        self.fn = fn
        self.flow = flow
        self.loops = find_loops(fn)
        self.exits: dict[object, Block] = {}

    def run(self) -> None:
        """Rewrites edges first, while the blocks are still as the flow knows them."""
        forgotten = {(pred, block): found for block in self.fn.blocks for pred in dict.fromkeys(block.preds)
                     if (pred, block) in self.flow.out and (found := self.flow.forgotten(pred, block))}  # fmt: skip
        for (pred, block), records in forgotten.items():
            self._edge(pred, block, records)
        for block in list(self.fn.blocks):
            if block in self.flow.begin:
                self._block(block)
        self.fn.blocks += list(self.exits.values())

    # inside of blocks

    def _block(self, block: Block) -> None:
        known = self.flow.begin[block]
        old, block.body = block.body, []
        first = block
        for value in old:
            check_use(known, value)
            held = held_records(known)
            if value.op is Op.GUARD:
                held = held_records(learn(known, value.args[0], False))
            known = after(known, value)
            if held and value.op is Op.GUARD:
                block = self._guard(block, value, held)
            else:
                if held and value.op in (Op.EXIT, Op.RETURN):
                    block = self._discard(block, held, value.span)
                block.body.append(value)
        if block is not first:
            for succ in dict.fromkeys(block.succs):
                succ.preds = [block if pred is first else pred for pred in succ.preds]

    def _after(self, block: Block) -> Block:
        """A new block behind another, in the same loops."""
        new = Block()
        self.fn.blocks.insert(self.fn.blocks.index(block) + 1, new)
        for loop in self.loops:
            if block in loop.blocks:
                loop.blocks.add(new)
        return new

    def _discard(self, block: Block, held: list[tuple[Value, Status]], span: Span | None) -> Block:
        """Gives records back at the end of a block without terminator; returns the block that continues."""
        for record, status in held:
            if status is Status.HELD:
                _call(block, record, span)
                continue
            there = self._after(block)
            rest = self._after(there)
            connect(block, Op.BRANCH, [record], (there, rest), span)
            _call(there, record, span)
            connect(there, Op.JUMP, [], (rest,), span)
            block = rest
        return block

    def _guard(self, block: Block, guard: Value, held: list[tuple[Value, Status]]) -> Block:
        """Makes a failing guard give records back before the program ends; equal ways out are shared."""
        key = (tuple(held), guard.attr, guard.span.line if guard.span else None)
        leave = self.exits.get(key)
        if leave is None:
            leave = self.exits[key] = Block()
            self._leave(leave, guard, held)
        rest = self._after(block)
        connect(block, Op.BRANCH, guard.args, (rest, leave), guard.span)
        return rest

    def _leave(self, block: Block, guard: Value, held: list[tuple[Value, Status]]) -> None:
        for record, status in held:
            if status is Status.HELD:
                _call(block, record, guard.span)
                continue
            there, rest = Block(), Block()
            connect(block, Op.BRANCH, [record], (there, rest), guard.span)
            _call(there, record, guard.span)
            connect(there, Op.JUMP, [], (rest,), guard.span)
            self.exits[object()] = there
            self.exits[object()] = rest
            block = rest
        append(block, Op.EXIT, [], VOID, guard.attr, guard.span)

    # on edges

    def _edge(self, pred: Block, block: Block, records: list[tuple[Value, Status]]) -> None:
        """Puts a block onto an edge."""
        middle = Block()
        self._place(middle, pred, block)
        middle.preds = [pred]
        end = self._discard(middle, records, pred.end.span)
        append(end, Op.JUMP, [], VOID, (block,), pred.end.span)
        block.preds = [end if each is pred else each for each in block.preds]
        pred.end.attr = tuple(middle if succ is block else succ for succ in pred.succs)

    def _place(self, middle: Block, pred: Block, block: Block) -> None:
        """Places the block before the target, or, on a loop's way back, after the last block of the loops that the edge
        leaves."""
        blocks = self.fn.blocks
        around = [loop for loop in self.loops if block in loop.blocks and (pred in loop.blocks)]
        if blocks.index(block) > blocks.index(pred):
            blocks.insert(blocks.index(block), middle)
        else:
            left = [loop for loop in self.loops if pred in loop.blocks and block not in loop.blocks]
            behind = max((blocks.index(last) for last in _widest(left)), default=blocks.index(pred))
            blocks.insert(behind + 1, middle)
        for loop in around:
            loop.blocks.add(middle)


def _widest(loops: list[Loop]) -> Iterator[Block]:
    """The blocks of the outermost of nested loops."""
    return iter(max(loops, key=lambda loop: len(loop.blocks)).blocks if loops else ())


def _call(block: Block, record: Value, span: Span | None) -> None:
    assert isinstance(record.type, Ptr) and record.type.spec is not None
    flags = const(int(RingFlags.NO_WAKEUP) if record.type.spec.wakeup else 0)
    append(block, Op.CALL, [record, flags], VOID, HELPERS["ringbuf_discard"], span)
