"""Counts how often each value is used, and how many of these uses need a register.

A comparison that only steers branches is part of their jumps. An address that is only loaded from and stored to is part
of these instructions. Such uses need no register.
"""

from __future__ import annotations

from typing import Final

from ..ir.ops import INFO, Op
from ..ir.values import Function, Value, plain
from .patterns import is_condition

_OFTEN: Final = 3
"""From this many uses on, a map or stack address gets a register of its own: 2 + n slots instead of 2 n."""
_STEERED: Final = frozenset({Op.BRANCH, Op.GUARD})
_ITERATORS: Final = frozenset({Op.ITER_NEW, Op.ITER_NEXT, Op.ITER_DESTROY})
_ACCESSES: Final = frozenset({Op.LOAD, Op.STORE, Op.ZERO, Op.COPY, Op.ATOMIC})


class Uses:
    """The uses of a function's values. ``stored`` are the values that are stored somewhere."""

    def __init__(self, fn: Function) -> None:
        self.all: dict[Value, int] = {}
        self.in_registers: dict[Value, int] = {}
        self.stored: set[Value] = set()
        self._tested: set[Value] = set()  # conjunctions that a select tests bit by bit
        self._count_all(fn)

    def is_used(self, value: Value) -> bool:
        return value in self.all

    def needs_register(self, value: Value) -> bool:
        """Whether any use isn't part of the instruction that uses the value."""
        return value in self.in_registers

    def is_shared(self, value: Value) -> bool:
        """Whether a value that could be made anew at each use is needed too often for that."""
        return self.in_registers.get(value, 0) >= _OFTEN

    def only_right_dies(self, left: Value, right: Value) -> bool:
        """Whether only the right one of two operands has no later use: overwriting it saves a copy."""
        return self.all.get(left, 0) > 1 == self.all.get(right, 0) and right.op is not Op.CONST

    def is_moved(self, value: Value) -> bool:
        """Whether the value is a number that is used elsewhere too, plus a constant."""
        value = plain(value)
        if value.op not in (Op.ADD, Op.SUB) or value.args[1].op is not Op.CONST:
            return False
        return self.all.get(value.args[0], 0) > 1

    def _count_all(self, fn: Function) -> None:
        """Counts users before their operands, except for phis, whose operands always need registers."""
        for block in fn.blocks:
            for phi in block.phis:
                self._count(phi)
        for block in reversed(fn.blocks):
            for value in reversed(block.body):
                self._count(value)

    def _count(self, user: Value) -> None:
        if user.op is Op.STORE:
            self.stored.add(plain(user.args[1]))
        for position, arg in enumerate(user.args):
            self.all[arg] = self.all.get(arg, 0) + 1
            if not self._is_part(user, position, arg):
                self.in_registers[arg] = self.in_registers.get(arg, 0) + 1
            elif user.op is Op.SELECT and arg.op is Op.AND:
                self._tested.add(arg)

    def _is_part(self, user: Value, position: int, arg: Value) -> bool:
        """Whether the operand becomes part of the instruction that uses the value."""
        steers = user.op in _STEERED or (user.op is Op.SELECT and position == 0)
        if INFO[arg.op].compare:
            return steers or self._taken_apart(user)
        if arg.op in (Op.AND, Op.OR) and (steers or self._taken_apart(user)):
            testable = arg.op is Op.AND and user.op in (Op.BRANCH, Op.SELECT)
            return testable or (is_condition(arg) and user.op is not Op.SELECT)
        if user.op in _ITERATORS:  # the iterator's stack address is not worth a register
            return position == 0
        if arg.op in (Op.ALLOCA, Op.PTRADD):
            return user.op is Op.LOOP or (user.op in _ACCESSES and (position == 0 or user.op is Op.COPY))
        return False

    def _taken_apart(self, value: Value) -> bool:
        """Whether only branches use the condition, so that its parts are needed in no register."""
        return is_condition(value) and value not in self.in_registers and value not in self._tested
