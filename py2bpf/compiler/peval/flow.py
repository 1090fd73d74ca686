"""Control flow: the instructions that end blocks, and the blocks that follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, NamedTuple, Protocol

from ...exception import UnsupportedSyntax
from ..bytecode.canonical import Instr, Op
from ..ir.ops import Op as IrOp
from ..ir.values import Block, Value
from . import arith, counters, handlers, iteration, iterators, nevers, planning, semantics
from .counters import counter_items
from .frames import Context, Frame, Node
from .machine import Machine
from .state import State
from .values import Abstract, Const, Counter, ExceptionOf, OptionalInt, is_none


class End(NamedTuple):
    """The end of a block: its frame, index, iterations, successors and last instruction."""

    frame: Frame
    block: int
    context: Context
    succ: tuple[int, ...]
    instr: Instr


class Walk(Machine, Protocol):
    """The evaluator, as the ends of blocks see it."""

    def goto(self, frame: Frame, context: Context, source: int, target: int, state: State) -> Node | None:
        """Ends the current block with a jump to ``target``; the node to evaluate, None for a closed loop."""


Nodes = list[Node]


def _go(ev: Walk, end: End, target: int, state: State) -> Nodes:
    node = ev.goto(end.frame, end.context, end.block, target, state)
    return [] if node is None else [node]


def _jump(ev: Walk, end: End, state: State) -> Nodes:
    return _go(ev, end, end.succ[0], state)


def _return(ev: Walk, end: End, state: State) -> Nodes:
    value = state.stack.pop()
    consumer = ev.consumers.get(end.frame)
    if consumer is not None:
        value = consumer.result(ev, end.frame, state)
    if end.frame.parent is None and is_none(value):
        value = Const(ev.hook.default)
    ev.leave(end.frame, state, value)
    return []


def _raise(ev: Walk, end: End, state: State) -> Nodes:
    count = end.instr.arg
    ev.b.exit(_raised(state.stack[-int(count) :] if count else []))


def _raised(values: list[Abstract]) -> str:
    """The name of the exception that ``raise`` (no values), ``raise exception`` or ``raise exception from cause``
    raises."""
    if not values:
        return "RuntimeError"  # there is no active exception to raise again
    exception = values[0]
    if isinstance(exception, ExceptionOf):
        return exception.kind.__name__
    raised = exception.obj if isinstance(exception, Const) else None
    kind = raised if isinstance(raised, type) else type(raised)
    return kind.__name__ if issubclass(kind, BaseException) else "TypeError"


# branches


def _branch(ev: Walk, end: End, state: State) -> Nodes:
    value, asked = state.stack.pop(), end.instr.arg
    if asked in ("true", "false"):
        condition = semantics.truth(ev, state, value)
        holds = asked == "true"
    else:
        nevers.none_test(ev, value)
        condition = semantics.is_none(ev, value)
        holds = asked == "none"
    if condition.op is IrOp.CONST:
        return _go(ev, end, end.succ[0 if bool(condition.attr) == holds else 1], state)
    planning.tested(ev.decisions.plans, end.frame, end.succ)
    other = state.copy()
    if isinstance(value, OptionalInt):  # the value of `m.get(k) or 5` on the stack is a number if it is true
        known = state if asked in ("true", "false") else other
        known.stack = [arith.number(value.value, value.boolean) if item is value else item for item in known.stack]
    yes, no = end.succ if holds else end.succ[::-1]
    return _split(ev, end, condition, (yes, state), (no, other))


def _split(
    ev: Walk, end: End, condition: Value, yes: tuple[int, State], no: tuple[int, State],
    begin: Callable[[], None] = lambda: None,
) -> Nodes:  # fmt: skip
    """Branches on a run-time condition. Both sides get their own block, for the copies of phis; ``begin()`` runs at the
    start of the first."""
    first, second = Block(), Block()
    ev.b.branch(condition, first, second)
    ev.b.start(first)
    begin()
    nodes = _go(ev, end, *yes)
    ev.b.start(second)
    return nodes + _go(ev, end, *no)


# for


def _for(ev: Walk, end: End, state: State) -> Nodes:
    iterator = state.stack[-1]
    done, body = end.succ
    runs = (end.block, end.context) in end.frame.run_time_loops
    if isinstance(iterator, Counter) and (runs or counter_items(iterator) is None):
        return _counting_loop(ev, end, state, iterator)
    if runs:
        loop = end.frame.header_loop(end.block)
        assert loop is not None
        planning.force(ev.decisions.plans, end.frame.loop_at(loop, end.context), "what it goes through is no count now")
    following, found = iterators.advance(ev.b, state, iterator)
    state.stack.pop()
    if found is None:
        return _go(ev, end, done, state)
    state.stack += [following, found]
    return _go(ev, end, body, state)


def _counting_loop(ev: Walk, end: End, state: State, counter: Counter) -> Nodes:
    b, (done, body) = ev.b, end.succ
    more = counters.more(b, counter)
    state.stack.pop()
    looping = state.copy()

    def step() -> Abstract:
        return replace(counter, current=counters.following(b, counter))

    if counter.wraps:
        return _late_start(ev, end, more, looping, state, lambda: (step(), counters.item(b, counter)))
    advanced = step()
    if parts := counter.parts:
        return _late_start(ev, end, more, looping, state,
                           lambda: (advanced, iteration.row_at(b, parts, counter.current)))  # fmt: skip
    if (array := counter.array) is not None:
        current = arith.to_ir(b, counter.current)
        return _late_start(ev, end, more, looping, state, lambda: (advanced, iteration.item_at(b, array, current)))
    looping.stack += [advanced, counters.item(b, counter)]
    return _split(ev, end, more, (body, looping), (done, state), b.turn)


def _late_start(
    ev: Walk, end: End, more: Value, looping: State, ended: State, begin: Callable[[], tuple[Abstract, Abstract]]
) -> Nodes:
    """``_split`` of a loop whose iterator and item may be computed only inside its body."""
    done, body = end.succ
    turning, following = Block(), Block()
    ev.b.branch(more, turning, following)
    ev.b.start(following)
    nodes = _go(ev, end, done, ended)
    ev.b.start(turning)
    ev.b.turn()
    looping.stack += begin()
    return _go(ev, end, body, looping) + nodes


_ENDS: Final[dict[Op, Callable[[Walk, End, State], Nodes]]] = {
    Op.JUMP: _jump,
    Op.BRANCH: _branch,
    Op.FOR_ITER: _for,
    Op.RETURN: _return,
    Op.RAISE: _raise,
}


def leave(ev: Walk, end: End, state: State) -> Nodes:
    """Ends a block, and gives the nodes that follow. Raises PathEnds if there are none."""
    how = _ENDS.get(end.instr.op)
    if how is None:
        construct = end.instr.arg
        raise UnsupportedSyntax(0, f"{construct} is not supported in compiled functions",
                                hints=handlers.alternatives(construct))  # fmt: skip
    return how(ev, end, state)
