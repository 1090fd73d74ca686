"""The kinds of missing values: every operation is an error, except tests of a ``Mixed``."""

from __future__ import annotations

from typing import Final, TypeVar

from ....exception import TypeMismatch, UnsupportedSyntax
from ...ir.values import Value
from .. import mixed
from ..kind import Args, Hidden, Kind, Kinds, Kwargs
from ..machine import Machine
from ..state import State
from ..values import Abstract, Mixed, NoValue, Null

V = TypeVar("V", bound=NoValue)


class NoValueKind(Kind[V]):
    def truth(self, ev: Machine, state: State, value: V) -> Value:
        mixed.refuse(value)

    def is_none(self, ev: Machine, value: V) -> Value:
        mixed.refuse(value)


    def result(self, ev: Machine, value: V, default: Value) -> Value:
        raise UnsupportedSyntax(0, f"the program's result can't be used here: {value.why}",
                                hints=("give it one value of one type on every path",))  # fmt: skip

    def call(self, ev: Machine, state: State, value: V, args: Args, kwargs: Kwargs, unit: int) -> Abstract:
        raise TypeMismatch(0, f"which function is called here depends on the path: {value.why}",
                           hints=("call each on its own path: f() if test else g()",))  # fmt: skip


class MixedKind(NoValueKind[Mixed]):
    def truth(self, ev: Machine, state: State, value: Mixed) -> Value:
        return value.truth if value.truth is not None else mixed.refuse(value)

    def is_none(self, ev: Machine, value: Mixed) -> Value:
        return value.none


KINDS: Final[Kinds] = {NoValue: NoValueKind[NoValue](), Mixed: MixedKind(), Null: Hidden()}
