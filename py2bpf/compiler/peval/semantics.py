"""Python's operations on abstract values, for instructions and built-in functions alike."""

from __future__ import annotations

from ..ir.values import Value
from . import arith, kind, special
from .machine import Machine
from .state import State
from .values import Abstract


def truth(ev: Machine, state: State, value: Abstract) -> Value:
    """``bool(value)`` as a branch condition: any number but 0 is true."""
    own = special.truth(ev, state, value)
    return kind.of(value).truth(ev, state, value) if own is None else truth(ev, state, own)


def is_none(ev: Machine, value: Abstract) -> Value:
    """``value is None`` as 1 or 0."""
    return kind.of(value).is_none(ev, value)


def operate(ev: Machine, state: State, op: str, left: Abstract, right: Abstract) -> Abstract:
    """``left op right``."""
    own = special.binary(ev, state, op, left, right)
    if own is not None:
        return own
    for value, other, is_left in ((left, right, True), (right, left, False)):
        found = kind.of(value).binary(ev, state, op, value, other, is_left)
        if found is not None:
            return found
    return arith.binary(ev.b, op, left, right)
