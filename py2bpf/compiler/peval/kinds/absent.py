"""Where there is no value: every operation is an error, but a test of what two paths leave on the stack."""

from __future__ import annotations

from typing import Final

from ...ir.values import Value
from .. import mixed
from ..kind import Hidden, Kind, Kinds
from ..machine import Machine
from ..state import State
from ..values import Mixed, Null, Unbound


class UnboundKind(Kind[Unbound]):
    def truth(self, ev: Machine, state: State, value: Unbound) -> Value:
        mixed.refuse(value)

    def is_none(self, ev: Machine, value: Unbound) -> Value:
        mixed.refuse(value)


class MixedKind(Kind[Mixed]):
    def truth(self, ev: Machine, state: State, value: Mixed) -> Value:
        return value.truth if value.truth is not None else mixed.refuse(value)

    def is_none(self, ev: Machine, value: Mixed) -> Value:
        return value.none


KINDS: Final[Kinds] = {Unbound: UnboundKind(), Mixed: MixedKind(), Null: Hidden()}
