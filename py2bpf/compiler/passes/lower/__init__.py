"""Replaces exact operations by raw ones, as cheap as the value ranges allow, and drops guards that can't fail.

%2 = floordiv i64 %1, 8      ->   %2 = ashr i64 %1, 3       (an arithmetic shift floors)
%3 = lt i64 %1, %2           ->   %3 = slt i64 %1, %2       (both fit i64)
guard ne %4, 0               ->                             (%4 in [1, 9])
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ....uapi.map_types import kind_of
from ...analysis.intervals import FULL, field_range
from ...analysis.value_ranges import Ranges
from ...analysis.verifier_view import verifier_sees
from ...analysis.widening import Widening, asking, iterators
from ...ir.dominators import dominators
from ...ir.fold import fold, signed, wrap
from ...ir.ops import BOUND, INFO, MIRRORED, NEGATED, Op, Raise
from ...ir.types import I64, PACKET_REACH, U64, Int, Ptr, Type
from ...ir.values import Block, Function, Value, const, prune, remove_edge, replace_all

_SIGNED: Final = {Op.LT: Op.SLT, Op.LE: Op.SLE, Op.GT: Op.SGT, Op.GE: Op.SGE}
_UNSIGNED: Final = {Op.LT: Op.ULT, Op.LE: Op.ULE, Op.GT: Op.UGT, Op.GE: Op.UGE}
_MAX_I64: Final = FULL[True][1]


def run(fn: Function) -> None:
    """Lowers the whole function."""
    _Lowering(fn).run()


class _Lowering:
    def __init__(self, fn: Function) -> None:
        self.fn = fn
        self.ranges = Ranges()
        self.widening = Widening(fn, iterators(fn), asking(fn))
        self.new: dict[Value, Value] = {}
        self.body: list[Value] = []
        self.found: set[Value] = set()
        self.current: Value | None = None

    def run(self) -> None:
        tree = dominators(self.fn)
        for i, block in enumerate(self.fn.blocks):
            self.ranges.hidden = self.widening.at(block)
            self.ranges.enter(block, self.fn.blocks[tree.idom[i]] if i else None)
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
            result = self._value(block, value)
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
        """Puts what stands for its arguments now in their place."""
        args = value.args
        for i, arg in enumerate(args):
            while arg in self.new:
                arg = self.new[arg]
            args[i] = arg

    def _value(self, block: Block, value: Value) -> Value | None:
        """What stands for the value now: itself, another, or None if it is gone."""
        rule = _RULES.get(value.op)
        if rule is not None:
            return rule(self, block, value)
        if INFO[value.op].pure:
            return fold(value.op, value.args, value.type, value.attr) or value
        return value

    def emit(self, op: Op, args: list[Value], type: Type, attr: object = None) -> Value:
        """A raw operation before the current value."""
        folded = fold(op, args, type, attr)
        if folded is not None:
            return folded
        assert self.current is not None
        value = Value(op, args, type, attr, self.current.span)
        self.ranges.note(value)
        self.body.append(value)
        return value

    def fits_i64(self, *values: Value) -> bool:
        return all(self.ranges.of(value)[1] <= _MAX_I64 for value in values)

    def natural(self, *values: Value) -> bool:
        """Whether none is negative."""
        return all(self.ranges.of(value)[0] >= 0 for value in values)

    def sees(self, value: Value, counters: bool = False) -> bool:
        """Whether the verifier knows the value's range here."""
        return verifier_sees(value, self.ranges, counters, self.ranges.hidden)

    # comparisons

    def order(self, block: Block, value: Value) -> Value:
        """Less, greater: exact between both signednesses."""
        left, right = value.args
        decided = self._decide(value.op, left, right)
        if decided is not None:
            return const(int(decided))
        if self.fits_i64(left, right):
            return self._become(value, _SIGNED[value.op])
        if self.natural(left, right):
            return self._become(value, _UNSIGNED[value.op])
        op = value.op
        if not self.natural(right):  # put the one that may be negative left; the other may exceed i64
            op, left, right = MIRRORED[op], right, left
        raw = self.emit(_UNSIGNED[op], [left, right], I64)
        if op in (Op.LT, Op.LE):
            return self.emit(Op.OR, [self.emit(Op.SLT, [left, const(0)], I64), raw], I64)
        return self.emit(Op.AND, [self.emit(Op.SGE, [left, const(0)], I64), raw], I64)

    def _become(self, value: Value, op: Op) -> Value:
        value.op = op
        return value

    def _decide(self, op: Op, left: Value, right: Value) -> bool | None:
        (a, b), (c, d) = self.ranges.of(left), self.ranges.of(right)
        if op in (Op.GT, Op.GE):
            (a, b), (c, d), op = (c, d), (a, b), MIRRORED[op]
        if op is Op.LT:
            return True if b < c else False if a >= d else None
        return True if b <= c else False if a > d else None

    def equality(self, block: Block, value: Value) -> Value:
        """Equal, unequal: -1 is not 2**64 - 1. ``not`` of a comparison is the opposite one."""
        left, right = value.args
        if value.op is Op.EQ and INFO[left.op].compare and right.op is Op.CONST and right.attr == 0:
            return self.emit(NEGATED[left.op], left.args, I64)
        if isinstance(left.type, Ptr) or isinstance(right.type, Ptr):
            if isinstance(left.type, Ptr) and right.op is Op.CONST and not self.ranges.may_be_null(left):
                return const(int(value.op is Op.NE))
            return value
        (a, b), (c, d) = self.ranges.of(left), self.ranges.of(right)
        if b < c or d < a:
            return const(int(value.op is Op.NE))
        if a == b == c == d:
            return const(int(value.op is Op.EQ))
        left, right = value.args = self._unswapped(left, right)
        folded = fold(value.op, value.args, value.type, None)
        if folded is not None:
            return folded
        if self.fits_i64(left, right) or self.natural(left, right):
            return value
        raw = self.emit(value.op, [self._as_u64(left), self._as_u64(right)], I64)
        signed = left if not self.natural(left) else right
        if value.op is Op.EQ:
            return self.emit(Op.AND, [raw, self.emit(Op.SGE, [signed, const(0)], I64)], I64)
        return self.emit(Op.OR, [raw, self.emit(Op.SLT, [signed, const(0)], I64)], I64)

    def _unswapped(self, left: Value, right: Value) -> list[Value]:
        """Numbers of the other byte order are compared as they are: the constant is swapped instead, when compiling."""
        swapped = left.args[0] if left.op is Op.AND and left.args[1].op is Op.CONST else left
        if swapped.op is not Op.BSWAP or right.op is not Op.CONST:
            return [left, right]
        size = swapped.attr
        raw, full = swapped.args[0], field_range(size, False)
        low, high = self.ranges.of(raw)
        if low < full[0] or high > full[1] or not 0 <= right.attr <= full[1]:
            return [left, right]
        if swapped is not left:
            if not 0 <= left.args[1].attr <= full[1]:
                return [left, right]
            raw = self.emit(Op.AND, [raw, self._swap(left.args[1], size, raw.type)], raw.type)
        return [raw, self._swap(right, size, raw.type)]

    @staticmethod
    def _swap(number: Value, size: int, type: Type) -> Value:
        swapped = const(int.from_bytes(int(number.attr).to_bytes(size, "little"), "big"))
        swapped.type = type
        return swapped

    def _as_u64(self, value: Value) -> Value:
        return value if value.type == U64 else self.emit(Op.CAST, [value], U64)

    def raw_order(self, block: Block, value: Value) -> Value:
        """Comparisons that were raw already: decided where the ranges speak of the same numbers."""
        left, right = value.args
        folded = fold(value.op, value.args, value.type, None)
        if folded is not None:
            return folded
        same = self.natural(left, right) if value.op in _UNSIGNED.values() else self.fits_i64(left, right)
        if same:
            table = _UNSIGNED if value.op in _UNSIGNED.values() else _SIGNED
            exact = next(op for op, raw in table.items() if raw is value.op)
            decided = self._decide(exact, left, right)
            always = value.op is not Op.ULT or decided is False
            if decided is not None and (always or (self.sees(left) and self.sees(right))):
                return const(int(decided))
        return value

    # division: all by unsigned division of the magnitudes

    def floordiv(self, block: Block, value: Value) -> Value:
        left, right = value.args
        kind = value.type
        if right.op is Op.CONST and right.attr > 0 and right.attr & (right.attr - 1) == 0:
            shift = const(right.attr.bit_length() - 1)
            signed = left.type == I64 and kind == I64 and not self.natural(left)
            return self.emit(Op.ASHR if signed else Op.LSHR, [left, shift], kind)
        if kind == U64 or self.natural(left, right):
            return self.emit(Op.UDIV, [left, right], kind)
        if self.ranges.of(right)[0] > 0:  # floor(a / b) = ~(~a / b) for a < 0 < b
            mask = self.emit(Op.ASHR, [left, const(63)], I64)
            quotient = self.emit(Op.UDIV, [self.emit(Op.XOR, [left, mask], I64), right], I64)
            return self.emit(Op.XOR, [quotient, mask], I64)
        top, bottom = self._magnitude(left), self._magnitude(right)
        mask = self.emit(Op.ASHR, [self.emit(Op.XOR, [left, right], I64), const(63)], I64)
        negative = self.emit(Op.LSHR, [self.emit(Op.XOR, [left, right], I64), const(63)], U64)
        less = self.emit(Op.MUL, [self.emit(Op.SUB, [bottom, const(1)], U64), negative], U64)
        quotient = self.emit(Op.UDIV, [self.emit(Op.ADD, [top, less], U64), bottom], U64)
        return self._negate_if(quotient, mask)

    def mod(self, block: Block, value: Value) -> Value:
        left, right = value.args
        kind = value.type
        if right.op is Op.CONST and right.attr > 0 and right.attr & (right.attr - 1) == 0:
            return self.emit(Op.AND, [left, const(right.attr - 1)], kind)
        if self.natural(left, right):
            return self.emit(Op.UMOD, [left, right], kind)
        if self.natural(right) and left.type == I64:  # a mod b = b - 1 - (~a mod b) for a < 0 < b
            mask = self.emit(Op.ASHR, [left, const(63)], I64)
            rest = self.emit(Op.UMOD, [self.emit(Op.XOR, [left, mask], kind), right], kind)
            turned = self.emit(Op.XOR, [rest, mask], kind)
            negative = self.emit(Op.LSHR, [left, const(63)], kind)
            return self.emit(Op.ADD, [turned, self.emit(Op.MUL, [negative, right], kind)], kind)
        top, bottom = self._magnitude(left), self._magnitude(right)
        rest = self.emit(Op.UMOD, [top, bottom], U64)
        if kind == U64:  # of a negative divisor only the remainder 0 is a u64
            return rest
        differ = self.emit(Op.SLT, [self.emit(Op.XOR, [left, right], I64), const(0)], I64)
        inexact = self.emit(Op.AND, [differ, self.emit(Op.NE, [rest, const(0)], I64)], I64)
        rest = self.emit(Op.SELECT, [inexact, self.emit(Op.SUB, [bottom, rest], U64), rest], U64)
        return self._negate_if(rest, self.emit(Op.ASHR, [right, const(63)], I64))

    def _magnitude(self, value: Value) -> Value:
        if self.natural(value):
            return self._as_u64(value)
        mask = self.emit(Op.ASHR, [value, const(63)], I64)
        return self.emit(Op.SUB, [self.emit(Op.XOR, [value, mask], U64), mask], U64)

    def _negate_if(self, value: Value, mask: Value) -> Value:
        return self.emit(Op.SUB, [self.emit(Op.XOR, [value, mask], I64), mask], I64)

    # shifts, products, fields

    def lshift(self, block: Block, value: Value) -> Value:
        left, count = value.args
        if self.ranges.of(count)[1] < 64:
            return self.emit(Op.SHL, [left, count], value.type)
        small = self.emit(Op.ULT, [count, const(64)], I64)
        zero = const(0)
        zero.type = value.type
        return self.emit(Op.SELECT, [small, self.emit(Op.SHL, [left, count], value.type), zero], value.type)

    def rshift(self, block: Block, value: Value) -> Value:
        left, count = value.args
        natural = self.natural(left)
        op = Op.LSHR if natural else Op.ASHR
        if self.ranges.of(count)[1] < 64:
            return self.emit(op, [left, count], value.type)
        small = self.emit(Op.ULT, [count, const(64)], I64)
        if natural:
            zero = const(0)
            zero.type = value.type
            return self.emit(Op.SELECT, [small, self.emit(op, [left, count], value.type), zero], value.type)
        limit = const(63)
        limit.type = count.type
        return self.emit(op, [left, self.emit(Op.SELECT, [small, count, limit], count.type)], value.type)

    def mul(self, block: Block, value: Value) -> Value:
        folded = fold(Op.MUL, value.args, value.type, None)
        if folded is not None:
            return folded
        left, right = value.args
        if left.op is Op.CONST:
            left, right = right, left
        if right.op is Op.CONST and right.attr > 0 and right.attr & (right.attr - 1) == 0:
            return self.emit(Op.SHL, [left, const(right.attr.bit_length() - 1)], value.type)
        return value

    def trunc(self, block: Block, value: Value) -> Value:
        size, signed = value.attr
        (arg,) = value.args
        low, high = self.ranges.of(arg)
        field = field_range(size, signed)
        if field[0] <= low and high <= field[1]:
            return arg if arg.type == value.type else self.emit(Op.CAST, [arg], value.type)
        if size == 8:
            return self.emit(Op.CAST, [arg], value.type)
        if not signed:
            return self.emit(Op.AND, [arg, const(field[1])], value.type)
        shift = const(64 - 8 * size)
        return self.emit(Op.ASHR, [self.emit(Op.SHL, [arg, shift], value.type), shift], value.type)

    def swap(self, block: Block, value: Value) -> Value:
        """Twice swapped is once truncated: a number goes from one big-endian field to another as it is."""
        (arg,) = value.args
        if arg.op is not Op.BSWAP or arg.attr != value.attr:
            return fold(Op.BSWAP, value.args, value.type, value.attr) or value
        low, high = self.ranges.of(arg.args[0])
        field = field_range(value.attr, False)
        raw = arg.args[0]
        if value.attr < 8 and (low < field[0] or high > field[1]):
            return self.emit(Op.AND, [raw, const(field[1])], value.type)
        return raw if raw.type == value.type else self.emit(Op.CAST, [raw], value.type)

    def mask(self, block: Block, value: Value) -> Value:
        """``x & mask`` is x where the mask keeps all that x can have. One that has just the range of x stays where
        the verifier doesn't see that: it is what bounds an index for it, or a loop (see ``verifier_sees``); so does
        one that bounds a result."""
        folded = fold(Op.AND, value.args, value.type, None)
        if folded is not None:
            return folded
        left, right = value.args
        if right.op is Op.CONST and self._is_sign(left):
            return self.emit(Op.MUL, [self.emit(Op.NEG, [left], left.type), right], value.type)
        if right.op is Op.CONST and right.attr >= 0 and right.attr & (right.attr + 1) == 0:
            low, high = self.ranges.of(left)
            kept = low >= 0 and high <= right.attr and left.type == value.type
            if kept and ((high < right.attr and value.attr is not BOUND) or self.sees(left)):
                return left
        return value

    def union(self, block: Block, value: Value) -> Value:
        """``sign | constant`` without an instruction that forks the verifier's state."""
        folded = fold(Op.OR, value.args, value.type, None)
        if folded is not None:
            return folded
        left, right = value.args
        if right.op is Op.CONST and self._is_sign(left):
            rest = self.emit(Op.MUL, [self.emit(Op.NEG, [left], left.type), const(~signed(right.attr))], value.type)
            return self.emit(Op.XOR, [rest, right], value.type)
        return value

    def _is_sign(self, value: Value) -> bool:
        """Whether a value is known as 0 or -1. From such a one ANDed or ORed with a constant the verifier goes on
        twice, once for each; in a long loop that exhausts it, and Linux 6.18 crashes where it can't fork any more."""
        return value.op is not Op.CONST and self.ranges.of(value) == (-1, 0)

    def store(self, block: Block, value: Value) -> Value:
        """What a store cuts off needs no masking before."""
        size = value.attr[1]
        stored = value.args[1]
        while stored.op is Op.AND and stored.args[1].op is Op.CONST and self._keeps(stored.args[1].attr, size):
            stored = stored.args[0]
        if stored.op is Op.CONST:
            number = wrap(stored.attr, I64)
            stored = const(number if size == 8 else number & ((1 << 8 * size) - 1))
        value.args[1] = stored
        return value

    @staticmethod
    def _keeps(mask: int, size: int) -> bool:
        low = (1 << 8 * size) - 1
        return mask & low == low

    def view(self, block: Block, value: Value) -> Value:
        """Settles what is known of the offset: a constant part goes into the attribute, and whether the verifier
        will see by itself that the whole is in its reach."""
        size, start, _ = value.attr
        if len(value.args) == 1:
            return value
        offset = value.args[1]
        low, high = self.ranges.of(offset)
        limit = PACKET_REACH - size
        if high < 0 or low > limit:
            return const(0)
        if offset.op is Op.CONST:
            value.args, value.attr = value.args[:1], (size, offset.attr, True)
            return value
        if low < 0 or high > limit or not self.sees(offset, counters=True):
            return value
        while offset.op is Op.ADD:
            inner, number = offset.args if offset.args[1].op is Op.CONST else offset.args[::-1]
            if number.op is not Op.CONST or number.attr < 0 or self.ranges.of(inner)[0] < 0:
                break
            offset, start = inner, start + number.attr
        value.args[1], value.attr = offset, (size, start, True)
        return value

    # control

    def call(self, block: Block, value: Value) -> Value:
        """A look-up in an array that surely finds something, whatever the verifier knows."""
        kind = value.type
        spec = kind.spec if isinstance(kind, Ptr) and value.attr.name == "map_lookup_elem" else None
        if spec is not None and kind_of(spec.kind).indexed:
            store = next((v for v in reversed(self.body) if value.args[1] in v.args), None)
            if store is not None and store.op is Op.STORE and store.attr == (0, 4):
                low, high = self.ranges.of(store.args[1])
                if low >= 0 and high < spec.max_entries:
                    self.found.add(value)
        return value

    def guard(self, block: Block, value: Value) -> Value | None:
        """Gone where the condition surely holds; the end of the block where it surely fails."""
        condition = self._condition(value.args[0])
        truth = self._truth(condition)
        if truth is True:
            return None
        if truth is False:
            for succ in block.succs:
                remove_edge(block, succ)
            value.op, value.args = Op.EXIT, []
            return value
        value.args[0] = condition
        if condition in self.found:
            value.attr = Raise("")
        self.ranges.assume(condition, True)
        return value

    def branch(self, block: Block, value: Value) -> Value:
        yes, no = value.attr
        condition = self._condition(value.args[0])
        while condition.op is Op.EQ and condition.args[1].op is Op.CONST and condition.args[1].attr == 0:
            condition = self._condition(condition.args[0])
            yes, no = no, yes
        truth = self._truth(condition)
        if truth is None:
            value.args[0], value.attr = condition, (yes, no)
            return value
        taken, left = (yes, no) if truth else (no, yes)
        remove_edge(block, left)
        value.op, value.args, value.attr = Op.JUMP, [], (taken,)
        return value

    def _condition(self, condition: Value) -> Value:
        """``x != 0`` is true where x is, and where x is in the other byte order."""
        while condition.op is Op.NE and condition.args[1].op is Op.CONST and condition.args[1].attr == 0:
            condition = condition.args[0]
        if condition.op is Op.CAST:
            condition = condition.args[0]
        return self._unswapped(condition, const(0))[0]

    def _truth(self, condition: Value) -> bool | None:
        if isinstance(condition.type, Ptr):
            if self.ranges.facts.get(condition) == (0, 0):
                return False
            return None if self.ranges.may_be_null(condition) else True
        assert isinstance(condition.type, Int)
        low, high = self.ranges.of(condition)
        if low > 0 or high < 0:
            return True
        return False if low == high == 0 else None


_RULES: Final[dict[Op, Callable[[_Lowering, Block, Value], Value | None]]] = {
    **dict.fromkeys((Op.LT, Op.LE, Op.GT, Op.GE), _Lowering.order),
    **dict.fromkeys((Op.EQ, Op.NE), _Lowering.equality),
    **dict.fromkeys((Op.ULT, Op.ULE, Op.UGT, Op.UGE, Op.SLT, Op.SLE, Op.SGT, Op.SGE), _Lowering.raw_order),
    Op.FLOORDIV: _Lowering.floordiv,
    Op.MOD: _Lowering.mod,
    Op.LSHIFT: _Lowering.lshift,
    Op.RSHIFT: _Lowering.rshift,
    Op.MUL: _Lowering.mul,
    Op.TRUNC: _Lowering.trunc,
    Op.BSWAP: _Lowering.swap,
    Op.AND: _Lowering.mask,
    Op.OR: _Lowering.union,
    Op.STORE: _Lowering.store,
    Op.VIEW: _Lowering.view,
    Op.CALL: _Lowering.call,
    Op.GUARD: _Lowering.guard,
    Op.BRANCH: _Lowering.branch,
}
