"""Strings that are not one constant: one of several, or with run-time parts."""

from __future__ import annotations

from typing import Any, Final

from ....exception import UnsupportedSyntax
from ...ir.values import Value, const
from .. import arith, contents
from ..kind import Kind, Kinds
from ..machine import Machine
from ..state import State
from ..values import Abstract, Const, OneOf, Text


class OneOfKind(Kind[OneOf]):
    def truth(self, ev: Machine, state: State, value: OneOf) -> Value:
        return contents.chosen(ev.b, value, [const(int(bool(text))) for text in value.options])

    def is_instance(self, ev: Machine, value: OneOf, classes: Any) -> Abstract:
        return Const(isinstance(value.options[0], classes))

    def length(self, ev: Machine, state: State, value: OneOf) -> Abstract:
        return arith.from_ir(contents.chosen(ev.b, value, [const(len(text)) for text in value.options]))


class TextKind(Kind[Text]):
    no_length = "strings exist while compiling: print run-time values with f-strings"

    def truth(self, ev: Machine, state: State, value: Text) -> Value:
        raise UnsupportedSyntax(0, "a string with run-time parts has no truth value in a program",
                                hints=("test the values that it is made of",))  # fmt: skip


KINDS: Final[Kinds] = {OneOf: OneOfKind(), Text: TextKind()}
