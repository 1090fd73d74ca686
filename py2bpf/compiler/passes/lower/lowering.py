"""The lowering of one function: the facts at the current place for rules, and how rules emit operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ...analysis.intervals import FULL
from ...analysis.value_ranges import Ranges
from ...analysis.verifier_view import verifier_sees
from ...analysis.widening import Widening, asking, iterators
from ...ir.dominators import dominators
from ...ir.fold import fold
from ...ir.ops import INFO, Op
from ...ir.types import U64, Type
from ...ir.values import Block, Function, Value, prune, replace_all

_MAX_I64: Final = FULL[True][1]


class Lowering:
    """``block`` and ``current`` are the current place; ``found`` are look-ups that certainly find something, even if
    the verifier doesn't know."""

    def __init__(self, fn: Function, rules: Rules) -> None:
        self.fn = fn
        self.rules = rules
        self.ranges = Ranges()
        self.widening = Widening(fn, iterators(fn), asking(fn))
        self.new: dict[Value, Value] = {}
        self.block = fn.blocks[0]
        self.body: list[Value] = []
        self.found: set[Value] = set()
        self.current: Value | None = None

    def run(self) -> None:
        """Applies the rules to each value, in order."""
        tree = dominators(self.fn)
        for i, block in enumerate(self.fn.blocks):
            self.ranges.hidden = self.widening.at(block)
            self.ranges.enter(block, self.fn.blocks[tree.idom[i]] if i else None)
            self.block = block
            for phi in block.phis:
                self._renew(phi)
                self.ranges.note(phi)
            self._block(block)
        replace_all(self.fn, self.new)
        prune(self.fn)

    def _block(self, block: Block) -> None:
        old, self.body = block.body, []
        for value in old:
            self.current = value
            self._renew(value)
            result = self._value(value)
            if result is not value:
                if result is not None:
                    self.new[value] = result
                continue
            self.ranges.note(value)
            self.body.append(value)
            if value.op is Op.EXIT:
                break
        block.body = self.body

    def _renew(self, value: Value) -> None:
        """Replaces the value's arguments by their lowered values."""
        args = value.args
        for i, arg in enumerate(args):
            while arg in self.new:
                arg = self.new[arg]
            args[i] = arg

    def _value(self, value: Value) -> Value | None:
        """The lowered value: itself, another, or None if it is dropped."""
        rule = self.rules.get(value.op)
        if rule is not None:
            return rule(self, value)
        if INFO[value.op].pure:
            return fold(value.op, value.args, value.type, value.attr) or value
        return value

    def emit(self, op: Op, args: list[Value], type: Type, attr: object = None) -> Value:
        """A raw operation before the current value, or a simpler value that equals it."""
        folded = fold(op, args, type, attr)
        if folded is not None:
            return folded
        assert self.current is not None
        value = Value(op, args, type, attr, self.current.span)
        self.ranges.note(value)
        self.body.append(value)
        return value

    def fits_i64(self, *values: Value) -> bool:
        """Whether no value exceeds i64."""
        return all(self.ranges.of(value)[1] <= _MAX_I64 for value in values)

    def natural(self, *values: Value) -> bool:
        """Whether no value is negative."""
        return all(self.ranges.of(value)[0] >= 0 for value in values)

    def sees(self, value: Value, counters: bool = False) -> bool:
        """Whether the verifier knows the value's range here."""
        return verifier_sees(value, self.ranges, counters, self.ranges.hidden)

    def as_u64(self, value: Value) -> Value:
        """The same bits as an unsigned number."""
        return value if value.type == U64 else self.emit(Op.CAST, [value], U64)


def is_power_of_two(value: Value) -> bool:
    """Whether a value is a constant power of two."""
    return value.op is Op.CONST and value.attr > 0 and value.attr & (value.attr - 1) == 0


Rule = Callable[[Lowering, Value], Value | None]
"""Gives the lowered value: the value itself, another, or None if it is dropped."""
Rules = Mapping[Op, Rule]
