"""Generator expressions: ``any(f(x) for x in items)`` runs as a loop, in the function that consumes the items.

Every item goes to the consumer's step(), which may end the loop. result() is the call's value after the last item. A
consumer's intermediate result is a variable like the user's own, so that it takes part in merges and loops.
"""

from __future__ import annotations

from typing import Any, Final

from ...exception import UnsupportedSyntax
from ..ir.ops import Op
from ..ir.types import Int, join_ints
from ..ir.values import Block, Value
from . import arith, mixed, semantics, sequences
from .builder import PathEnds
from .frames import Frame
from .machine import Consumer, Machine
from .state import State
from .values import (
    FALSE,
    NONE,
    TRUE,
    Abstract,
    CellId,
    Closure,
    Const,
    GeneratorOf,
    NoValue,
    OptionalInt,
    TupleOf,
    is_none,
)

NAME: Final = "<genexpr>"


def _found(frame: Frame) -> CellId:
    return (frame.path, "<found>")


class _Sum(Consumer):
    def step(self, ev: Machine, frame: Frame, state: State, value: Abstract) -> None:
        state.cells[_found(frame)] = semantics.operate(ev, state, "+", state.cells[_found(frame)], value)


class _Truth(Consumer):
    """any() and all(): the first item whose truth is ``ends`` ends the loop."""

    def __init__(self, ends: bool) -> None:
        self.ends = ends

    def step(self, ev: Machine, frame: Frame, state: State, value: Abstract) -> None:
        condition = semantics.truth(ev, state, value)
        if condition.op is Op.CONST:
            if bool(condition.attr) == self.ends:
                self._leave(ev, frame, state)
                raise PathEnds
            return
        decided, further = Block(), Block()
        ev.b.branch(condition, *((decided, further) if self.ends else (further, decided)))
        ev.b.start(decided)
        self._leave(ev, frame, state)
        ev.b.start(further)

    def _leave(self, ev: Machine, frame: Frame, state: State) -> None:
        ev.leave(frame, state.copy(), TRUE if self.ends else FALSE)

    def result(self, ev: Machine, frame: Frame, state: State) -> Abstract:
        return FALSE if self.ends else TRUE


class _Extreme(Consumer):
    """min() (op LT) and max() (op GT): the intermediate result is None before the first item."""

    def __init__(self, op: Op) -> None:
        self.op = op

    def step(self, ev: Machine, frame: Frame, state: State, value: Abstract) -> None:
        best = state.cells[_found(frame)]
        arith.check_plain(value, "min() and max")
        item = arith.to_ir(ev.b, value, "min() and max() need integers")
        if isinstance(best, OptionalInt):
            other = _select(ev, best.present, arith.extreme(ev.b, self.op, [best.value, item]), item)
            state.cells[_found(frame)] = arith.number(other, arith.booleans([best, value]))
        elif is_none(best):
            state.cells[_found(frame)] = arith.number(item, value.boolean)
        else:
            extreme = arith.extreme(ev.b, self.op, [arith.to_ir(ev.b, best), item])
            state.cells[_found(frame)] = arith.number(extreme, arith.booleans([best, value]))

    def result(self, ev: Machine, frame: Frame, state: State) -> Abstract:
        best = super().result(ev, frame, state)
        if isinstance(best, OptionalInt):
            ev.b.guard(best.present, "ValueError")
            return arith.number(best.value, best.boolean)
        if is_none(best):
            ev.b.exit("ValueError")
        return best


def _select(ev: Machine, condition: Value, yes: Value, no: Value) -> Value:
    kind: Int = join_ints(arith.int_type(yes), arith.int_type(no))
    return ev.b.emit(Op.SELECT, [condition, arith.cast(ev.b, yes, kind), arith.cast(ev.b, no, kind)], kind)


class _Items(Consumer):
    """tuple() and list()."""

    def __init__(self, as_list: bool) -> None:
        self.as_list = as_list

    def step(self, ev: Machine, frame: Frame, state: State, value: Abstract) -> None:
        found = mixed.use(state.cells[_found(frame)], "the items of a generator expression")
        assert isinstance(found, TupleOf)
        state.cells[_found(frame)] = TupleOf((*found.items, value))

    def result(self, ev: Machine, frame: Frame, state: State) -> Abstract:
        found = mixed.use(super().result(ev, frame, state), "the items of a generator expression")
        assert isinstance(found, TupleOf)
        return sequences.new_list(ev, state, found.items) if self.as_list else sequences.tuple_of(found.items)


_CONSUMERS: Final[dict[Any, tuple[Consumer, Abstract]]] = {
    sum: (_Sum(), Const(0)),
    any: (_Truth(True), NONE),
    all: (_Truth(False), NONE),
    min: (_Extreme(Op.LT), NONE),
    max: (_Extreme(Op.GT), NONE),
    tuple: (_Items(False), TupleOf(())),
    list: (_Items(True), TupleOf(())),
}
"""The functions that take a generator expression, each with its consumer and its first intermediate result."""


def make(
    ev: Machine, state: State, closure: Closure, args: tuple[Abstract, ...], path: tuple[Any, ...]
) -> GeneratorOf:
    """The generator that a call of a generator expression's function gives."""
    ident = ev.ident()
    state.heap[ident] = closure
    return GeneratorOf(closure, args, path, ident)


def consume(
    ev: Machine, state: State, fn: Any, generator: GeneratorOf, args: tuple[Abstract, ...],
    kwargs: dict[str, Abstract],
) -> Abstract:  # fmt: skip
    """``fn(x for ...)``."""
    if fn not in _CONSUMERS or kwargs or len(args) > (fn is sum):
        names = ", ".join(consumer.__name__ for consumer in _CONSUMERS)
        alone = f"{names} take one, alone" if not kwargs else f"it takes one alone, without {next(iter(kwargs))}="
        raise UnsupportedSyntax(
            0,
            f"{fn.__name__}() can't take a generator expression like this in a compiled function",
            hints=(alone, "or write a list comprehension, in brackets"),
        )
    taken = state.heap.get(generator.ident)
    if not isinstance(taken, Closure):
        why = taken.why if isinstance(taken, NoValue) else "it was made on another path"
        raise UnsupportedSyntax(0, f"{generator.describe()} can't be used here: {why}",
                                hints=("write it again, or make a tuple of its items",))  # fmt: skip
    state.heap[generator.ident] = NoValue("its items are taken already")
    consumer, found = _CONSUMERS[fn]
    closure, span = generator.closure, ev.b.span
    code, path = closure.code, generator.path
    frame = ev.activation(code, closure.globals, path, span)
    frame.cell_ids = dict(zip(code.co_freevars, closure.cells, strict=True))
    ev.consumers[frame] = consumer
    state.cells[_found(frame)] = args[0] if args else found
    result = ev.run(frame, dict(zip(frame.fn.argnames, generator.args, strict=True)), state)
    ev.b.span = span
    return mixed.use(result, f"the result of {fn.__name__}()")
