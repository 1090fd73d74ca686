"""Chooses the form of each loop of a function, inner loops first, and finds their trip counts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ....exception import LimitExceeded
from ...analysis.trip_counts import Bound, bound
from ...analysis.value_ranges import Ranges, through
from ...analysis.verifier_view import verifier_sees
from ...analysis.widening import Widening
from ...ir.dominators import Dominators, dominators
from ...ir.loop_policy import STRAIGHT_STEPS, WALKED, Form, Shape, choose, walk
from ...ir.natural_loops import Loop, find_loops
from ...ir.ops import Op
from ...ir.values import Block, Function, Value
from . import loop_turns
from .callback_values import refusal
from .lock_exits import absorb
from .loop_costs import shape_of


class LoopPlan(NamedTuple):
    """The forms of loops that aren't bounded ones, inner loops first, and the trip counts."""

    forms: dict[Loop, Form]
    bounds: dict[Loop, Bound]


def plan_loops(fn: Function) -> LoopPlan:
    """Chooses the form of every loop, inner ones first, since their costs are part of the outer loop's."""
    loops = find_loops(fn)
    if not loops:
        return LoopPlan({}, {})
    stuck = absorb(fn, loops)
    tree = dominators(fn)
    ranges = Ranges()
    bounds = _bounds(fn, loops, tree, ranges)
    chosen: dict[Loop, Form] = {}
    while (again := _choose(fn, loops, bounds, ranges, chosen, stuck)) != chosen:
        chosen = again
    return LoopPlan(chosen, bounds)


def _choose(
    fn: Function, loops: list[Loop], bounds: dict[Loop, Bound], ranges: Ranges, before: dict[Loop, Form],
    stuck: set[Loop],
) -> dict[Loop, Form]:
    """The loops that aren't bounded ones, inner ones first. For loops that already weren't so ``before``, the verifier
    knows nothing of the carried values, so it can't see bounds that depend on them. Loops that are ``stuck`` with a
    lock are bounded ones."""
    hidden = {phi for loop in before for phi in loop.header.phis}
    asking = loop_turns.find(fn, before).values()
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
        shape = shape_of(fn, loop, limit, costs)
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


def _bounds(fn: Function, loops: list[Loop], tree: Dominators, ranges: Ranges) -> dict[Loop, Bound]:
    """The bounds by the tests of the loops, from the ranges at their headers."""
    headers = {loop.header: loop for loop in loops}
    found: dict[Loop, Bound] = {}
    for block in through(fn, ranges, tree):
        if block in headers:
            limit = bound(headers[block], tree, ranges)
            if limit is not None:
                found[headers[block]] = limit
        for value in block.values():
            ranges.note(value)
            if value.op is Op.GUARD:
                ranges.assume(value.args[0], True)
    return found


def _check_locked(loop: Loop, shape: Shape) -> None:
    """Checks that a loop under a lock can be a bounded one. An iterator that runs out would be left behind, or the
    lock."""
    if shape.trips is None or walk(shape, Form.BOUNDED) > STRAIGHT_STEPS:
        span = loop.header.end.span
        raise LimitExceeded(
            span.line if span else 0,
            "a loop under a spin lock has to be short, with a bound that is known while compiling",
            span=span,
            hints=("limit it by a mask: range(n & 63), say", "gather the numbers before the with statement"),
        )  # fmt: skip


def _tail_call(blocks: Iterable[Block]) -> Value | None:
    """A tail call in the blocks, or in subprograms that they call."""
    for block in blocks:
        for value in block.body:
            if value.op is Op.CALL and value.attr.name == "tail_call":
                return value
            if value.op is Op.CALL_SUB and (found := _tail_call(value.attr.blocks)):
                return found
    return None


def _check_tail_call(call: Value, shape: Shape) -> None:
    """Checks that a loop with a tail call can be bounded. An iterator would be left behind, and a callback can't make a
    tail call."""
    if shape.trips is None or shape.trips * shape.steps > WALKED:
        raise LimitExceeded(
            call.span.line if call.span else 0,
            "a loop with a tail call has to be short, with a bound that is known while compiling",
            span=call.span,
            hints=("leave the loop with break, and make the tail call behind it",
                   "or limit the loop by a mask: range(n & 63), say"),
        )  # fmt: skip
