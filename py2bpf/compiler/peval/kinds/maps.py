"""Maps, and locks of their entries."""

from __future__ import annotations

import inspect
from typing import Any, Final

from ....exception import TypeMismatch, UnsupportedSyntax
from ....uapi.map_types import kind_of
from ...ir.values import Value
from .. import addresses, arith, hints, host, map_methods, map_updates, maps, memory, overrides, places, rings, stores
from ..builder import Builder
from ..kind import Args, Kind, Kinds, Kwargs, Object
from ..layout import is_integer
from ..machine import Machine
from ..state import State
from ..values import GLOBAL_HINT, NONE, Abstract, Bound, Const, Lock, Map, Method, Ref, Unlock, wrap

_NO_WALK: Final = "programs can't iterate over maps; user space can, with m.items()"
_NOT_IN_PROGRAMS: Final = {
    "update": "write m[key] = value",
    "popitem": "write m.pop(key)",
    **dict.fromkeys(("items", "keys", "values", "clear", "get_items", "get_next_key", "pop_all"), _NO_WALK),
}
"""Methods of maps that only user space has, with what to do instead."""


class MapKind(Kind[Map]):
    no_items = (_NO_WALK,)
    no_length = "user space can count a map's items; programs can keep a count in another map"

    def truth(self, ev: Machine, state: State, value: Map) -> Value:
        if value.spec.is_global:
            raise TypeMismatch(0, "a Global is true whatever it holds", hints=GLOBAL_HINT)
        raise UnsupportedSyntax(
            0, "programs can't count a map's items", hints=("whether a key is in it, they can ask: key in m",)
        )

    def is_instance(self, ev: Machine, value: Map, classes: Any) -> Abstract:
        return Const(isinstance(value.obj, classes))

    def attribute(self, ev: Machine, state: State, value: Map, name: str) -> Abstract:
        if (own := overrides.own(value, name)) is not None:
            return Bound(Const(own), (value,))
        if value.is_value(name):
            return memory.load(ev.b, maps.value(ev.b, value))
        if name in map_methods.METHODS:
            return Method(value, name)
        if name in map_methods.NUMBERS and (number := map_methods.NUMBERS[name](ev.b, value)) is not None:
            return number
        found = inspect.getattr_static(value.obj, name, None)
        if found is None or callable(found):
            raise _no_attribute(value, name)
        return wrap(host.run(ev.b, f"reading .{name}", getattr, value.obj, name))

    def set_attribute(self, ev: Machine, state: State, value: Map, name: str, given: Abstract) -> None:
        if not value.is_value(name):
            super().set_attribute(ev, state, value, name, given)
            return
        stores.store(ev.b, maps.value(ev.b, value), places.entry(ev.b, value.spec.value_type, given))

    def contains(self, ev: Machine, state: State, value: Map, item: Abstract) -> Value:
        return arith.to_ir(ev.b, maps.contains(ev.b, value, item))

    def method(self, ev: Machine, state: State, value: Map, name: str, args: Args, kwargs: Kwargs) -> Abstract:
        if kwargs:
            args = rings.with_size(value, name, args, kwargs)
        return map_methods.call_method(ev.b, value, name, args)

    def item(self, ev: Machine, state: State, value: Map, key: Abstract) -> Abstract:
        return maps.get_item(ev.b, value, key)

    def set_item(self, ev: Machine, state: State, value: Map, key: Abstract, given: Abstract) -> None:
        maps.set_item(ev.b, value, key, given)

    def delete_item(self, ev: Machine, state: State, value: Map, key: Abstract) -> None:
        maps.delete_item(ev.b, value, key)

    def attribute_is_shared(self, b: Builder, value: Map, name: str) -> bool:
        return value.is_value(name) and self.item_is_shared(b, value)

    def item_is_shared(self, b: Builder, value: Map) -> bool:
        if kind_of(value.spec.kind).prefixes:
            raise UnsupportedSyntax(
                0,
                "an augmented assignment would read the longest prefix, but write the whole address",
                hints=("make the values structs: entry = m[address]; if entry: entry.packets += 1",),
            )
        return is_integer(value.spec.value_type)

    def update_attribute(self, b: Builder, value: Map, name: str, op: str, operand: Abstract) -> None:
        map_updates.update_in_place(b, maps.value(b, value), op, operand)

    def update_item(self, b: Builder, value: Map, key: Abstract, op: str, operand: Abstract) -> None:
        map_updates.update_item(b, value, key, op, operand)

    def address(self, ev: Machine, value: Map) -> Ref:
        raise addresses.given_whole(value)


def _no_attribute(map: Map, name: str) -> UnsupportedSyntax:
    """The error for an attribute that programs can't use."""
    if name in _NOT_IN_PROGRAMS:
        return UnsupportedSyntax(0, f"programs can't use .{name} of a map", hints=(_NOT_IN_PROGRAMS[name],))
    names = map_methods.known_methods(map.spec)
    items = "" if map.spec.data_type is not None else ", and m[key], in and del"
    known = hints.near(name, map_methods.understood_methods(map.spec), f"they can use {', '.join(names)}{items}")
    return UnsupportedSyntax(0, f"programs can't use .{name} of a map", hints=known)


class UnlockKind(Object[Unlock]):
    def call(self, ev: Machine, state: State, value: Unlock, args: Args, kwargs: Kwargs, unit: int) -> Abstract:
        ev.b.unlock()
        return NONE


KINDS: Final[Kinds] = {Map: MapKind(), Lock: Object(), Unlock: UnlockKind()}
