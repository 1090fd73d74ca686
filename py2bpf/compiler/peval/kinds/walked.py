"""What dicts, their views and lists have in common: the program may change them while it goes through them."""

from __future__ import annotations

from collections.abc import Sized
from typing import TypeVar

from ...ir.values import Value, const
from .. import iterators, searches
from ..builder import Builder
from ..kind import Kind
from ..machine import Machine
from ..state import State
from ..values import Abstract, DictRef, DictView, ListRef

V = TypeVar("V", ListRef, DictRef, DictView)


class WalkedKind(Kind[V]):
    def contents(self, state: State, value: V) -> Sized:
        """What the value holds now."""
        raise NotImplementedError

    def truth(self, ev: Machine, state: State, value: V) -> Value:
        return const(int(bool(self.contents(state, value))))

    def known_length(self, state: State, value: V) -> int | None:
        return len(self.contents(state, value))

    def contains(self, ev: Machine, state: State, value: V, item: Abstract) -> Value:
        return searches.through(ev, state, value, item)

    def iterator(self, b: Builder, state: State, value: V) -> Abstract:
        return iterators.walk(state, value)

    def backwards(self, b: Builder, state: State, value: V) -> Abstract | None:
        return iterators.walk(state, value, -1)
