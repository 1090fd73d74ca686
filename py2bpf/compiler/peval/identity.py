"""``is``: exact if the compiler can know the answer, an error otherwise.

None, True and False are one object each. For other numbers, tuples and strings, CPython decides itself when to make new
objects; and for two places in memory, a program doesn't know whether one ctypes object or two belong to them.
"""

from __future__ import annotations

from ...exception import UnsupportedSyntax
from ..ir.ops import Op
from ..ir.values import Value, const
from . import arith, kind, mixed
from .machine import Machine
from .values import (
    Abstract,
    Closure,
    Const,
    KernelRef,
    NoValue,
    NumberClass,
    OptionalInt,
    Ref,
)


def identical(ev: Machine, left: Abstract, right: Abstract) -> Value:
    """``left is right``."""
    for one, other in ((left, right), (right, left)):
        if isinstance(other, Const) and other.obj is None:
            return kind.of(one).is_none(ev, one)
    for value in (left, right):
        if isinstance(value, NoValue):
            mixed.refuse(value)
    for one, other in ((left, right), (right, left)):
        found = kind.of(one).identical(ev, one, other)
        if found is not None:
            return found
    return const(int(_is_one(left, right)))


def _is_one(left: Abstract, right: Abstract) -> bool:
    """Whether two values are one object, for values that are not numbers and not in memory."""
    if left is right:
        return True
    if not left.same(right):
        return False
    if left.one_object:
        return True
    raise undecided("function" if isinstance(left, Closure) else "object")


def made_anew(value: Abstract, other: Abstract, cls: type) -> Value | None:
    """Refuses to compare two objects of the class ``cls``, of which ``value`` is made from run-time values; None if
    ``other`` is of another class."""
    if type(other) is type(value) or (isinstance(other, Const) and isinstance(other.obj, cls)):
        raise undecided(cls.__name__)
    return None


def undecided(kind: str) -> UnsupportedSyntax:
    """The error for objects that may or may not be one."""
    return UnsupportedSyntax(0, f"'is' can't compare two {kind}s that are made in a program", hints=("use ==",))


def of_number_class(other: Abstract) -> Value:
    """Whether the class of a run-time integer is another class: certainly not, unless that is int or bool."""
    if isinstance(other, NumberClass) or (isinstance(other, Const) and other.obj in (int, bool)):
        raise UnsupportedSyntax(0, "whether a run-time integer is an int or a bool is not known",
                                hints=("ask isinstance(number, int)",))  # fmt: skip
    return const(0)


def of_numbers(ev: Machine, left: Abstract, right: Abstract) -> Value:
    """``is`` of two values of which at least one is a run-time integer, or an OptionalInt."""
    if isinstance(left, OptionalInt) and left is right:
        return const(1)
    if not left.is_int() or not right.is_int():
        return _nones(ev, left, right)
    truths = arith.is_bool(left), arith.is_bool(right)
    if all(truths):
        return _bools(ev, left, right)
    if any(truths) and any(isinstance(value, Const) for value in (left, right)):
        other = right if truths[0] else left
        if isinstance(other, Const):  # a number that isn't a bool
            return const(0)
    hint = "use ==, and in match a number: case 1" if _constant_bool(left) or _constant_bool(right) else "use =="
    raise UnsupportedSyntax(0, "'is' compares objects, and run-time integers are none", hints=(hint,))


def _nones(ev: Machine, left: Abstract, right: Abstract) -> Value:
    """Values of different kinds are identical if both are None."""
    return arith.both(ev.b, kind.of(left).is_none(ev, left), kind.of(right).is_none(ev, right))


def _bools(ev: Machine, left: Abstract, right: Abstract) -> Value:
    """``is`` of two values that are True, False or None."""
    b = ev.b
    (has_left, one), (has_right, other) = _parts(ev, left), _parts(ev, right)
    values = b.compare(Op.EQ, one, other)
    if not isinstance(left, OptionalInt) and not isinstance(right, OptionalInt):
        return values
    both = arith.both(b, arith.both(b, has_left, has_right), values)
    return b.emit(Op.OR, [both, _nones(ev, left, right)], both.type)


def _parts(ev: Machine, value: Abstract) -> tuple[Value, Value]:
    """Whether the value isn't None, and its integer."""
    if isinstance(value, OptionalInt):
        return arith.to_bool(ev.b, value.present), value.value
    return const(1), arith.to_ir(ev.b, value)


def of_memory(ev: Machine, left: KernelRef | Ref, right: Abstract) -> Value | None:
    """``is`` of a value in memory and another value; None if the other isn't in memory."""
    if not isinstance(right, (KernelRef, Ref)):
        return None
    if isinstance(left, KernelRef) and isinstance(right, KernelRef):
        raise UnsupportedSyntax(0, "'is' can't compare two objects in the kernel's memory",
                                hints=("== tells whether they have one address",))  # fmt: skip
    if left is right:
        return const(1)
    if isinstance(left, Ref) and isinstance(right, Ref):
        raise UnsupportedSyntax(0, "'is' can't compare two ctypes objects in a program",
                                hints=("compare their fields, or the bytes with py2bpf.funcs.mem_eq",))  # fmt: skip
    return _nones(ev, left, right)


def _constant_bool(value: Abstract) -> bool:
    return isinstance(value, Const) and isinstance(value.obj, bool)
