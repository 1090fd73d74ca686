"""Makes a loop a function of its own that the helper bpf_loop calls, for kernels without the iterator.

b0: jump b1                        b0: %4 = unseen
b1: %1 = phi 0, %2                     %5 = alloca #16
    branch lt %1, %0, b2, b3           store %5, 0, #0, #8                     (how the loop ended)
b2: %2 = add %1, 1           ->        store %5, (hide 0, %4), #8, #8  ...      (what it carries and uses)
    jump b1                            loop %5, 8388608, #callback
b3: ...                                branch eq (load %5, #0, #8), 2, b3, ...

callback:                          b0: %0 = param #2
                                       %1 = load %0, #8, #8  ...
                                       branch lt %1, ..., b1, b2
                                   b1: store %0, (add %1, 1), #8, #8           once more
                                       return 0
                                   b2: store %0, 2, #0, #8                     the way out with the number 2
                                       return 1

Linux 5.17 to 6.6 verify the callback once, with what it is called with first, and trust that the other calls do the
same. So what differs from call to call must be unknown at the first one, or branches that only later calls take would
be removed as dead: numbers are hidden, pointers can't be carried, and stack objects that the loop writes have unknown
contents on a path of their own (taken if a bit of ``unseen`` is set, so never).

Where the tests come before the turn (``turn`` in the IR) a loop that has been called 8388608 times is called once more
for its tests alone: slot 0 holds LAST_TEST then, and is looked at where the turn begins.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Final

from ...ir.dominators import Dominators, dominators
from ...ir.loop_policy import MAX_ITERATIONS
from ...ir.natural_loops import Loop
from ...ir.ops import Op, Raise
from ...ir.types import CTX, I64, STACK, VOID, Int
from ...ir.values import Block, Function, Value, append, connect, const
from ..shared import turns
from ..shared.callback_values import (
    CONSTANT,
    DERIVES,
    SLOT,
    hoistable,
    in_packet,
    on_stack,
    stack_roots,
    used_after,
    used_in,
)
from ..shared.loop_edges import enter, entry_of, split_latches

RAN_DRY: Final = 0
"""How a loop ended: it was called as often as it may be. 1 is left by what Python would raise."""
LAST_TEST: Final = -1
"""The same where its tests have been asked once more: no turn may begin after them."""
FIRST_EXIT: Final = 2
_SOME_BIT: Final = 1 << 30


class Outlining:
    """The rewriting of one loop, whose turns begin at ``turn`` or its header; ``raises`` is counted where it wants more
    of them than MAX_ITERATIONS."""

    def __init__(self, fn: Function, loop: Loop, unseen: Value, turn: Value | None, raises: str) -> None:
        self.fn = fn
        self.loop = loop
        self.unseen = unseen
        self.turn = turn
        self.raises = raises
        self.span = loop.header.end.span
        self.slots: dict[Value, int] = {}
        self.shared = Value(Op.ALLOCA, [], STACK, 0, self.span)
        self.param = Value(Op.PARAM, [], STACK, 2, self.span)
        self.callback = Function(f"{fn.name}_loop{1 + len(fn.subprograms)}", fn.hook, fn.target)

    def run(self) -> None:
        """Takes the loop's blocks out of the function, and puts a call of bpf_loop in their place."""
        self.entry = entry_of(self.fn, self.loop)
        split_latches(self.fn, self.loop)
        if self.turn is not None:
            self.last, self.first = turns.split(self.fn, self.loop, self.turn)
            connect(self.last, Op.JUMP, [], (self.first,), self.span)
        self._hide_carried()
        tree = dominators(self.fn)
        inside = {value for block in self.loop.blocks for value in block.values()}
        live_out = self._hoist(used_after(self.fn, self.loop, inside), inside)
        live_in = used_in(self.fn, self.loop, inside)
        blocks = [block for block in self.fn.blocks if block in self.loop.blocks]
        homes = {value: block for block in blocks for value in block.values()}
        begins = [phi.args[self.loop.header.preds.index(self.entry)] for phi in self.loop.header.phis]
        at = self.fn.blocks.index(self.entry)
        self.fn.blocks = [block for block in self.fn.blocks if block not in self.loop.blocks]
        self.entry.body.pop()
        phis = self.loop.header.phis
        self._callback(blocks, live_in)
        stubs = self._ways_out(blocks, live_out, homes, tree)
        given = [value for value in self.slots if value not in inside]
        here = self._share(phis, begins, given, at)
        objects = [value for value in given if stack_roots([value])]
        here = self._call(here, MAX_ITERATIONS, objects)
        self._dispatch(here, stubs, live_out)

    def _hide_carried(self) -> None:
        """Linux 6.11 and later follow by how much numbers differ from turn to turn, and would never come to an end."""
        header = self.loop.header
        for phi in header.phis:
            for edge, pred in enumerate(header.preds):
                if phi.args[edge] is not phi:
                    hidden = Value(Op.HIDE, [phi.args[edge], self.unseen], phi.type, None, self.span)
                    pred.body.insert(len(pred.body) - 1, hidden)
                    phi.args[edge] = hidden

    def _slot(self, value: Value) -> int:
        return self.slots.setdefault(value, SLOT * (1 + len(self.slots)))

    def _hoist(self, live_out: list[Value], inside: set[Value]) -> list[Value]:
        """Moves what is as well made before the loop there; what remains has to be handed out."""
        for value in live_out:
            if not isinstance(value.type, Int) and hoistable(value, inside):
                self._move(value, inside)
        return [value for value in live_out if value in inside]

    def _move(self, value: Value, inside: set[Value]) -> None:
        if value in inside:
            for arg in value.args:
                self._move(arg, inside)
            home = next(block for block in self.loop.blocks if value in block.body)
            home.body.remove(value)
            self.entry.body.insert(len(self.entry.body) - 1, value)
            inside.remove(value)

    # the callback

    def _callback(self, blocks: list[Block], live_in: list[Value]) -> None:
        """The loop's blocks, as one call runs them."""
        callback, header = self.callback, self.loop.header
        callback.belong_to(self.fn)
        callback.hook = dataclasses.replace(self.fn.hook, safe=1)
        callback.locked = self.fn.locked
        callback.params, callback.result, callback.flag, callback.callback = 1, I64, self.param, True
        first = Block()
        callback.blocks = [first, *blocks]
        first.body.append(self.param)
        new: dict[Value, Value] = {}
        if any(value.op in (Op.VIEW, Op.EXTENT) for block in blocks for value in block.body):
            live_in = [*live_in, *({self._context()} - set(live_in))]
        for phi in header.phis:
            new[phi] = self._load(first, phi, self.param)
        for value in live_in:
            self._bring(first, value, new)
        latches = [pred for pred in header.preds if pred in self.loop.blocks]
        for latch in latches:
            self._once_more(latch)
        header.phis, header.preds = [], []
        self._begin(first)
        for block in blocks:
            for value in block.values():
                value.args = [new.get(arg, arg) for arg in value.args]
        self.new = new

    def _begin(self, first: Block) -> None:
        """Goes to the header. Where a turn begins the callback returns if the loop has ended: it is called for its
        tests alone then, or no more, which Linux 6.7 and later don't know of a callback that returns 1."""
        if self.turn is None:
            self._check(first, self.loop.header)
        else:
            connect(first, Op.JUMP, [], (self.loop.header,), self.span)
            self.last.body.pop()
            self.first.preds.clear()
            self._check(self.last, self.first)

    def _check(self, block: Block, turn: Block) -> None:
        over = Block()
        end = append(block, Op.LOAD, [self.param], I64, (0, SLOT, True), self.span)
        connect(block, Op.BRANCH, [end], (over, turn), self.span)
        append(over, Op.RETURN, [const(1)], VOID, None, self.span)
        self.callback.blocks.append(over)
        self.loop.blocks.add(over)

    def _context(self) -> Value:
        return next(value for value in self.fn.blocks[0].body if value.type == CTX)

    def _load(self, block: Block, value: Value, base: Value) -> Value:
        signed = isinstance(value.type, Int) and value.type.signed
        return append(block, Op.LOAD, [base], value.type, (self._slot(value), SLOT, signed), self.span)

    def _bring(self, first: Block, value: Value, new: dict[Value, Value]) -> Value:
        """A value of the caller in the callback: made again where that is possible, else loaded."""
        if value.op is Op.CONST or value in new:
            return new.get(value, value)
        offset_only = value.op is Op.PTRADD and on_stack(value) and value.args[1].op is Op.CONST
        if value.op in CONSTANT or offset_only or in_packet(value):
            args = [self._bring(first, arg, new) for arg in value.args]
            new[value] = append(first, value.op, args, value.type, value.attr, value.span)
        else:
            new[value] = self._load(first, value, self.param)
        return new[value]

    def _once_more(self, latch: Block) -> None:
        """Where the loop jumps back the callback leaves what it carries, and returns."""
        edge = self.loop.header.preds.index(latch)
        jump = latch.body.pop()
        for phi in self.loop.header.phis:
            if phi.args[edge] is not phi:
                args = [self.param, phi.args[edge]]
                append(latch, Op.STORE, args, VOID, (self._slot(phi), SLOT), jump.span)
        append(latch, Op.RETURN, [const(0)], VOID, None, jump.span)

    def _ways_out(
        self, blocks: list[Block], live_out: list[Value], homes: dict[Value, Block], tree: Dominators
    ) -> list[tuple[Block, Block]]:
        """Gives each edge out of the loop a block on either side: (target, the caller's block) by number."""
        carried = {old for old in self.new if old.op is Op.PHI and homes.get(old) is self.loop.header}
        stubs: list[tuple[Block, Block]] = []
        for block in blocks:
            for i, target in enumerate(block.succs):
                if target in self.loop.blocks:
                    continue
                stub, arm = Block(), Block()
                edge = target.preds.index(block)
                handed = [phi.args[edge] for phi in target.phis if phi.args[edge] in homes]
                handed += [value for value in live_out if tree.dominates(homes[value], block)]
                for value in dict.fromkeys(value for value in handed if value not in carried):
                    self._store(stub, self._slot(value), value)
                held = append(stub, Op.HELD, [const(FIRST_EXIT + len(stubs))], I64, None, block.end.span)
                self._store(stub, 0, held)
                append(stub, Op.RETURN, [const(1)], VOID, None, block.end.span)
                stub.preds = [block]
                target.preds[edge] = arm
                block.end.attr = (*block.end.attr[:i], stub, *block.end.attr[i + 1 :])
                self.callback.blocks.append(stub)
                append(arm, Op.JUMP, [], VOID, (target,), block.end.span)
                stubs.append((target, arm))
        return stubs

    def _store(self, block: Block, slot: int, value: Value) -> None:
        append(block, Op.STORE, [self.param, value], VOID, (slot, SLOT), self.span)

    # the caller

    def _share(self, phis: list[Value], begins: list[Value], live_in: list[Value], at: int) -> Block:
        """Fills in what is shared with the callback: what the loop uses, or what that is made of in the callback.
        Gives the block that goes on."""
        body = self.entry.body
        body.append(self.shared)
        self.shared.attr = SLOT * (1 + len(self.slots))
        first = dict(zip(phis, begins, strict=True))
        given = set(live_in)
        for value, slot in [(None, 0), *self.slots.items()]:
            start = const(RAN_DRY)
            if value in given:
                assert value is not None
                start = value
            elif value in first:
                start = first[value]
            append(self.entry, Op.STORE, [self.shared, start], VOID, (slot, SLOT), self.span)
        written = [root for root in stack_roots(live_in) if self._is_written(root)]
        if not written:
            return self.entry
        never, go = Block(), Block()
        anything = append(self.entry, Op.HIDE, [const(0), self.unseen], I64, None, self.span)
        # One bit: were it compared as a whole, it would be known on one of the ways, and hide no number there.
        bit = append(self.entry, Op.AND, [self.unseen, const(_SOME_BIT)], I64, None, self.span)
        connect(self.entry, Op.BRANCH, [bit], (never, go), self.span)
        for root in written:
            for offset, size in _pieces(root.attr):
                append(never, Op.STORE, [root, anything], VOID, (offset, size), self.span)
        connect(never, Op.JUMP, [], (go,), self.span)
        self.fn.blocks[at + 1 : at + 1] = [never, go]
        enter(self.loop.parent, never)
        enter(self.loop.parent, go)
        return go

    def _call(self, here: Block, count: int, objects: list[Value]) -> Block:
        """Calls bpf_loop; once more for the tests alone where a loop has had all its turns. Gives the block that goes
        on."""
        append(here, Op.LOOP, [self.shared, const(count), *objects], VOID, self.callback, self.span)
        if self.turn is None or not self.raises:
            return here
        again, done = Block(), Block()
        end = append(here, Op.LOAD, [self.shared], I64, (0, SLOT, True), self.span)
        connect(here, Op.BRANCH, [end], (done, again), self.span)
        held = append(again, Op.HELD, [const(LAST_TEST)], I64, None, self.span)
        append(again, Op.STORE, [self.shared, held], VOID, (0, SLOT), self.span)
        append(again, Op.LOOP, [self.shared, const(1), *objects], VOID, self.callback, self.span)
        connect(again, Op.JUMP, [], (done,), self.span)
        at = self.fn.blocks.index(here) + 1
        self.fn.blocks[at:at] = [again, done]
        for block in (again, done):
            enter(self.loop.parent, block)
        return done

    def _is_written(self, root: Value) -> bool:
        """Whether the callback does more with a stack object than loading from it."""
        pointers = {new for old, new in self.new.items() if root in stack_roots([old])}
        users = [value for block in self.callback.blocks for value in block.values()]
        grown = True
        while grown:
            more = {v for v in users if v.op in DERIVES and v not in pointers and pointers & set(v.args)}
            grown = bool(more)
            pointers |= more
        return any(v.op is not Op.LOAD and v.op not in DERIVES and pointers & set(v.args) for v in users)

    def _dispatch(self, here: Block, stubs: list[tuple[Block, Block]], live_out: list[Value]) -> None:
        """Goes on where the loop was left. All that it hands out is loaded at once: an object that is used in other
        places may become one of a caller, where this loop is itself in one that becomes a callback, and no pointer to
        the stack may be stored there."""
        fn, parent = self.fn, self.loop.parent
        new = {value: self._load(here, value, self.shared) for value in live_out if self._is_used(value)}
        end, begin = append(here, Op.LOAD, [self.shared], I64, (0, SLOT, True), self.span), here
        made: list[Block] = []
        for number, (_, arm) in enumerate(stubs):
            following = Block()
            test = append(here, Op.EQ, [end, const(FIRST_EXIT + number)], I64, None, self.span)
            connect(here, Op.BRANCH, [test], (arm, following), self.span)
            made += [arm, following]
            here = following
        leave: list[Block] = []
        if self.raises:
            dry, raised = Block(), Block()
            dry_by = RAN_DRY if self.turn is None else LAST_TEST
            test = append(here, Op.EQ, [end, const(dry_by)], I64, None, self.span)
            connect(here, Op.BRANCH, [test], (dry, raised), self.span)
            append(dry, Op.EXIT, [], VOID, Raise(self.raises), self.span)
            leave, here = [dry, raised], raised
        append(here, Op.EXIT, [], VOID, Raise(""), self.span)
        self._insert(begin, made, leave, stubs)
        for block in fn.blocks:
            for value in block.values():
                value.args = [new.get(arg, arg) for arg in value.args]
        for block in self.loop.blocks:
            outer = parent
            while outer is not None:
                outer.blocks.discard(block)
                outer = outer.parent

    def _is_used(self, value: Value) -> bool:
        return any(value in user.args for block in self.fn.blocks for user in block.values())

    def _insert(
        self, begin: Block, made: list[Block], leave: list[Block], stubs: list[tuple[Block, Block]]
    ) -> None:
        """Puts the dispatching blocks behind the call, and into the loops around where a way leads back into them."""
        fn, parent = self.fn, self.loop.parent
        at = 1 + fn.blocks.index(begin)
        fn.blocks[at:at] = [*made, *leave]
        while parent is not None:
            back = [i for i, (target, _) in enumerate(stubs) if target in parent.blocks]
            for i, block in enumerate(made):
                number = i // 2
                if (i % 2 == 0 and number in back) or (i % 2 and any(b > number for b in back)):
                    parent.blocks.add(block)
            parent = parent.parent


def _pieces(size: int) -> Iterator[tuple[int, int]]:
    """Stores that cover an object: (offset, bytes)."""
    offset = 0
    for width in (8, 4, 2, 1):
        while size - offset >= width:
            yield offset, width
            offset += width
