"""Computes comparisons whose results are used as numbers without a branch, from the sign of a difference, if ranges
prove that the difference doesn't overflow.

%1 = load (0, 4, unsigned)            %1 = load (0, 4, unsigned)
%2 = ugt %1, 5                        %2 = sub 5, %1              (negative, or not)
%3 = shl %2, 4                 ->     %3 = lshr %2, 63
                                      %4 = shl %3, 4

The verifier walks both ways of a branch. Each such branch doubles its work if it has to tell the results apart, because
an index depends on them, for example. Choices between constants and comparisons that would take an instruction more are
computed only in functions with many of them. If the verifier gave up because of branches, all are computed, even of
64-bit numbers, by the carry of their difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from ...exception import Span
from ..analysis.intervals import FULL, Range
from ..analysis.value_ranges import Ranges, through
from ..ir.ops import INFO, MIRRORED, NEGATED, Op
from ..ir.types import I64, U64, Int
from ..ir.values import Block, Function, Value, const, replace_all

MANY: Final = 6
"""From this many results used as numbers on, more instructions are worth it: each may double the verifier's work."""

_MOST: Final = FULL[True][1]
_IMMEDIATES: Final = range(-(1 << 31), (1 << 31) - 1)
_STEERING: Final = frozenset({Op.BRANCH, Op.GUARD})
_UNSIGNED: Final = frozenset({Op.ULT, Op.ULE})
_LESS: Final = frozenset({Op.ULT, Op.SLT})
_STRICT: Final = {Op.ULE: Op.ULT, Op.SLE: Op.SLT}
_LESS_OR_EQUAL: Final = frozenset(_STRICT)


class Effort(IntEnum):
    """The cost that a result may have: no more instructions than a branch, one or two more, any number."""

    NONE = 0
    MORE = 1
    ANY = 2


def run(fn: Function) -> None:
    """Looks at all comparisons whose results no branch uses."""
    numbers = _numbers(fn)
    if not numbers:
        return
    ranges = Ranges()
    new: dict[Value, Value] = {}
    effort = Effort.ANY if not fn.target.branches else Effort.MORE if len(numbers) >= MANY else Effort.NONE
    for block in through(fn, ranges):
        for phi in block.phis:
            ranges.note(phi)
        _block(block, ranges, numbers, effort, new)
    replace_all(fn, new)


def _block(block: Block, ranges: Ranges, numbers: set[Value], effort: Effort, new: dict[Value, Value]) -> None:
    body: list[Value] = []
    for value in block.body:
        ranges.note(value)
        if value.op is Op.GUARD:
            ranges.assume(value.args[0], True)
        steps = _Steps(ranges, effort, value.span)
        result = steps.of(value) if value in numbers else None
        if result is None:
            body.append(value)
        else:
            body += steps.values
            new[value] = result
    block.body = body


def _numbers(fn: Function) -> set[Value]:
    """Comparisons that are used only as numbers, and choices of constants by comparisons that have no other use."""
    users: dict[Value, list[Value]] = {}
    for value in _all(fn):
        for arg in value.args:
            users.setdefault(arg, []).append(value)
    found: set[Value] = set()
    for value, using in users.items():
        number = _compares(value) and not any(_steers(user, value) for user in using)
        choice = _chooses(value) and users[value.args[0]] == [value]
        any_choice = not fn.target.branches and _chooses_any(value, using)
        if number or choice or any_choice:
            found.add(value)
    return found


def _all(fn: Function) -> Iterator[Value]:
    return (value for block in fn.blocks for value in block.values())


def _compares(value: Value) -> bool:
    return INFO[value.op].compare and all(isinstance(arg.type, Int) for arg in value.args)


def _chooses(value: Value) -> bool:
    chosen = value.op is Op.SELECT and _compares(value.args[0]) and value.args[0].op is not Op.CONST
    return chosen and all(arg.op is Op.CONST and arg.attr in _IMMEDIATES for arg in value.args[1:])


def _chooses_any(value: Value, using: list[Value]) -> bool:
    """Whether a choice may be computed: not the limit of an offset, which arithmetic would hide from the verifier."""
    return (
        value.op is Op.SELECT and isinstance(value.args[0].type, Int)
        and not any(user.op is Op.PTRADD for user in using)
    )  # fmt: skip


def _steers(user: Value, value: Value) -> bool:
    """Whether the user of a condition may be part of a branch's condition."""
    return user.op in _STEERING or user.op in (Op.AND, Op.OR) or (user.op is Op.SELECT and user.args[0] is value)


@dataclass
class _Steps:
    """The operations that make one result."""

    ranges: Ranges
    effort: Effort
    span: Span | None
    values: list[Value] = field(default_factory=list)

    def of(self, value: Value) -> Value | None:
        """The result computed without a branch; None if a branch is better."""
        if value.op is not Op.SELECT:
            return self._compared(value.op, *value.args)
        condition, yes, no = value.args
        op, args = (condition.op, condition.args) if _compares(condition) else (Op.NE, [condition, const(0)])
        for ways, kind in (((1, 0), op), ((0, 1), NEGATED[op])):
            if all(arg.op is Op.CONST and arg.attr == way for arg, way in zip((yes, no), ways, strict=True)):
                return self._compared(kind, *args)
        truth = self._compared(op, *args) if self.effort else None
        if truth is None:
            return None
        if yes.op is no.op is Op.CONST:
            apart = (yes.attr - no.attr + (1 << 63)) % (1 << 64) - (1 << 63)
            chosen = self._put(Op.ADD, self._put(Op.MUL, truth, const(apart)), no)
        else:  # this way, the verifier knows that bits which neither number has are 0
            differing = self._put(Op.AND, self._put(Op.XOR, yes, no), self._put(Op.SUB, const(0), truth))
            chosen = self._put(Op.XOR, differing, no)
        return self._put(Op.CAST, chosen, kind=value.type)

    def _put(self, op: Op, *args: Value, kind: object = I64) -> Value:
        assert isinstance(kind, Int)
        self.values.append(Value(op, list(args), kind, None, self.span))
        return self.values[-1]

    def _compared(self, op: Op, left: Value, right: Value) -> Value | None:
        """1 or 0 from the sign of a difference."""
        if left.op is Op.CONST:
            op, left, right = MIRRORED[op], right, left
        if op not in _LESS | _LESS_OR_EQUAL and op not in (Op.EQ, Op.NE):
            op, left, right = MIRRORED[op], right, left
        found = self._short(op, left, right)
        return self._long(op, left, right) if found is None and self.effort is Effort.ANY else found

    def _short(self, op: Op, left: Value, right: Value) -> Value | None:
        if op in (Op.EQ, Op.NE):
            return self._equal(op, left, right) if self.effort else None
        if not self._fits(op, self.ranges.of(left), self.ranges.of(right)):
            return None
        return self._less(left, right) if op in _LESS else self._less_or_equal(left, right)

    def _long(self, op: Op, left: Value, right: Value) -> Value:
        """Compares any 64-bit numbers: by the carry of their difference, or by their differing bits."""
        if op in (Op.EQ, Op.NE):
            apart = self._put(Op.XOR, left, right)
            differ = self._sign(self._put(Op.OR, apart, self._put(Op.SUB, const(0), apart)))
            return differ if op is Op.NE else self._put(Op.XOR, differ, const(1))
        if op in _LESS_OR_EQUAL:
            return self._put(Op.XOR, self._long(_STRICT[op], right, left), const(1))
        first, second = (left, right) if op is Op.ULT else (right, left)
        others = self._put(Op.XOR, first, const(-1))
        difference = self._put(Op.SUB, left, right)
        alike = self._put(Op.AND, self._put(Op.OR, others, second), difference)
        return self._sign(self._put(Op.OR, self._put(Op.AND, others, second), alike))

    def _less(self, left: Value, right: Value) -> Value | None:
        if any(arg.op is Op.CONST and arg.attr not in _IMMEDIATES for arg in (left, right)):
            return None
        return self._sign(self._put(Op.SUB, left, right))

    def _less_or_equal(self, left: Value, right: Value) -> Value | None:
        """``<=`` as ``<`` with one more on the right, or one less on the left."""
        if right.op is Op.CONST:
            return self._less(left, const(right.attr + 1))
        if left.op is Op.CONST:
            return self._less(const(left.attr - 1), right)
        opposite = self._less(right, left) if self.effort else None
        return None if opposite is None else self._put(Op.XOR, opposite, const(1))

    @staticmethod
    def _fits(op: Op, left: Range, right: Range) -> bool:
        """Whether the difference of the compared numbers, and one more or less, fits 63 bits and a sign."""
        if op in _UNSIGNED and min(left[0], right[0]) < 0:
            return False
        return max(left[1], right[1]) < _MOST and max(left[1] - right[0], right[1] - left[0]) < _MOST

    def _equal(self, op: Op, left: Value, right: Value) -> Value | None:
        ranges = self.ranges.of(left), self.ranges.of(right)
        if any(low < 0 or high > _MOST for low, high in ranges):
            return None
        if right.op is not Op.CONST or right.attr:
            left = self._put(Op.XOR, left, right)
        # No bit differs, or the difference is above zero.
        pair = (left, const(1)) if op is Op.EQ else (const(0), left)
        return self._sign(self._put(Op.SUB, *pair))

    def _sign(self, value: Value) -> Value:
        return self._put(Op.CAST, self._put(Op.LSHR, value, const(63), kind=U64), kind=I64)
