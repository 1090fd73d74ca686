"""The kinds of the hook's first argument, its groups of fields, and its pointers to the packet."""

from __future__ import annotations

from typing import Final

from ....exception import UnsupportedSyntax
from ...ir.values import Value, const
from .. import addresses, contexts, packets, stores
from ..builder import Builder
from ..kind import Args, Kinds, Kwargs, Object
from ..layout import members
from ..machine import Machine
from ..state import State
from ..values import Abstract, Context, ContextFields, PacketEdge, Ref


class ContextKind(Object[Context]):
    def identical(self, ev: Machine, value: Context, other: Abstract) -> Value | None:
        return const(1) if isinstance(other, Context) else None

    def address(self, ev: Machine, value: Context) -> Ref:
        raise addresses.given_whole(value)

    def method(self, ev: Machine, state: State, value: Context, name: str, args: Args, kwargs: Kwargs) -> Abstract:
        return packets.view(ev, value, args, kwargs)

    def attribute(self, ev: Machine, state: State, value: Context, name: str) -> Abstract:
        return contexts.attribute(ev, value, name)

    def set_attribute(self, ev: Machine, state: State, value: Context, name: str, given: Abstract) -> None:
        if name in value.spec.fields:
            raise UnsupportedSyntax(
                0, f"the context's {name!r} is read-only", hints=("copy it to a variable, and change that",)
            )
        stores.store_member(ev.b, Ref(value.base, 0, value.spec.struct), name, given)

    def has_attribute(self, b: Builder, value: Context, name: str) -> bool:
        return name in value.spec.fields or name in members(value.spec.struct)

    def where_items_are(self, ev: Machine, value: Context, key: Abstract) -> tuple[str, ...]:
        return packets.how_to_read(ev, key)


class ContextFieldsKind(Object[ContextFields]):
    def item(self, ev: Machine, state: State, value: ContextFields, key: Abstract) -> Abstract:
        return contexts.item(ev, value, key)


class PacketEdgeKind(Object[PacketEdge]):
    def binary(
        self, ev: Machine, state: State, op: str, value: PacketEdge, other: Abstract, is_left: bool
    ) -> Abstract | None:
        return packets.distance(ev, value, other) if isinstance(other, PacketEdge) and op == "-" else None

    def where_items_are(self, ev: Machine, value: PacketEdge, key: Abstract) -> tuple[str, ...]:
        return packets.how_to_read(ev, key)


KINDS: Final[Kinds] = {Context: ContextKind(), ContextFields: ContextFieldsKind(), PacketEdge: PacketEdgeKind()}
