"""Decides how loops are evaluated: the first guess, and changes while their blocks are evaluated."""

from __future__ import annotations

from ...exception import LimitExceeded, UnsupportedSyntax
from ..bytecode.canonical import Loop
from ..ir.loop_policy import (
    LEAVING_BLOCKS,
    LEAVING_ITERATIONS,
    MAX_UNROLLED,
    PATIENCE,
    is_short,
)
from ..ir.ops import Op
from ..ir.values import Function
from . import kind, plans
from .counters import counter_items
from .decisions import Restart
from .frames import Context, Frame
from .plans import Forced, LoopAt, Plan, Plans, RunTime, Unrolled
from .state import State
from .values import Abstract, Counter


def plan_of(known: Plans, frame: Frame, loop: Loop, context: Context, state: State) -> Plan:
    """The plan of a loop whose header is reached; ``state`` is the state before the iteration that begins there."""
    at = frame.loop_at(loop, context)
    plan = known.get(at)
    if plan is None:
        plan = known[at] = _guess(frame, loop, state)
    elif frame.is_for(loop) and _counts_at_run_time(state.stack[-1]):  # known before, while a loop around was unrolled
        plan = known[at] = plans.without_end(plan)
    return plan


def _guess(frame: Frame, loop: Loop, state: State) -> Plan:
    if not frame.is_for(loop):
        return Unrolled() if frame.ends_by_test(loop) else RunTime()
    iterator = state.stack[-1]
    if isinstance(iterator, Counter):
        count = counter_items(iterator)
        if count is None:
            return RunTime(can_unroll=False)
        return Unrolled() if is_short(count, frame.body_size(loop)) else RunTime()
    if kind.of(iterator).is_iterator:
        return Unrolled()
    raise UnsupportedSyntax(0, f"can't iterate over {iterator.describe()}",
                            hints=("iterate over a range, a tuple, a list or a ctypes array",))  # fmt: skip


def _counts_at_run_time(iterator: Abstract) -> bool:
    return isinstance(iterator, Counter) and counter_items(iterator) is None


def tested(known: Plans, frame: Frame, succ: tuple[int, ...]) -> None:
    """Called for a run-time branch at the end of a block: loops that the branch leaves, or continues, have no end that
    is known at compile time."""
    index, context = frame.context
    for loop in frame.left_loops(index, succ):
        at = frame.loop_at(loop, context)
        if at in known:
            known[at] = plans.left(known[at])
    for target in succ:
        header = frame.header_loop(target)
        if header is not None and index in header.body and not frame.is_for(header):
            at = frame.loop_at(header, context)
            if isinstance(known[at], Unrolled):
                known[at] = plans.given_up(known[at])
                _give_up_around(known, frame, header)
                raise Restart(f"{_while(frame, header)} is a loop: only run time knows when it ends")


def _give_up_around(known: Plans, frame: Frame, inner: Loop) -> None:
    """Gives up unrolling each ``while`` around a loop without a known end, after a few iterations: the ``while`` likely
    has no known end either."""
    depth = len(frame.loop_chains[inner.header]) - 1
    for turn in frame.turns()[:depth]:
        if turn.at in known and turn.iteration >= PATIENCE and not frame.is_for(turn.loop):
            known[turn.at] = plans.given_up(known[turn.at])


def turned(known: Plans, frame: Frame, loop: Loop, iterations: Context, fn: Function) -> None:
    """Called when an unrolled loop begins its next iteration. After many, a ``while`` is tried as a run-time loop,
    unless its iterations leave no code and so cost nothing."""
    at, count = frame.loop_at(loop, iterations), iterations[-1]
    if count == 1:
        frame.begun[at] = len(fn.blocks)
    plan = known[at]
    if isinstance(plan, Unrolled) and not frame.is_for(loop) and _is_long(plan, count, fn, frame.begun[at]):
        known[at] = plans.given_up(plan, tried=not plan.leaves)
        raise Restart(f"{_while(frame, loop)} is tried as a loop: it is long")
    if count > MAX_UNROLLED:
        raise LimitExceeded(
            0,
            f"the loop has more than {MAX_UNROLLED} iterations to unroll",
            hints=("a loop runs at run time if its body needs no constant",),
        )


def _is_long(plan: Unrolled, count: int, fn: Function, begun: int) -> bool:
    if plan.leaves:
        large = count > PATIENCE and len(fn.blocks) - begun > LEAVING_BLOCKS
        return large or count > LEAVING_ITERATIONS
    return count > MAX_UNROLLED or (count == LEAVING_ITERATIONS + 1 and _leaves_code(fn, begun))


def _leaves_code(fn: Function, begun: int) -> bool:
    """Whether about every iteration since the first left an instruction."""
    made = fn.blocks[begun:]
    return sum(value.op is not Op.JUMP for block in made for value in block.body) >= LEAVING_ITERATIONS - 1


def force(known: Plans, at: LoopAt, reason: str) -> None:
    """Starts another attempt, in which a loop that can't run at run time is unrolled."""
    known[at] = Forced(reason)
    raise Restart(f"a loop is unrolled: {reason}")


def _while(frame: Frame, loop: Loop) -> str:
    lines = (instr.span.line for block in loop.body for instr in frame.fn.blocks[block].instrs)
    return f"the while at line {min(lines)}"
