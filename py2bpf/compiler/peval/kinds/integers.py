"""Integers that only run time knows, and integers that may be None."""

from __future__ import annotations

from typing import Any, Final

from ....exception import TypeMismatch
from ...ir.ops import Op
from ...ir.values import Value, const
from .. import arith, methods, packets
from ..kind import Args, Hidden, Kind, Kinds, Kwargs, Object
from ..machine import Machine
from ..state import State
from ..values import Abstract, Const, Method, NumberClass, Option, Run, Variable

_METHODS: Final = {"bit_length": (0, 0), "bit_count": (0, 0), "conjugate": (0, 0)}
"""And how few and how many arguments they take."""


class RunKind(Kind[Run]):
    no_items = ("to count up to it, iterate over range(n)",)

    def truth(self, ev: Machine, state: State, value: Run) -> Value:
        return value.ir

    def is_instance(self, ev: Machine, value: Run, classes: Any) -> Abstract:
        return Const(_is_number_of(value, classes))

    def attribute(self, ev: Machine, state: State, value: Run, name: str) -> Abstract:
        if name == "__class__":
            return Const(bool) if value.boolean else NumberClass()
        return Method(value, name) if name in _METHODS else super().attribute(ev, state, value, name)

    def method(self, ev: Machine, state: State, value: Run, name: str, args: Args, kwargs: Kwargs) -> Abstract:
        methods.check_arguments("int", _METHODS, name, args, kwargs)
        if name == "conjugate":
            return value
        compute = arith.bit_length if name == "bit_length" else arith.popcount
        return arith.from_ir(compute(ev.b, value.ir))

    def where_items_are(self, ev: Machine, value: Run, key: Abstract) -> tuple[str, ...]:
        if packets.is_edge(ev, value):
            return packets.how_to_read(ev, key)
        return super().where_items_are(ev, value, key)


class OptionKind(Kind[Option]):
    def truth(self, ev: Machine, state: State, value: Option) -> Value:
        return arith.both(ev.b, value.present, arith.to_bool(ev.b, value.value))

    def is_instance(self, ev: Machine, value: Option, classes: Any) -> Abstract:
        number, none = _is_number_of(value, classes), isinstance(None, classes)
        present = arith.to_bool(ev.b, value.present)
        return Const(number) if number is none else arith.from_bool(present if number else arith.negate(ev.b, present))

    def attribute(self, ev: Machine, state: State, value: Option, name: str) -> Abstract:
        if name not in _METHODS:
            return super().attribute(ev, state, value, name)
        ev.b.guard(ev.b.compare(Op.NE, value.present, const(0)), "AttributeError", none=True)
        number = arith.from_ir(value.value)
        return ev.attribute(state, number, name)


def _is_number_of(value: Run | Option, classes: Any) -> bool:
    """Whether a number of run time is of one of the classes."""
    if value.boolean is None and isinstance(True, classes) != isinstance(2, classes):
        raise TypeMismatch(0, "whether this is a bool or another integer depends on the path",
                           hints=("ask for int, which either is",))  # fmt: skip
    return isinstance(True if value.boolean else 2, classes)


KINDS: Final[Kinds] = {Run: RunKind(), Option: OptionKind(), NumberClass: Object(), Variable: Hidden()}
