"""Functions of Python's standard library that work on run-time values too: operator, rounding."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

from .. import access, arith, compare, semantics
from ..kind import Args
from ..machine import Machine
from ..state import State
from ..values import Abstract

Handler = Callable[[Machine, State, Args], Abstract]


def _binary(symbol: str) -> Handler:
    return lambda ev, state, args: semantics.operate(ev, state, symbol, args[0], args[1])


def _comparison(symbol: str) -> Handler:
    return lambda ev, state, args: compare.compare(ev, state, symbol, args[0], args[1])


def _unary(symbol: str) -> Handler:
    return lambda ev, state, args: arith.unary(ev.b, symbol, args[0])


def _not(ev: Machine, state: State, args: Args) -> Abstract:
    return arith.from_bool(arith.negate(ev.b, arith.to_bool(ev.b, semantics.truth(ev, state, args[0]))))


def _truth(ev: Machine, state: State, args: Args) -> Abstract:
    return arith.from_bool(arith.to_bool(ev.b, semantics.truth(ev, state, args[0])))


def _integer(ev: Machine, state: State, args: Args) -> Abstract:
    return arith.from_ir(arith.to_ir(ev.b, args[0], "an integer is needed here"))


def _item(ev: Machine, state: State, args: Args) -> Abstract:
    return access.get_item(ev, state, args[0], args[1])


def _contains(ev: Machine, state: State, args: Args) -> Abstract:
    return arith.from_bool(compare.contains(ev, state, args[0], args[1]))


TABLE: Final[dict[Any, tuple[Handler, int, int]]] = {
    round: (_integer, 1, 1),
    operator.index: (_integer, 1, 1),
    operator.add: (_binary("+"), 2, 2),
    operator.sub: (_binary("-"), 2, 2),
    operator.mul: (_binary("*"), 2, 2),
    operator.floordiv: (_binary("//"), 2, 2),
    operator.mod: (_binary("%"), 2, 2),
    operator.pow: (_binary("**"), 2, 2),
    operator.lshift: (_binary("<<"), 2, 2),
    operator.rshift: (_binary(">>"), 2, 2),
    operator.and_: (_binary("&"), 2, 2),
    operator.or_: (_binary("|"), 2, 2),
    operator.xor: (_binary("^"), 2, 2),
    operator.lt: (_comparison("<"), 2, 2),
    operator.le: (_comparison("<="), 2, 2),
    operator.eq: (_comparison("=="), 2, 2),
    operator.ne: (_comparison("!="), 2, 2),
    operator.gt: (_comparison(">"), 2, 2),
    operator.ge: (_comparison(">="), 2, 2),
    operator.neg: (_unary("-"), 1, 1),
    operator.pos: (_unary("+"), 1, 1),
    operator.invert: (_unary("~"), 1, 1),
    operator.not_: (_not, 1, 1),
    operator.truth: (_truth, 1, 1),
    operator.getitem: (_item, 2, 2),
    operator.contains: (_contains, 2, 2),
}
"""Handler, fewest and most arguments."""
