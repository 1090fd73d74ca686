"""Puts the kernel's iterator around loops that the verifier could not walk iteration by iteration.

b0: jump b1                           b0: %9 = alloca #8
b1: %1 = phi 0, %3                        %8 = iter_new i64 %9, 8388608     (0, but the verifier does not know)
    branch lt %1, %0, b2, b3              %6 = hide i64 0, %8
b2: %3 = add %1, 1                        jump b1
    jump b1                     ->    b1: %1 = phi %6, %3
                                          %7 = iter_next mem*? %9
                                          branch %7, b4, b5
                                      b4: branch lt %1, %0, b2, b3
                                      b5: exit                              (more iterations than the iterator has)

At bpf_iter_num_next the verifier stops where it has seen a state at least as general, so it needs no bound. It comes
there surely since no integer that the loop changes begins with a value that the verifier knows: it adds %8 to each,
and to each by itself, or it would take two variables of the same value for one.
The ``iterators`` pass destroys the iterator on the ways out.
"""

from __future__ import annotations

from ...exception import LimitExceeded
from ..ir.dominators import Dominators, dominators
from ..ir.loop_policy import MAX_ITERATIONS, STRAIGHT_STEPS, Form, Shape, choose, walk
from ..ir.loops import Loop, find_loops
from ..ir.ops import Op, Raise
from ..ir.types import I64, STACK, VOID, Int, Ptr, Region
from ..ir.values import Block, Function, Value, connect, const
from .ranges import Ranges, verifier_sees
from .trips import Bound, bound

ITERATOR_BYTES = 8
"""sizeof(struct bpf_iter_num)."""
TOO_LONG = "TimeoutError"
"""The name under which a loop is counted that wants more than MAX_ITERATIONS."""


def run(fn: Function) -> None:
    """Decides on every loop, the inner ones first, since an outer one's cost is theirs."""
    loops = find_loops(fn)
    if not loops:
        return
    tree = dominators(fn)
    bounds = _bounds(fn, loops, tree)
    chosen: list[Loop] = []
    while (again := _choose(fn, loops, bounds, chosen)) != chosen:
        chosen = again
    for loop in chosen:
        limit = bounds.get(loop)
        _Iterator(fn, loop, limit is not None and limit.certain and limit.trips < MAX_ITERATIONS).insert()


def _choose(fn: Function, loops: list[Loop], bounds: dict[Loop, Bound], before: list[Loop]) -> list[Loop]:
    """The loops that get an iterator. From those that had one ``before``, the verifier knows nothing of what the loops
    carry, so that it can't see a bound that is made of that."""
    hidden = {phi for loop in before for phi in loop.header.phis}
    costs: dict[Loop, tuple[int, int]] = {}
    chosen = []
    for loop in loops:
        limit = bounds.get(loop)
        if limit is not None and not all(verifier_sees(value, counters=True, hidden=hidden) for value in limit.by):
            limit = None
        shape = _shape(fn, loop, limit, costs)
        form = Form.ITERATOR if loop in before else choose(shape, fn.target)
        costs[loop] = walk(shape, form), shape.forks
        if loop.header in fn.locked:
            _check_locked(loop, shape)
        elif form is Form.ITERATOR:
            chosen.append(loop)
    return chosen


def _check_locked(loop: Loop, shape: Shape) -> None:
    """An iterator would be left behind, or the lock, where it runs dry: a loop under a lock is a plain one."""
    if shape.trips is None or walk(shape, Form.BOUNDED) > STRAIGHT_STEPS:
        span = loop.header.end.span
        raise LimitExceeded(
            span.line if span else 0,
            "a loop under a spin lock has to be short, with a bound that is known while compiling",
            span=span,
            hints=("limit it by a mask: range(n & 63), say", "gather the numbers before the with statement"),
        )  # fmt: skip


def _bounds(fn: Function, loops: list[Loop], tree: Dominators) -> dict[Loop, Bound]:
    """What the tests of the loops say, from the ranges at their headers."""
    headers = {loop.header: loop for loop in loops}
    ranges = Ranges()
    found: dict[Loop, Bound] = {}
    for i, block in enumerate(fn.blocks):
        ranges.enter(block, fn.blocks[tree.idom[i]] if i else None)
        if block in headers:
            limit = bound(headers[block], tree, ranges)
            if limit is not None:
                found[headers[block]] = limit
        for value in block.values():
            ranges.note(value)
            if value.op is Op.GUARD:
                ranges.assume(value.args[0], True)
    return found


def _shape(fn: Function, loop: Loop, limit: Bound | None, costs: dict[Loop, tuple[int, int]]) -> Shape:
    own = set(loop.blocks)
    for inner in loop.inner:
        own -= inner.blocks
    steps = sum(len(block.body) + len(block.phis) for block in own)
    exact = limit is not None and limit.exact
    forks = _forks(own) - exact
    for inner in loop.inner:
        steps += costs[inner][0]
        forks += costs[inner][1]
    return Shape(limit.trips if limit else None, steps, max(forks, 0), _forks(set(fn.blocks) - loop.blocks))


def _forks(blocks: set[Block]) -> int:
    return sum(value.op in (Op.BRANCH, Op.SELECT) for block in blocks for value in block.body)


class _Iterator:
    """The rewriting of one loop; ``enough``: it surely needs no more iterations than the iterator has."""

    def __init__(self, fn: Function, loop: Loop, enough: bool) -> None:
        self.fn = fn
        self.loop = loop
        self.enough = enough
        self.span = loop.header.end.span

    def insert(self) -> None:
        entry = self._entry()
        slot = Value(Op.ALLOCA, [], STACK, ITERATOR_BYTES, self.span)
        zero = Value(Op.ITER_NEW, [slot, const(self._count())], I64, None, self.span)
        entry.body[-1:-1] = [slot, zero]
        self._latches()
        for phi in self.loop.header.phis:
            if isinstance(phi.type, Int):
                self._hide(phi, zero)
        self._test(slot)

    def _latches(self) -> None:
        """Gives a jump back that a branch makes a block of its own."""
        header = self.loop.header
        for i, pred in enumerate(header.preds):
            if pred.end.op is Op.BRANCH:
                latch = Block()
                latch.body = [Value(Op.JUMP, [], VOID, (header,), pred.end.span)]
                latch.preds = [pred]
                header.preds[i] = latch
                pred.end.attr = tuple(latch if succ is header else succ for succ in pred.succs)
                self.fn.blocks.insert(self._last() + 1, latch)
                _enter(self.loop, latch)

    def _last(self) -> int:
        """The place of the loop's last block."""
        return max(i for i, block in enumerate(self.fn.blocks) if block in self.loop.blocks)

    def _hide(self, phi: Value, zero: Value) -> None:
        for edge, pred in enumerate(self.loop.header.preds):
            if phi.args[edge] is not phi:
                hidden = Value(Op.HIDE, [phi.args[edge], zero], phi.type, None, self.span)
                pred.body.insert(len(pred.body) - 1, hidden)
                phi.args[edge] = hidden

    def _count(self) -> int:
        """A loop that tests at its top asks the iterator once more, so that both kinds run as often."""
        tests_first = any(succ not in self.loop.blocks for succ in self.loop.header.succs)
        return MAX_ITERATIONS if tests_first else MAX_ITERATIONS - 1

    def _entry(self) -> Block:
        """A block that only leads into the loop, the only one from outside."""
        header = self.loop.header
        entries = self.loop.entries()
        if len(entries) == 1 and entries[0].end.op is Op.JUMP:
            return entries[0]
        block = Block()
        for phi in header.phis:
            merged = [arg for arg, pred in zip(phi.args, header.preds, strict=True) if pred in entries]
            rest = [arg for arg, pred in zip(phi.args, header.preds, strict=True) if pred not in entries]
            value = merged[0]
            if len(merged) > 1:
                value = Value(Op.PHI, merged, phi.type, None, phi.span)
                block.phis.append(value)
            phi.args = [*rest, value]
        block.preds = [pred for pred in header.preds if pred in entries]
        header.preds = [pred for pred in header.preds if pred not in entries]
        for pred in entries:
            pred.end.attr = tuple(block if succ is header else succ for succ in pred.succs)
        self.fn.blocks.insert(self.fn.blocks.index(header), block)
        connect(block, Op.JUMP, [], (header,), self.span)
        _enter(self.loop.parent, block)
        return block

    def _test(self, slot: Value) -> None:
        """Asks the iterator at the header; what the header did comes after."""
        header, rest, end = self.loop.header, Block(), Block()
        rest.body, header.body = header.body, []
        for succ in dict.fromkeys(rest.succs):
            succ.preds = [rest if pred is header else pred for pred in succ.preds]
        more = Value(Op.ITER_NEXT, [slot], Ptr(Region.MEM, nullable=True), None, self.span)
        header.body.append(more)
        connect(header, Op.BRANCH, [more], (rest, end), self.span)
        end.body = [Value(Op.EXIT, [], VOID, Raise("" if self.enough else TOO_LONG), self.span)]
        self.fn.blocks.insert(self.fn.blocks.index(header) + 1, rest)
        self.fn.blocks.append(end)
        _enter(self.loop, rest)


def _enter(loop: Loop | None, block: Block) -> None:
    """Enters a new block into the loops around it."""
    while loop is not None:
        loop.blocks.add(block)
        loop = loop.parent
