"""Puts the kernel's iterator around loops that the verifier could not walk turn by turn; for kernels without iterators,
``outlining`` makes such loops functions that bpf_loop calls.

b0: jump b1                           b0: %9 = alloca bytes=8
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

At bpf_iter_num_next, the verifier stops if it has seen a state that is at least as general, so the loop needs no bound.
For this, integers that the loop changes must not begin with a value that the verifier knows: %8 is added to each. Each
gets its own addition, or the verifier would take two variables of the same value for one.
The pass ``iterator_ends`` destroys the iterator on the ways out.
"""

from __future__ import annotations

from ...ir.dominators import dominators
from ...ir.loop_policy import MAX_ITERATIONS, TOO_LONG, Form
from ...ir.natural_loops import Loop
from ...ir.ops import Op
from ...ir.types import I64
from ...ir.values import Function, Value
from ..shared import loop_turns
from ..shared.lock_exits import any_locks
from ..shared.loop_plan import plan_loops
from .iterator_loops import IteratorLoop
from .outlining import outline


def run(fn: Function) -> None:
    """Rewrites the loops that can't stay as they are, inner ones first."""
    plan = plan_loops(fn)
    counted = loop_turns.find(fn, plan.forms)
    loop_turns.keep(fn, counted.values())
    unseen: Value | None = None
    for loop, form in plan.forms.items():
        limit = plan.bounds.get(loop)
        enough = limit is not None and limit.certain and limit.trips < MAX_ITERATIONS
        if form is Form.ITERATOR:
            IteratorLoop(fn, loop, counted.get(loop), enough).insert()
        else:
            unseen = unseen or _unseen(fn, plan.forms)
            outline(fn, loop, unseen, counted.get(loop), TOO_LONG if not enough else "")


def _unseen(fn: Function, chosen: dict[Loop, Form]) -> Value:
    """Makes a number before all loops that become callbacks: 0, but the verifier does not know that. It comes from a
    helper, which can't be called while a lock is held."""
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
