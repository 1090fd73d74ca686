"""``==`` of values whose classes define no ``==`` of their own."""

from __future__ import annotations

import inspect
import types
from typing import Any, Final

from ...exception import TypeMismatch
from ..ir.ops import Op
from ..ir.values import Value, const
from . import arith, hints, kind
from .builder import Builder
from .machine import Machine
from .state import State
from .values import Abstract, Const


def equal(ev: Machine, state: State, left: Abstract, right: Abstract) -> Value:
    """``left == right`` as 1 or 0."""
    sides = ((left, right), (right, left))
    if kind.of(right).precedence(ev.b, right) > kind.of(left).precedence(ev.b, left):
        sides = sides[::-1]
    for one, other in sides:
        found = kind.of(one).equals(ev, state, one, other)
        if found is not None:
            return found
    raise TypeMismatch(0, f"can't compare {left.describe()} with {right.describe()}",
                       hints=hints.for_comparison(left, right))  # fmt: skip


def of_integers(b: Builder, left: Abstract, right: Abstract) -> Value:
    """``==`` of two integers. One that does not fit 64 bits equals no integer that a program computes."""
    if arith.is_beyond(left) or arith.is_beyond(right):
        return const(0)
    return b.compare(Op.EQ, arith.to_ir(b, left), arith.to_ir(b, right))


def of_tuples(ev: Machine, state: State, left: tuple[Abstract, ...], right: tuple[Abstract, ...]) -> Value:
    """``==`` of the items of two tuples, or of two lists."""
    if len(left) != len(right):
        return const(0)
    result = const(1)
    for a, c in zip(left, right, strict=True):
        result = arith.both(ev.b, result, arith.condition(ev.b, ev.operate(state, "==", a, c)))
    return result


def with_object(value: Abstract, other: Any) -> Value:
    """A run-time integer or tuple ``==`` a constant of another type that is no number: 5 == [] is False."""
    if isinstance(other, _UNLIKE) or inspect.getattr_static(type(other), "__eq__") is _IDENTITY:
        return const(0)
    raise TypeMismatch(0, f"can't compare {value.describe()} with {Const(other).describe()}",
                       hints=("its == is a function of its class: compare with a number that it has",))  # fmt: skip


_IDENTITY: Final = inspect.getattr_static(object, "__eq__")
_UNLIKE: Final = (list, dict, set, frozenset, range, type, types.FunctionType, bytearray, str, bytes, tuple)
"""Types that never equal integers, nor the run-time tuples that get here."""
