"""Comparisons and membership: a user's class is asked first, then the kinds of the values."""

from __future__ import annotations

from ..ir.ops import Op
from ..ir.values import Value, const
from . import arith, constants, equality, iteration, kind, searches, special
from .machine import Machine
from .state import State
from .values import Abstract, Const, TupleOf


def compare(ev: Machine, state: State, op: str, left: Abstract, right: Abstract) -> Abstract:
    """``left op right``."""
    own = special.compare(ev, state, op, left, right)
    if own is not None:
        return own
    if isinstance(left, Const) and isinstance(right, Const):
        return constants.operation(ev, f"the comparison {op}", arith.PYTHON[op], left.obj, right.obj)
    if op in ("==", "!="):
        equal = equality.equal(ev, state, left, right)
        return arith.from_bool(equal if op == "==" else arith.negate(ev.b, equal))
    first, second = (_tuple(ev, state, value) for value in (left, right))
    if first is not None and second is not None:
        return arith.from_bool(_order_tuples(ev, state, op, first, second))
    return arith.compare(ev.b, op, left, right)


def _tuple(ev: Machine, state: State, value: Abstract) -> tuple[Abstract, ...] | None:
    if isinstance(value, TupleOf) or (isinstance(value, Const) and isinstance(value.obj, tuple)):
        return tuple(iteration.stored(ev.b, state, value) or ())
    return None


def _order_tuples(
    ev: Machine, state: State, op: str, left: tuple[Abstract, ...], right: tuple[Abstract, ...]
) -> Value:
    """The first items that differ decide; if all are equal, the lengths do."""
    pairs = list(zip(left, right, strict=False))
    result = const(int(arith.PYTHON[op](len(left), len(right))))
    for a, c in reversed(pairs):
        equal = arith.condition(ev.b, ev.operate(state, "==", a, c))
        decided = arith.both(ev.b, arith.negate(ev.b, equal), arith.condition(ev.b, ev.operate(state, op, a, c)))
        result = ev.b.emit(Op.OR, [decided, arith.both(ev.b, equal, result)], result.type)
    return result


def contains(ev: Machine, state: State, container: Abstract, item: Abstract) -> Value:
    """``item in container``."""
    if not isinstance(item, Const):
        container = searches.of_numbers(container)
    own = special.ask(ev, state, "__contains__", container, item)
    if own is not None:
        return arith.to_bool(ev.b, ev.truth(state, own))
    return kind.of(container).contains(ev, state, container, item)
