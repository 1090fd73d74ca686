"""The caller of a callback: stores the shared values, calls bpf_loop, and continues where the loop was left."""

from __future__ import annotations

from typing import Final

from ...ir.alignment import pieces
from ...ir.ops import Op, Raise
from ...ir.types import I64, VOID
from ...ir.values import Block, Value, append, connect, const
from ..shared.callback_values import DERIVES, SLOT, stack_roots
from ..shared.loop_edges import enter
from .callback_body import CallbackBody, WayOut
from .callback_context import FIRST_EXIT, LAST_TEST, RAN_DRY, CallbackContext

_SOME_BIT: Final = 1 << 30


class CallbackCaller:
    """``entry`` is the block that led into the loop. ``tests_first``: the loop has tests before its turns begin.
    ``raises``: the error that is counted if the loop needs more turns than it may have."""

    def __init__(self, context: CallbackContext, body: CallbackBody, entry: Block, raises: str) -> None:
        self.context = context
        self.body = body
        self.entry = entry
        self.tests_first = body.turn is not None
        self.raises = raises

    def share(self, first: dict[Value, Value], live_in: list[Value], at: int) -> Block:
        """Stores the values that are shared with the callback: ``first`` of the loop's phis, and the values that the
        loop uses, or from which the callback computes them. Gives the block that continues."""
        context, entry = self.context, self.entry
        entry.body.append(context.shared)
        context.shared.attr = SLOT * (1 + len(context.slots))
        given = set(live_in)
        for value, slot in [(None, 0), *context.slots.items()]:
            start = const(RAN_DRY)
            if value in given:
                assert value is not None
                start = value
            elif value in first:
                start = first[value]
            append(entry, Op.STORE, [context.shared, start], VOID, (slot, SLOT), context.span)
        written = [root for root in stack_roots(live_in) if self._is_written(root)]
        return self._make_unknown(written, at) if written else entry

    def _make_unknown(self, written: list[Value], at: int) -> Block:
        """Gives stack objects that the callback writes unknown contents, on a path that is never taken."""
        context, entry = self.context, self.entry
        never, go = Block(), Block()
        anything = append(entry, Op.HIDE, [const(0), context.unseen], I64, None, context.span)
        # One bit: after a comparison of the whole number, the verifier would know it on one of the paths.
        bit = append(entry, Op.AND, [context.unseen, const(_SOME_BIT)], I64, None, context.span)
        connect(entry, Op.BRANCH, [bit], (never, go), context.span)
        for root in written:
            for offset, size in pieces(0, 0, root.attr):
                append(never, Op.STORE, [root, anything], VOID, (offset, size), context.span)
        connect(never, Op.JUMP, [], (go,), context.span)
        context.fn.blocks[at + 1 : at + 1] = [never, go]
        enter(context.loop.parent, never)
        enter(context.loop.parent, go)
        return go

    def call(self, here: Block, count: int, objects: list[Value]) -> Block:
        """Calls bpf_loop; if a loop has had all its turns, calls the callback once more for the tests alone. Gives the
        block that continues."""
        context, span = self.context, self.context.span
        append(here, Op.LOOP, [context.shared, const(count), *objects], VOID, context.callback, span)
        if not (self.tests_first and self.raises):
            return here
        again, done = Block(), Block()
        end = append(here, Op.LOAD, [context.shared], I64, (0, SLOT, True), span)
        connect(here, Op.BRANCH, [end], (done, again), span)
        held = append(again, Op.HELD, [const(LAST_TEST)], I64, None, span)
        append(again, Op.STORE, [context.shared, held], VOID, (0, SLOT), span)
        append(again, Op.LOOP, [context.shared, const(1), *objects], VOID, context.callback, span)
        connect(again, Op.JUMP, [], (done,), span)
        at = context.fn.blocks.index(here) + 1
        context.fn.blocks[at:at] = [again, done]
        for block in (again, done):
            enter(context.loop.parent, block)
        return done

    def _is_written(self, root: Value) -> bool:
        """Whether the callback does more with a stack object than load from it."""
        pointers = {new for old, new in self.body.new.items() if root in stack_roots([old])}
        users = [value for block in self.context.callback.blocks for value in block.values()]
        grown = True
        while grown:
            more = {v for v in users if v.op in DERIVES and v not in pointers and pointers & set(v.args)}
            grown = bool(more)
            pointers |= more
        return any(v.op is not Op.LOAD and v.op not in DERIVES and pointers & set(v.args) for v in users)

    def dispatch(self, here: Block, ways: list[WayOut], live_out: list[Value]) -> None:
        """Continues where the loop was left. All values that the callback hands over are loaded at once. If this loop
        is itself in a loop that becomes a callback, a shared object that is used elsewhere may become the outer
        caller's, where no pointer to the stack may be stored."""
        context, begin = self.context, here
        new = {value: context.load(here, value, context.shared) for value in live_out if self._is_used(value)}
        end = append(here, Op.LOAD, [context.shared], I64, (0, SLOT, True), context.span)
        made: list[Block] = []
        for number, way in enumerate(ways, FIRST_EXIT):
            following = Block()
            self._branch_if(here, end, number, way.arm, following)
            made += [way.arm, following]
            here = following
        leave: list[Block] = []
        if self.raises:
            dry, raised = Block(), Block()
            self._branch_if(here, end, LAST_TEST if self.tests_first else RAN_DRY, dry, raised)
            append(dry, Op.EXIT, [], VOID, Raise(self.raises), context.span)
            leave, here = [dry, raised], raised
        append(here, Op.EXIT, [], VOID, Raise(""), context.span)
        self._insert(begin, made, leave, ways)
        for block in context.fn.blocks:
            for value in block.values():
                value.args = [new.get(arg, arg) for arg in value.args]

    def _branch_if(self, here: Block, end: Value, number: int, yes: Block, no: Block) -> None:
        """Branches on whether the loop ended with ``number``."""
        test = append(here, Op.EQ, [end, const(number)], I64, None, self.context.span)
        connect(here, Op.BRANCH, [test], (yes, no), self.context.span)

    def _is_used(self, value: Value) -> bool:
        return any(value in user.args for block in self.context.fn.blocks for user in block.values())

    def _insert(self, begin: Block, made: list[Block], leave: list[Block], ways: list[WayOut]) -> None:
        """Puts the dispatching blocks behind the call, and adds them to loops around into which they lead back."""
        fn, parent = self.context.fn, self.context.loop.parent
        at = 1 + fn.blocks.index(begin)
        fn.blocks[at:at] = [*made, *leave]
        while parent is not None:
            back = [i for i, way in enumerate(ways) if way.target in parent.blocks]
            for i, block in enumerate(made):
                number = i // 2
                if (i % 2 == 0 and number in back) or (i % 2 and any(b > number for b in back)):
                    parent.blocks.add(block)
            parent = parent.parent
