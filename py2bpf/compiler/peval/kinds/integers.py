"""Integers that are known at run time only, and integers that may be None."""

from __future__ import annotations

import numbers
from typing import Any, Final, TypeVar

from ....exception import TypeMismatch
from ...ir.ops import Op
from ...ir.values import Value, const
from .. import addresses, arith, equality, hints, identity, integers, kind, methods, packets, text
from ..builder import Builder
from ..kind import Args, Hidden, Kind, Kinds, Kwargs, Object
from ..machine import Machine
from ..state import State
from ..values import Abstract, Const, Method, NumberClass, OptionalInt, Ref, RuntimeInt, Variable

N = TypeVar("N", bound=RuntimeInt | OptionalInt)

_METHODS: Final = {"bit_length": (0, 0), "bit_count": (0, 0), "conjugate": (0, 0)}
"""Methods, with the fewest and the most arguments that they take."""


class _NumberKind(Kind[N]):
    """What the operations do with an integer, whether or not it may be None."""

    def identical(self, ev: Machine, value: N, other: Abstract) -> Value | None:
        return identity.of_numbers(ev, value, other)

    def address(self, ev: Machine, value: N) -> Ref:
        return addresses.of_number(ev.b, value)

    def directive(self, ev: Machine, value: N, conversion: str, spec: str) -> tuple[str, Value | None]:
        if conversion not in ("", "s", "r"):
            return super().directive(ev, value, conversion, spec)
        return text.integer_directive(arith.to_ir(ev.b, value), spec)


class RuntimeIntKind(_NumberKind[RuntimeInt]):
    no_items = ("to count up to it, iterate over range(n)",)

    def truth(self, ev: Machine, state: State, value: RuntimeInt) -> Value:
        return value.ir

    def is_instance(self, ev: Machine, value: RuntimeInt, classes: Any) -> Abstract:
        return Const(_is_number_of(value, classes))

    def attribute(self, ev: Machine, state: State, value: RuntimeInt, name: str) -> Abstract:
        if name == "__class__":
            return Const(bool) if value.boolean else NumberClass()
        return Method(value, name) if name in _METHODS else super().attribute(ev, state, value, name)

    def equals(self, ev: Machine, state: State, value: RuntimeInt, other: Abstract) -> Value | None:
        if other.is_int():
            return equality.of_integers(ev.b, value, other)
        return _equals_constant(ev, value, other) if isinstance(other, Const) else None

    def method(self, ev: Machine, state: State, value: RuntimeInt, name: str, args: Args, kwargs: Kwargs) -> Abstract:
        methods.check_arguments("int", _METHODS, name, args, kwargs)
        if name == "conjugate":
            return value
        compute = arith.bit_length if name == "bit_length" else arith.popcount
        return arith.from_ir(compute(ev.b, value.ir))

    def shown_as(self, ev: Machine, value: RuntimeInt, conversion: str, spec: str) -> tuple[Value, Any, Any] | None:
        return (value.ir, "True", "False") if not spec and value.boolean and conversion in ("", "s", "r") else None

    def where_items_are(self, ev: Machine, value: RuntimeInt, key: Abstract) -> tuple[str, ...]:
        if packets.is_edge(ev, value):
            return packets.how_to_read(ev, key)
        return super().where_items_are(ev, value, key)


class OptionalIntKind(_NumberKind[OptionalInt]):
    def truth(self, ev: Machine, state: State, value: OptionalInt) -> Value:
        return arith.both(ev.b, value.present, arith.to_bool(ev.b, value.value))

    def is_instance(self, ev: Machine, value: OptionalInt, classes: Any) -> Abstract:
        number, none = _is_number_of(value, classes), isinstance(None, classes)
        present = arith.to_bool(ev.b, value.present)
        return Const(number) if number is none else arith.from_bool(present if number else arith.negate(ev.b, present))

    def precedence(self, b: Builder, value: OptionalInt) -> int:
        return 2

    def equals(self, ev: Machine, state: State, value: OptionalInt, other: Abstract) -> Value | None:
        b = ev.b
        if isinstance(other, OptionalInt):
            values = b.compare(Op.EQ, value.value, other.value)
            neither = b.emit(Op.OR, [value.present, other.present], value.present.type)
            both = arith.both(b, arith.both(b, value.present, other.present), values)
            return b.emit(Op.SELECT, [neither, both, const(1)], values.type)
        if isinstance(other, Const) or other.is_int():
            same = equality.equal(ev, state, RuntimeInt(value.value, value.boolean), other)
            return arith.both(b, value.present, same)
        return arith.both(b, self.is_none(ev, value), kind.of(other).is_none(ev, other))

    def attribute(self, ev: Machine, state: State, value: OptionalInt, name: str) -> Abstract:
        if name not in _METHODS:
            return super().attribute(ev, state, value, name)
        ev.b.guard(ev.b.compare(Op.NE, value.present, const(0)), "AttributeError", none=True)
        number = arith.from_ir(value.value)
        return ev.attribute(state, number, name)

    def result(self, ev: Machine, value: OptionalInt, default: Value) -> Value:
        return ev.b.emit(Op.SELECT, [value.present, value.value, default], value.value.type)

    def shown_as(self, ev: Machine, value: OptionalInt, conversion: str, spec: str) -> tuple[Value, Any, Any] | None:
        if spec:
            return None
        return value.present, (arith.number(value.value, value.boolean), conversion, spec), "None"


class NumberClassKind(Object[NumberClass]):
    def identical(self, ev: Machine, value: NumberClass, other: Abstract) -> Value | None:
        return identity.of_number_class(other)


def _equals_constant(ev: Machine, value: RuntimeInt, other: Const) -> Value:
    """Whether a run-time integer equals a constant that is not an integer."""
    if isinstance(other.obj, numbers.Number):
        number = arith.as_integer(other.obj)
        return const(0) if number is None else ev.b.compare(Op.EQ, value.ir, integers.constant(number))
    if not isinstance(other.obj, (bytes, str)):
        return equality.with_object(value, other.obj)
    if hints.may_be_address(value):
        raise TypeMismatch(0, f"a number of 64 bits, as an address is, never equals {other.describe()}",
                           hints=(hints.READ_TEXT,))  # fmt: skip
    raise TypeMismatch(
        0,
        f"an integer never equals {other.describe()}",
        hints=("an item of bytes is a number: compare with b'x'[0], or with ord('x')",),
    )


def _is_number_of(value: RuntimeInt | OptionalInt, classes: Any) -> bool:
    """Whether a run-time integer is an instance of one of the classes."""
    if value.boolean is None and isinstance(True, classes) != isinstance(2, classes):
        raise TypeMismatch(0, "whether this is a bool or another integer depends on the path",
                           hints=("ask for int, which either is",))  # fmt: skip
    return isinstance(True if value.boolean else 2, classes)


KINDS: Final[Kinds] = {
    RuntimeInt: RuntimeIntKind(),
    OptionalInt: OptionalIntKind(),
    NumberClass: NumberClassKind(),
    Variable: Hidden(),
}
