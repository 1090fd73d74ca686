"""Dicts made in the program, and their views."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from ....exception import UnsupportedSyntax
from ...ir.values import Value, const
from .. import choice, dicts, host, iterators, kind, methods, searches, sequences
from ..builder import Builder
from ..kind import Args, Kinds, Kwargs
from ..machine import Machine
from ..state import State
from ..values import NONE, Abstract, Const, DictRef, DictView, Method, RuntimeInt, TupleOf
from .walked import WalkedKind

_METHODS: Final = {"get": (1, 2), "keys": (0, 0), "values": (0, 0), "items": (0, 0)}
"""Methods, with the fewest and the most arguments that they take."""


class DictKind(WalkedKind[DictRef]):
    numbered = False

    def contents(self, state: State, value: DictRef) -> dict[Any, Abstract]:
        contents: dict[Any, Abstract] = iterators.heap_object(state, value)
        return contents

    def is_instance(self, ev: Machine, value: DictRef, classes: Any) -> Abstract:
        return Const(issubclass(dict, classes))

    def attribute(self, ev: Machine, state: State, value: DictRef, name: str) -> Abstract:
        return Method(value, name)

    def equals(self, ev: Machine, state: State, value: DictRef, other: Abstract) -> Value | None:
        return const(0) if isinstance(other, (RuntimeInt, TupleOf)) else None

    def contains(self, ev: Machine, state: State, value: DictRef, item: Abstract) -> Value:
        return searches.through(ev, state, value, item, hashed=True)

    def binary(
        self, ev: Machine, state: State, op: str, value: DictRef, other: Abstract, is_left: bool
    ) -> Abstract | None:
        added = dicts.contents(state, other) if op == "|" else None
        if added is None:
            return None
        own = self.contents(state, value)
        return dicts.new(ev, state, {**own, **added} if is_left else {**added, **own})

    def inplace(self, ev: Machine, state: State, op: str, value: DictRef, other: Abstract) -> Abstract | None:
        added = dicts.contents(state, other) if op == "|" else None
        if added is None:
            return None
        state.heap[value.ident] = {**self.contents(state, value), **added}
        return value

    def method(self, ev: Machine, state: State, value: DictRef, name: str, args: Args, kwargs: Kwargs) -> Abstract:
        methods.check_arguments("dict", _METHODS, name, args, kwargs)
        items = self.contents(state, value)
        if name == "get":
            if not isinstance(args[0], Const):
                return choice.get(ev.b, items, *args)
            found: Abstract = items.get(host.key(ev.b, args[0]), args[1] if len(args) > 1 else NONE)
            return found
        if name in ("keys", "values", "items"):
            return DictView(value, name)
        raise UnsupportedSyntax(
            0,
            f"dict.{name}() is not supported in compiled functions",
            hints=("get, keys, values and items are, and d[key] = value with constant keys",),
        )

    def item(self, ev: Machine, state: State, value: DictRef, key: Abstract) -> Abstract:
        items = self.contents(state, value)
        if not isinstance(key, Const):
            return choice.item(ev.b, items, key)
        found: Abstract | None = items.get(host.key(ev.b, key))
        if found is None:
            ev.b.exit("KeyError")
        return found

    def as_object(self, b: Builder, state: State, value: DictRef) -> Any:
        items = self.contents(state, value).items()
        return {key: kind.of(item).as_object(b, state, item) for key, item in items}

    def walked(self, state: State, value: DictRef) -> Sequence[Abstract]:
        return [Const(key) for key in self.contents(state, value)]

    def items(self, b: Builder, state: State, value: DictRef) -> Iterator[Abstract] | None:
        return iter(self.walked(state, value))

    def set_item(self, ev: Machine, state: State, value: DictRef, key: Abstract, given: Abstract) -> None:
        if not isinstance(key, Const):
            super().set_item(ev, state, value, key, given)
            return
        state.heap[value.ident] = {**self.contents(state, value), host.key(ev.b, key): given}


class DictViewKind(WalkedKind[DictView]):
    def contents(self, state: State, value: DictView) -> dict[Any, Abstract]:
        contents: dict[Any, Abstract] = iterators.heap_object(state, value.owner)
        return contents

    def as_object(self, b: Builder, state: State, value: DictView) -> Any:
        return getattr(kind.of(value.owner).as_object(b, state, value.owner), value.kind)()

    def walked(self, state: State, value: DictView) -> Sequence[Abstract]:
        contents = self.contents(state, value)
        if value.kind == "keys":
            return [Const(key) for key in contents]
        if value.kind == "values":
            return list(contents.values())
        return [sequences.tuple_of([Const(key), item]) for key, item in contents.items()]

    def items(self, b: Builder, state: State, value: DictView) -> Iterator[Abstract] | None:
        return iter(self.walked(state, value))


KINDS: Final[Kinds] = {DictRef: DictKind(), DictView: DictViewKind()}
