"""Strings that are not one constant: one of several, or with run-time parts."""

from __future__ import annotations

from typing import Any, Final

from ....exception import UnsupportedSyntax
from ...ir.ops import Op
from ...ir.types import I64
from ...ir.values import Value, const
from .. import arith, constants, contents, equality, identity, text
from ..builder import Builder
from ..kind import Kind, Kinds
from ..layout import is_chars
from ..machine import Machine
from ..state import State
from ..values import Abstract, Const, OneOf, Ref, Text


class OneOfKind(Kind[OneOf]):
    def truth(self, ev: Machine, state: State, value: OneOf) -> Value:
        return contents.chosen(ev.b, value, [const(int(bool(text))) for text in value.options])

    def is_instance(self, ev: Machine, value: OneOf, classes: Any) -> Abstract:
        return Const(isinstance(value.options[0], classes))

    def precedence(self, b: Builder, value: OneOf) -> int:
        return 1

    def equals(self, ev: Machine, state: State, value: OneOf, other: Abstract) -> Value | None:
        equal = [equality.equal(ev, state, Const(text), other) for text in value.options]
        return contents.chosen(ev.b, value, equal)

    def identical(self, ev: Machine, value: OneOf, other: Abstract) -> Value | None:
        if value is other:
            return const(1)
        if isinstance(other, (OneOf, Const)):
            raise identity.undecided("text")
        return None

    def store_into(self, b: Builder, place: Ref, value: OneOf, by_items: bool) -> bool:
        if not is_chars(place.ctype) or not contents.texts(value):
            return False
        contents.store_text(b, place, value)
        return True

    def shown_as(self, ev: Machine, value: OneOf, conversion: str, spec: str) -> tuple[Value, Any, Any] | None:
        """Chooses between the first text and the others."""
        first, *others = value.options
        shown = text.shown(ev, first, conversion, spec)
        number = ev.b.emit(Op.SUB, [value.number, const(1)], I64)
        rest = OneOf(number, tuple(others)) if others[1:] else Const(others[0])
        return ev.b.compare(Op.EQ, value.number, const(0)), shown, (rest, conversion, spec)

    def length(self, ev: Machine, state: State, value: OneOf) -> Abstract:
        return arith.from_ir(contents.chosen(ev.b, value, [const(len(text)) for text in value.options]))


class TextKind(Kind[Text]):
    no_length = "strings exist while compiling: print run-time values with f-strings"

    def truth(self, ev: Machine, state: State, value: Text) -> Value:
        raise UnsupportedSyntax(0, "a string with run-time parts has no truth value in a program",
                                hints=("test the values that it is made of",))  # fmt: skip

    def identical(self, ev: Machine, value: Text, other: Abstract) -> Value | None:
        return identity.made_anew(value, other, str)

    def binary(
        self, ev: Machine, state: State, op: str, value: Text, other: Abstract, is_left: bool
    ) -> Abstract | None:
        if op == "+":
            raise constants.no_string(op)
        return None


KINDS: Final[Kinds] = {OneOf: OneOfKind(), Text: TextKind()}
