"""Integers at run time: Python's operators as exact IR operations."""

from __future__ import annotations

import numbers
import operator
from collections.abc import Callable, Iterable
from typing import Any, Final

from ...exception import TypeMismatch, UnsupportedSyntax
from ..ir.ops import Op
from ..ir.types import I64, U64, Int, Type, join_ints
from ..ir.values import Value, const
from . import hints, integers
from .builder import Builder
from .values import FALSE, TRUE, Abstract, Const, OptionalInt, RuntimeInt, TupleOf

PYTHON: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "<<": operator.lshift,
    ">>": operator.rshift,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "@": operator.matmul,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
}
INPLACE: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": operator.iadd,
    "-": operator.isub,
    "*": operator.imul,
    "/": operator.itruediv,
    "//": operator.ifloordiv,
    "%": operator.imod,
    "**": operator.ipow,
    "<<": operator.ilshift,
    ">>": operator.irshift,
    "&": operator.iand,
    "|": operator.ior,
    "^": operator.ixor,
    "@": operator.imatmul,
}
UNARY: Final[dict[str, Callable[[Any], Any]]] = {
    "-": operator.neg,
    "+": operator.pos,
    "~": operator.invert,
    "not": operator.not_,
}
_OPS: Final = {
    "+": Op.ADD,
    "-": Op.SUB,
    "*": Op.MUL,
    "//": Op.FLOORDIV,
    "%": Op.MOD,
    "<<": Op.LSHIFT,
    ">>": Op.RSHIFT,
    "&": Op.AND,
    "|": Op.OR,
    "^": Op.XOR,
}
_COMPARE: Final = {"<": Op.LT, "<=": Op.LE, "==": Op.EQ, "!=": Op.NE, ">": Op.GT, ">=": Op.GE}
_MIN, _MAX = integers.LEAST, integers.MOST


def as_integer(obj: Any) -> int | None:
    """The integer of 64 bits that a constant number equals, if it equals one."""
    if not isinstance(obj, numbers.Number):
        return None
    if isinstance(obj, int):
        number = integers.raw(obj)
        return number if _MIN <= number <= _MAX else None
    try:
        number = int(obj)  # type: ignore[call-overload]  # complex numbers are caught
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number == obj and _MIN <= number <= _MAX else None


def is_beyond(value: Abstract) -> bool:
    """Whether the value is an integer that doesn't fit 64 bits, so that no run-time integer equals it."""
    return isinstance(value, Const) and integers.is_beyond(value.obj)


def fits(value: Abstract) -> bool:
    """Whether the value is an integer that fits 64 bits, so that a phi can hold it."""
    return value.is_int() and not is_beyond(value)


def to_ir(b: Builder, value: Abstract, what: str = "an integer is needed here") -> Value:
    """The value as an IR integer; raises TypeMismatch for anything else."""
    if (found := value.integer(b)) is not None:
        return found
    raise TypeMismatch(0, f"{what}, but this is {value.describe()}", hints=hints.for_number(value))


def check_plain(value: Abstract, function: str) -> None:
    """Refuses an integer whose class compares or computes in its own way, for functions that ignore its methods."""
    if isinstance(value, Const) and isinstance(value.obj, int) and not value.is_int():
        raise UnsupportedSyntax(0, f"{function}() of run-time values asks no methods, as {value.describe()} has them",
                                hints=("give int() of it",))  # fmt: skip


def settled(b: Builder, value: Abstract) -> Abstract:
    """The value with a guard that it is not None, where Python would raise a TypeError; in tuples, each item."""
    if isinstance(value, OptionalInt):
        return number(to_ir(b, value), value.boolean)
    if isinstance(value, TupleOf):
        return TupleOf(tuple(settled(b, item) for item in value.items), value.cls)
    return value


def from_ir(ir: Value) -> Abstract:
    """A RuntimeInt, or a Const if the IR value is one."""
    return Const(ir.attr) if ir.op is Op.CONST else RuntimeInt(ir)


def from_bool(ir: Value) -> Abstract:
    """A truth value."""
    return (TRUE if ir.attr else FALSE) if ir.op is Op.CONST else RuntimeInt(ir, True)


def number(ir: Value, boolean: bool | None) -> Abstract:
    """``from_bool`` or ``from_ir`` by ``boolean``; for None, a RuntimeInt that is a bool on some paths only."""
    if boolean is None and ir.op is not Op.CONST:
        return RuntimeInt(ir, None)
    return from_bool(ir) if boolean else from_ir(ir)


def is_bool(value: Abstract) -> bool:
    """Whether the value is certainly a bool in Python; for an OptionalInt: whether its integer is."""
    return bool(value.boolean)


def booleans(values: Iterable[Abstract]) -> bool | None:
    """``boolean`` of a value that is one of ``values``."""
    found = {value.boolean for value in values}
    return found.pop() if len(found) == 1 else None


def int_type(value: Value) -> Int:
    assert isinstance(value.type, Int)
    return value.type


def binary(b: Builder, op: str, left: Abstract, right: Abstract) -> Abstract:
    """``left op right`` on integers of which at least one is known at run time only."""
    if op == "/":
        raise UnsupportedSyntax(0, "/ gives a float, and BPF has none", hints=("use // for integer division",))
    if op == "**":
        return _power(b, left, right)
    if op not in _OPS:
        raise UnsupportedSyntax(
            0, f"the operator {op} does not work on integers", hints=("+ - * // % ** << >> & | ^ do",)
        )
    what = f"the operator {op} needs integers"
    a, c = to_ir(b, left, what), to_ir(b, right, what)
    return number(emit_binary(b, _OPS[op], a, c), op in "&|^" and _both_booleans(left, right))


def _both_booleans(left: Abstract, right: Abstract) -> bool | None:
    """Whether both are bools in Python; None if that depends on the path."""
    known = left.boolean, right.boolean
    return False if False in known else None if None in known else True


def emit_binary(b: Builder, op: Op, a: Value, c: Value) -> Value:
    """One exact operation, with guards for the errors that Python would raise."""
    type: Type = join_ints(int_type(a), int_type(c))
    if op is Op.FLOORDIV or op is Op.MOD:
        b.guard(b.compare(Op.NE, c, const(0)), "ZeroDivisionError")
    elif op is Op.LSHIFT or op is Op.RSHIFT:
        if op is Op.RSHIFT:  # whatever the count's type, the result is one of the left operand's
            type = a.type
        if int_type(c).signed:
            b.guard(b.compare(Op.GE, c, const(0)), "ValueError")
    return b.emit(op, [a, c], type)


def _power(b: Builder, left: Abstract, right: Abstract) -> Abstract:
    if isinstance(right, Const) and isinstance(right.obj, int):
        exponent = integers.raw(right.obj)
        if exponent < 0:
            raise UnsupportedSyntax(0, "a negative power is a float, and BPF has none", hints=("use //",))
        base = to_ir(b, left, "the operator ** needs integers")
        return from_ir(_square_and_multiply(b, base, _small_exponent(exponent)))
    return from_ir(_power_at_run_time(b, to_ir(b, left), to_ir(b, right)))


def _small_exponent(exponent: int) -> int:
    """An exponent below 64 with the same result, as _power_at_run_time() explains."""
    return exponent if exponent < 64 else 62 | exponent & 1


def _square_and_multiply(b: Builder, base: Value, exponent: int) -> Value:
    result: Value | None = None
    while exponent:
        if exponent & 1:
            result = base if result is None else emit_binary(b, Op.MUL, result, base)
        exponent >>= 1
        if exponent:
            base = emit_binary(b, Op.MUL, base, base)
    return result or const(1)


def _power_at_run_time(b: Builder, base: Value, exponent: Value) -> Value:
    """Six squarings reach every exponent below 64. With larger ones, only the powers of 0, 1 and -1 fit 64 bits. They
    repeat with period 2, so 62 or 63 stands for every larger exponent (modulo 2**64)."""
    b.guard(b.compare(Op.GE, exponent, const(0)), "ValueError")
    large = b.compare(Op.GT, exponent, const(63))
    parity = b.emit(Op.OR, [b.emit(Op.AND, [exponent, const(1)], I64), const(62)], I64)
    exponent = b.emit(Op.SELECT, [large, parity, exponent], I64)
    type = int_type(base)
    result = const(1)
    for bit in range(6):
        chosen = b.emit(Op.AND, [exponent, const(1 << bit)], I64)
        product = b.emit(Op.MUL, [result, base], type)
        result = b.emit(Op.SELECT, [chosen, product, result], type)
        base = b.emit(Op.MUL, [base, base], type)
    return result


def compare(b: Builder, op: str, left: Abstract, right: Abstract) -> Abstract:
    """An exact comparison of integers; the caller has handled all other values."""
    what = f"the comparison {op} needs integers"
    for one, other in ((left, right), (right, left)):
        if is_beyond(other) and one.is_int():  # then its sign decides, against any number of 64 bits
            assert isinstance(other, Const)
            to_ir(b, one)
            return from_bool(const(int(PYTHON[op](0, other.obj) if other is right else PYTHON[op](other.obj, 0))))
    return from_bool(b.compare(_COMPARE[op], to_ir(b, left, what), to_ir(b, right, what)))


def unary(b: Builder, op: str, value: Abstract) -> Abstract:
    """``op value`` on an integer known at run time only; the evaluator does ``not``."""
    ir = to_ir(b, value, f"the operator {op} needs an integer")
    if op == "-":
        return from_ir(b.emit(Op.NEG, [ir], ir.type))
    if op == "~":  # of u64 too: modulo 2**64
        return from_ir(b.emit(Op.XOR, [ir, const(-1)], ir.type))
    return from_ir(ir)


def to_bool(b: Builder, ir: Value) -> Value:
    """1 or 0."""
    return b.compare(Op.NE, ir, const(0))


def condition(b: Builder, value: Abstract) -> Value:
    """A comparison's result as 1 or 0."""
    return to_bool(b, to_ir(b, value))


def negate(b: Builder, condition: Value) -> Value:
    return b.compare(Op.EQ, condition, const(0))


def both(b: Builder, first: Value, second: Value) -> Value:
    """The conjunction of two truth values (0 or 1)."""
    return b.emit(Op.AND, [first, second], I64)


def magnitude(b: Builder, ir: Value) -> Value:
    """abs(). Unsigned numbers get the selection too, though later passes remove it: a warning may stand here."""
    kind = int_type(ir)
    return b.emit(Op.SELECT, [b.compare(Op.LT, ir, const(0)), b.emit(Op.NEG, [ir], kind), ir], kind)


def extreme(b: Builder, op: Op, values: list[Value]) -> Value:
    """min() (op LT) or max() (op GT): the first of equals, as in Python."""
    best = values[0]
    for other in values[1:]:
        if int_type(best) == int_type(other):
            best = b.emit(Op.SELECT, [b.compare(op, other, best), other, best], best.type)
        else:
            best = b.emit(Op.SELECT, [b.compare(op, other, best), cast(b, other, U64), cast(b, best, U64)], U64)
    return best


def as_u64(b: Builder, ir: Value) -> Value:
    return b.emit(Op.CAST, [ir], U64)


def cast(b: Builder, ir: Value, type: Type) -> Value:
    """Converts the number to another type. A negative constant that becomes huge is marked for the warning
    MixedSigns."""
    if ir.type == type:
        return ir
    made = b.emit(Op.CAST, [ir], type)
    if ir.op is Op.CONST and ir.attr < 0 and made.op is Op.CONST:
        made = const(made.attr)
        made.type, made.span = type, b.span
    return made


def popcount(b: Builder, ir: Value) -> Value:
    """int.bit_count(): counts the ones of the magnitude, by the usual parallel sum (Hacker's Delight, 5-1)."""
    x = as_u64(b, magnitude(b, ir))

    def step(op: Op, left: Value, right: int) -> Value:
        return b.emit(op, [left, const(right)], U64)

    x = b.emit(Op.SUB, [x, step(Op.AND, step(Op.LSHR, x, 1), 0x5555555555555555)], U64)
    low = step(Op.AND, x, 0x3333333333333333)
    x = b.emit(Op.ADD, [low, step(Op.AND, step(Op.LSHR, x, 2), 0x3333333333333333)], U64)
    x = step(Op.AND, b.emit(Op.ADD, [x, step(Op.LSHR, x, 4)], U64), 0x0F0F0F0F0F0F0F0F)
    return b.emit(Op.CAST, [step(Op.LSHR, step(Op.MUL, x, 0x0101010101010101), 56)], I64)


def bit_length(b: Builder, ir: Value) -> Value:
    """int.bit_length(): copies the highest one into all lower bits, then counts ones."""
    x = as_u64(b, magnitude(b, ir))
    for shift in (1, 2, 4, 8, 16, 32):
        x = b.emit(Op.OR, [x, b.emit(Op.LSHR, [x, const(shift)], U64)], U64)
    return popcount(b, x)


def plus_one(b: Builder, number: Abstract) -> Abstract:
    """``number + 1``."""
    if isinstance(number, Const):
        return Const(number.obj + 1)
    return binary(b, "+", number, Const(1))
