"""The verifier's work for a loop: the steps and branches of one turn, inner loops included."""

from __future__ import annotations

from ...analysis.trip_counts import Bound
from ...ir.loop_policy import Shape
from ...ir.natural_loops import Loop
from ...ir.ops import Op
from ...ir.values import Block, Function


def shape_of(fn: Function, loop: Loop, limit: Bound | None, costs: dict[Loop, tuple[int, int]]) -> Shape:
    """The Shape of a loop; ``costs`` has the steps and branches of the loops inside."""
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
    """The steps of all blocks, and the branches among them. At a call, the verifier walks the whole subprogram."""
    steps, forks = sum(value.op is not Op.TURN for block in blocks for value in block.values()), _forks(blocks)
    for block in blocks:
        for value in block.body:
            if value.op is Op.CALL_SUB:
                called = _straight(set(value.attr.blocks))
                steps, forks = steps + called[0], forks + called[1]
    return steps, forks


def _forks(blocks: set[Block]) -> int:
    return sum(value.op in (Op.BRANCH, Op.SELECT) for block in blocks for value in block.body)
