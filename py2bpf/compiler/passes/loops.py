"""Puts the kernel's iterator around loops that the verifier could not walk iteration by iteration; for kernels without
it the ``callbacks`` module makes them functions that bpf_loop calls.

b0: jump b1                           b0: %9 = alloca #8
b1: %1 = phi 0, %3                        %8 = iter_new i64 %9, 8388608     (0, but the verifier does not know)
    branch lt %1, %0, b2, b3              %6 = hide i64 0, %8
b2: turn                                  jump b1
    %3 = add %1, 1              ->    b1: %1 = phi %6, %3
    jump b1                               branch lt %1, %0, b2, b3
                                      b2: %7 = iter_next mem*? %9
                                          branch %7, b4, b5
                                      b4: %3 = add %1, 1
                                          jump b1
                                      b5: exit                              (more turns than the iterator has)

At bpf_iter_num_next the verifier stops where it has seen a state at least as general, so it needs no bound. It comes
there surely since no integer that the loop changes begins with a value that the verifier knows: it adds %8 to each,
and to each by itself, or it would take two variables of the same value for one.
The ``iterators`` pass destroys the iterator on the ways out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ...exception import LimitExceeded
from ..ir.dominators import Dominators, dominators
from ..ir.loop_policy import MAX_ITERATIONS, STRAIGHT_STEPS, WALKED, Form, Shape, choose, walk
from ..ir.loops import Loop, find_loops
from ..ir.ops import Op, Raise
from ..ir.types import I64, STACK, VOID, Int, Ptr, Region
from ..ir.values import Block, Function, Value, connect, const
from . import packet_loads, turns
from .callbacks import TOO_LONG, Outlining, refusal
from .lock_exits import absorb, any_locks
from .loop_edges import entry_of, split_latches
from .ranges import Ranges, verifier_sees
from .trips import Bound, bound
from .widening import Widening

ITERATOR_BYTES = 8
"""sizeof(struct bpf_iter_num)."""


def run(fn: Function) -> None:
    """Decides on every loop, the inner ones first, since an outer one's cost is theirs."""
    plan = _plan(fn)
    if Form.CALLBACK in plan.forms.values() and packet_loads.has_any(fn):
        packet_loads.rewrite(fn)
        plan = _plan(fn)
    counted = turns.find(fn, plan.forms)
    turns.keep(fn, counted.values())
    unseen: Value | None = None
    for loop, form in plan.forms.items():
        limit = plan.bounds.get(loop)
        enough = limit is not None and limit.certain and limit.trips < MAX_ITERATIONS
        if form is Form.ITERATOR:
            _Iterator(fn, loop, counted.get(loop), enough).insert()
        else:
            unseen = unseen or _unseen(fn, plan.forms)
            Outlining(fn, loop, unseen, counted.get(loop), TOO_LONG if not enough else "").run()


class _Plan(NamedTuple):
    """The loops that aren't plain ones, inner ones first, and how often they run at most."""

    forms: dict[Loop, Form]
    bounds: dict[Loop, Bound]


def _plan(fn: Function) -> _Plan:
    loops = find_loops(fn)
    if not loops:
        return _Plan({}, {})
    stuck = absorb(fn, loops)
    tree = dominators(fn)
    ranges = Ranges()
    bounds = _bounds(fn, loops, tree, ranges)
    chosen: dict[Loop, Form] = {}
    while (again := _choose(fn, loops, bounds, ranges, chosen, stuck)) != chosen:
        chosen = again
    return _Plan(chosen, bounds)


def _choose(
    fn: Function, loops: list[Loop], bounds: dict[Loop, Bound], ranges: Ranges, before: dict[Loop, Form],
    stuck: set[Loop],
) -> dict[Loop, Form]:
    """The loops that aren't plain ones, inner ones first. From those that were none ``before``, the verifier knows
    nothing of what the loops carry, so that it can't see a bound that is made of that. Those that are ``stuck`` with a
    lock are plain ones."""
    hidden = {phi for loop in before for phi in loop.header.phis}
    asking = turns.find(fn, before).values()
    widening = Widening(fn, [loop.header for loop in before],
                        [block for block in fn.blocks if any(value in asking for value in block.body)])
    costs: dict[Loop, tuple[int, int]] = {}
    chosen: dict[Loop, Form] = {}
    for loop in loops:
        limit = bounds.get(loop)
        widened = widening.at(loop.header)
        seen = limit is not None and not limit.steep and all(
            verifier_sees(value, ranges, True, unknown) for value in limit.by for unknown in (hidden, widened)
        )  # fmt: skip
        limit = limit if seen else None
        shape = _shape(fn, loop, limit, costs)
        form = before.get(loop) or choose(shape, fn.target)
        if form is not Form.BOUNDED and (call := _tail_call(loop.blocks)):
            _check_tail_call(call, shape)
            form = Form.BOUNDED
        if loop in stuck or (form is Form.CALLBACK and refusal(fn, loop)):
            form = Form.BOUNDED
        costs[loop] = walk(shape, form), shape.forks
        if loop.header in fn.locked:
            _check_locked(loop, shape)
        elif form is not Form.BOUNDED:
            chosen[loop] = form
    return chosen


def _unseen(fn: Function, chosen: dict[Loop, Form]) -> Value:
    """A number before all loops that become callbacks: 0, which the verifier does not know. It's what a helper gives,
    of which none may be called while a lock is held."""
    tree = dominators(fn)
    headers = [loop.header for loop, form in chosen.items() if form is Form.CALLBACK]
    place = fn.blocks[0] if any_locks(fn) else next(
        block for block in reversed(fn.blocks)
        if all(tree.dominates(block, header) and block is not header for header in headers)
        and not any(block in loop.blocks for loop, form in chosen.items() if form is Form.CALLBACK)
    )  # fmt: skip
    zero = Value(Op.UNSEEN, [], I64, None, place.end.span)
    place.body.insert(len(place.body) - 1, zero)
    return zero


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


def _tail_call(blocks: Iterable[Block]) -> Value | None:
    """A tail call in the blocks, or in what they call."""
    for block in blocks:
        for value in block.body:
            if value.op is Op.CALL and value.attr.name == "tail_call":
                return value
            if value.op is Op.CALL_SUB and (found := _tail_call(value.attr.blocks)):
                return found
    return None


def _check_tail_call(call: Value, shape: Shape) -> None:
    """An iterator would be left behind, and a callback can't go to another program: such a loop is a plain one."""
    if shape.trips is None or shape.trips * shape.steps > WALKED:
        raise LimitExceeded(
            call.span.line if call.span else 0,
            "a loop with a tail call has to be short, with a bound that is known while compiling",
            span=call.span,
            hints=("leave the loop with break, and make the tail call behind it",
                   "or limit the loop by a mask: range(n & 63), say"),
        )  # fmt: skip


def _bounds(fn: Function, loops: list[Loop], tree: Dominators, ranges: Ranges) -> dict[Loop, Bound]:
    """What the tests of the loops say, from the ranges at their headers."""
    headers = {loop.header: loop for loop in loops}
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
    steps, forks = _straight(own)
    forks -= limit is not None and limit.exact
    for inner in loop.inner:
        steps += costs[inner][0]
        forks += costs[inner][1]
    return Shape(limit.trips if limit else None, steps, max(forks, 0), _forks(set(fn.blocks) - loop.blocks))


def _straight(blocks: set[Block]) -> tuple[int, int]:
    """The steps of each block once, and the branches among them: at a call the verifier walks the whole subprogram."""
    steps, forks = sum(value.op is not Op.TURN for block in blocks for value in block.values()), _forks(blocks)
    for block in blocks:
        for value in block.body:
            if value.op is Op.CALL_SUB:
                called = _straight(set(value.attr.blocks))
                steps, forks = steps + called[0], forks + called[1]
    return steps, forks


def _forks(blocks: set[Block]) -> int:
    return sum(value.op in (Op.BRANCH, Op.SELECT) for block in blocks for value in block.body)


class _Iterator:
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
