"""Value ranges: for every integer an interval that certainly holds it, for every pointer whether it may be null.

A range is an interval of mathematical integers within the value's 64-bit type. Branches and guards narrow the ranges of
the values that they compare, in all blocks that they dominate. The verifier does the same. A value is noted as doubtful
if the verifier can't narrow its range, since it knows less of the other side of the comparison.

    b0: %1 = load (0, 1, unsigned)      %1 in [0, 255]
        branch lt %1, 16 -> b1, b2
    b1: ...                             %1 in [0, 15] here
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from typing import Final

from ..ir.dominators import Dominators, dominators
from ..ir.ops import INFO, MIRRORED, NEGATED, Op
from ..ir.types import Int, Ptr
from ..ir.values import Block, Function, Value, is_zero
from .intervals import FULL, Range, compute
from .pointer_tests import tested
from .verifier_view import verifier_sees

_LESS: Final = {Op.LT: 1, Op.SLT: 1, Op.ULT: 1, Op.LE: 0, Op.SLE: 0, Op.ULE: 0}
_MAX_DEPTH: Final = 8
_UNSEEN_DEPTH: Final = 4


class Ranges:
    """The ranges of values at one place; ``enter`` moves on to the next block in dominance order."""

    def __init__(self) -> None:
        self.base: dict[Value, Range] = {}
        self.facts: dict[Value, Range] = {}
        self.doubtful: set[Value] = set()
        self.hidden: Container[Value] = ()
        """The values of which the verifier knows nothing: see verifier_sees()."""
        self.at_end: dict[Block, dict[Value, Range]] = {}
        self._doubtful_at_end: dict[Block, set[Value]] = {}
        self.edges: dict[Block, dict[Value, Range]] = {}
        self.present: dict[Value, list[Value]] = {}
        """For each truth value, the pointers that are not null if it is not 0."""

    def enter(self, block: Block, dominator: Block | None) -> None:
        """Begins a block with the facts at the end of its dominator, and those of the edge into the block."""
        self.block = block
        self.edges = {}
        self.facts = self.at_end[dominator].copy() if dominator is not None else {}
        self.at_end[block] = self.facts
        self.doubtful = self._doubtful_at_end[dominator].copy() if dominator is not None else set()
        self._doubtful_at_end[block] = self.doubtful
        if len(block.preds) == 1 and block.preds[0].end.op is Op.BRANCH:
            end = block.preds[0].end
            yes, no = end.attr
            if yes is not no:
                self.assume(end.args[0], block is yes)
        elif len(block.preds) > 1 and all(pred in self.at_end for pred in block.preds):
            self._join(block)

    def _join(self, block: Block) -> None:
        """Notes pointers that are not null over any edge into the block, as after ``v == 7 or v == 8``."""
        self.facts.update(dict.fromkeys(self._present_over(block.preds), (1, 1)))

    def _present_over(self, preds: list[Block]) -> list[Value]:
        """The pointers that are null over none of these edges into the block that was entered last."""
        return _present_in_all([self._edge(pred) for pred in preds])

    def of(self, value: Value) -> Range:
        """The interval of an integer."""
        if value.op is Op.CONST:
            return value.attr, value.attr
        found = self.facts.get(value) or self.base.get(value)
        if found is not None:
            return found
        assert isinstance(value.type, Int), value
        return self._unseen(value, ())

    def _unseen(self, value: Value, around: tuple[Value, ...]) -> Range:
        """The range of a value that a loop's way back brings and that was not met yet: of a truth value, or a choice
        among such."""
        assert isinstance(value.type, Int)
        if value.op is Op.CONST:
            return value.attr, value.attr
        if value in self.base or INFO[value.op].compare:
            return self.base.get(value, (0, 1))
        parts: list[Value] = []
        if value.op is Op.HIDE:
            parts = value.args[:1]
        elif value.op is Op.PHI and len(around) < _UNSEEN_DEPTH:
            parts = [arg for arg in value.args if arg is not value and arg not in around]
        found = [self._unseen(part, (*around, value)) for part in parts]
        full = FULL[value.type.signed]
        return (min(low for low, _ in found), max(high for _, high in found)) if found else full

    def may_be_null(self, value: Value) -> bool:
        """Whether a pointer may be null here."""
        return isinstance(value.type, Ptr) and value.type.nullable and self.facts.get(value) != (1, 1)

    def note(self, value: Value) -> None:
        """Computes the range of a value that is met for the first time."""
        if value.op is Op.PHI and isinstance(value.type, Ptr) and self._present_on_all_paths(value):
            self.facts[value] = (1, 1)
        if value.op is Op.PHI and isinstance(value.type, Int):
            self._note_truth(value)
        if value.op is Op.PHI and self._is_doubtful(value):
            self.doubtful.add(value)
        if isinstance(value.type, Int) and value.op is not Op.CONST:
            found = compute(value, self._argument(value) if value.op is Op.PHI else self.of)
            if found != FULL[value.type.signed]:
                self.base[value] = found

    def _note_truth(self, phi: Value) -> None:
        """Notes the pointers that are not null if a phi is not 0, as ``v in (7, 8)`` tells that v is not None."""
        preds = self.block.preds
        if all(pred in self.at_end for pred in preds):
            others = [pred for pred, arg in zip(preds, phi.args, strict=True) if not self._brings_zero(pred, arg)]
            if 0 < len(others) < len(preds):
                self.present[phi] = self._present_over(others)

    def _brings_zero(self, pred: Block, arg: Value) -> bool:
        """Whether the verifier also sees that an argument is 0 over an edge."""
        if arg.op is Op.CONST:
            return bool(arg.attr == 0)
        edge = self._edge(pred)
        tested = pred.end.op is Op.BRANCH and pred.end.args[0] is arg
        return (edge.get(arg) if tested else _presence(arg, edge)) == (0, 0)

    def _is_doubtful(self, phi: Value) -> bool:
        """Whether an argument's range is doubtful at the end of its predecessor."""
        ends = (self._doubtful_at_end.get(pred, ()) for pred in self.block.preds)
        return any(arg in doubtful for doubtful, arg in zip(ends, phi.args, strict=True))

    def _present_on_all_paths(self, phi: Value) -> bool:
        """Whether each argument of a phi is a pointer that isn't null on its edge."""
        block = self.block
        return all(self._present(pred, block, arg) for pred, arg in zip(block.preds, phi.args, strict=True))

    def _present(self, pred: Block, block: Block, pointer: Value) -> bool:
        if not isinstance(pointer.type, Ptr):
            return False
        return not pointer.type.nullable or tested(pred, block, pointer) or self._edge(pred).get(pointer) == (1, 1)

    def _edge(self, pred: Block) -> dict[Value, Range]:
        """The facts on an edge into the block that was entered last; none yet for a loop's way back."""
        found = self.edges.get(pred)
        if found is None:
            here, self.facts = self.facts, self.at_end.get(pred, {}).copy()
            end = pred.end
            if pred in self.at_end and end.op is Op.BRANCH and end.attr[0] is not end.attr[1]:
                self.assume(end.args[0], end.attr[0] is self.block)
            found = self.edges[pred] = self.facts
            self.facts = here
        return found

    def _over(self, pred: Block, arg: Value) -> Range:
        """The range of an integer over an edge into the block that was entered last."""
        edge = self._edge(pred)
        return edge.get(arg) or _presence(arg, edge) or self.of(arg)

    def _argument(self, phi: Value) -> Callable[[Value], Range]:
        """A function that gives the range of a phi's argument on its edge."""
        preds = self.block.preds

        def of(arg: Value) -> Range:
            found = [self._over(pred, arg) for pred, other in zip(preds, phi.args, strict=True)
                     if other is arg or arg in other.args]
            return min(low for low, _ in found), max(high for _, high in found)

        return of

    # narrowing

    def assume(self, condition: Value, holds: bool, depth: int = 0) -> None:
        """Notes that ``condition`` holds from here on (is not 0), or doesn't."""
        if depth > _MAX_DEPTH or condition.op is Op.CONST:
            return
        if isinstance(condition.type, Ptr):
            self.facts[condition] = (1, 1) if holds else (0, 0)
            return
        if INFO[condition.op].compare:
            self._assume_comparison(condition, holds, depth)
        elif condition.op is (Op.AND if holds else Op.OR):  # whatever their bits
            for arg in condition.args:
                self.assume(arg, holds, depth + 1)
        elif condition.op is Op.CAST:
            self.assume(condition.args[0], holds, depth + 1)
        elif condition.op is Op.OR and self.present:
            self._assume_one(condition.args, depth)
        if holds:
            self._see_present(condition)
            self._trim(condition, 0)
        else:
            self._narrow(condition, 0, 0)

    def _assume_one(self, conditions: list[Value], depth: int) -> None:
        """Notes that one of the conditions, or both, hold: pointers that are not null in either case are not null."""
        before, found = self.facts, []
        for condition in conditions:
            self.facts = before.copy()
            self.assume(condition, True, depth + 1)
            found.append(self.facts)
        self.facts = before
        self.facts.update(dict.fromkeys(_present_in_all(found), (1, 1)))

    def _see_present(self, value: Value) -> None:
        """Notes that the value is not 0, and so that the pointers tied to it are not null."""
        if value not in self.hidden:
            self.facts.update(dict.fromkeys(self.present.get(value, ()), (1, 1)))

    def _assume_comparison(self, condition: Value, holds: bool, depth: int) -> None:
        left, right = condition.args
        op = condition.op if holds else NEGATED[condition.op]
        if isinstance(left.type, Ptr) or isinstance(right.type, Ptr):
            if op in (Op.EQ, Op.NE) and is_zero(right):
                self.facts[left] = (1, 1) if op is Op.NE else (0, 0)
            return
        if op in (Op.EQ, Op.NE) and is_zero(right):
            self.assume(left, op is Op.NE, depth + 1)
        if not self._is_mathematical(op, left, right):
            return
        if op is Op.EQ:
            low, high = max(self.of(left)[0], self.of(right)[0]), min(self.of(left)[1], self.of(right)[1])
            self._narrow(left, low, high, right)
            self._narrow(right, low, high, left)
        elif op is Op.NE:
            for one, other in ((left, right), (right, left)):
                if other.op is Op.CONST:
                    self._trim(one, other.attr)
        else:
            if op not in _LESS:
                op, left, right = MIRRORED[op], right, left
            gap = _LESS[op]
            self._narrow(left, FULL[True][0], self.of(right)[1] - gap, right)
            self._narrow(right, self.of(left)[0] + gap, FULL[False][1], left)

    def _is_mathematical(self, op: Op, left: Value, right: Value) -> bool:
        """Whether comparing the bits is the same as comparing the mathematical numbers of the ranges."""
        if op in (Op.LT, Op.LE, Op.GT, Op.GE):
            return True
        ranges = (self.of(left), self.of(right))
        if op in (Op.ULT, Op.ULE, Op.UGT, Op.UGE):
            return all(low >= 0 for low, _ in ranges)
        signed = all(high <= FULL[True][1] for _, high in ranges)
        if op in (Op.EQ, Op.NE):
            return left.type == right.type or signed or all(low >= 0 for low, _ in ranges)
        return signed

    def _narrow(self, value: Value, low: int, high: int, by: Value | None = None) -> None:
        """Notes that the value is within bounds, because it was compared with ``by``."""
        if value.op is Op.CONST:
            return
        old = self.of(value)
        new = max(old[0], low), min(old[1], high)
        if new[0] > new[1]:  # this place is never reached; any range is right
            return
        if new != old:
            if by is not None and by.op is not Op.CONST and not verifier_sees(by, self, True, self.hidden):
                self.doubtful.add(value)
            self.facts[value] = new
            if not new[0] <= 0 <= new[1] and value not in self.doubtful:
                self._see_present(value)
            if value.op is Op.CAST:
                self._narrow_through_cast(value.args[0], new, by)

    def _narrow_through_cast(self, value: Value, new: Range, by: Value | None) -> None:
        if isinstance(value.type, Int) and self.of(value)[0] >= 0 and new[0] >= 0:
            self._narrow(value, *new, by)

    def _trim(self, value: Value, excluded: int) -> None:
        if isinstance(value.type, Int) and value.op is not Op.CONST:
            low, high = self.of(value)
            self._narrow(value, low + (low == excluded), high - (high == excluded))


def through(fn: Function, ranges: Ranges, tree: Dominators | None = None) -> Iterator[Block]:
    """Gives the blocks in order; ``ranges`` then stand at the beginning of each."""
    tree = tree or dominators(fn)
    for i, block in enumerate(fn.blocks):
        ranges.enter(block, fn.blocks[tree.idom[i]] if i else None)
        yield block


def _present_in_all(several: list[dict[Value, Range]]) -> list[Value]:
    """The pointers that are not null according to all of these facts."""
    first, *others = several
    return [
        value for value, fact in first.items()
        if fact == (1, 1) and isinstance(value.type, Ptr) and all(facts.get(value) == fact for facts in others)
    ]  # fmt: skip


def _presence(value: Value, facts: dict[Value, Range]) -> Range | None:
    """The range of a comparison of a pointer with null, if the facts decide it."""
    if value.op not in (Op.EQ, Op.NE) or not isinstance(value.args[0].type, Ptr) or value.args[1].op is not Op.CONST:
        return None
    known = facts.get(value.args[0])
    if known is None or value.args[1].attr != 0:
        return None
    return known if value.op is Op.NE else (1 - known[0], 1 - known[1])
