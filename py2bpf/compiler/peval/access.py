"""Attributes and items: a user's class is asked first, then the kind of the value."""

from __future__ import annotations

from typing import Any

from ...fields import is_field
from ..ir.types import Region
from . import classes, indices, kind, maps, memory, overrides, slices, special
from .layout import is_array, is_record, members, scalar
from .machine import Machine
from .state import State
from .values import Abstract, Map, Ref


def load_attr(ev: Machine, state: State, owner: Abstract, name: str) -> Abstract:
    """``owner.name``."""
    return kind.of(owner).attribute(ev, state, owner, name)


def store_attr(ev: Machine, state: State, owner: Abstract, name: str, value: Abstract) -> None:
    """``owner.name = value``."""
    kind.of(owner).set_attribute(ev, state, owner, name, value)


def get_item(ev: Machine, state: State, container: Abstract, key: Abstract) -> Abstract:
    """``container[key]``."""
    own = special.ask(ev, state, "__getitem__", container, key)
    return kind.of(container).item(ev, state, container, _key(ev, container, key)) if own is None else own


def set_item(ev: Machine, state: State, container: Abstract, key: Abstract, value: Abstract) -> None:
    """``container[key] = value``."""
    if (own := special.method_of(ev, container, "__setitem__")) is not None:
        special.call(ev, state, own, container, key, value)
    else:
        kind.of(container).set_item(ev, state, container, _key(ev, container, key), value)


def delete_item(ev: Machine, state: State, container: Abstract, key: Abstract) -> None:
    """``del container[key]``."""
    if (own := special.method_of(ev, container, "__delitem__")) is not None:
        special.call(ev, state, own, container, key)
    else:
        kind.of(container).delete_item(ev, state, container, _key(ev, container, key))


def _key(ev: Machine, container: Abstract, key: Abstract) -> Abstract:
    """The key; an object with ``__index__`` as the number that it stands for."""
    return indices.number(ev.b, key) if kind.of(container).numbered else key


# places in memory


def attr_place(ev: Machine, owner: Abstract, name: str) -> Ref | None:
    """The place of the number ``owner.name``, for addrof(); None if it isn't a number in the program's memory."""
    if isinstance(owner, Map) and owner.is_value(name):
        return _number(maps.value(ev.b, owner))
    if not isinstance(owner, Ref) or owner.ptr.region is Region.CTX:
        return None
    if is_record(owner.ctype) and has_field(owner.ctype, name):
        ev.b.guard_not_null(owner.base)
        return _number(memory.member_place(owner, name))
    return owner if name == "value" and scalar(owner.ctype) is not None else None


def item_place(ev: Machine, container: Abstract, key: Abstract) -> Ref | None:
    """The place of the array item ``container[key]``; see attr_place."""
    if not isinstance(container, Ref) or container.ptr.region is Region.CTX or not is_array(container.ctype):
        return None
    if slices.is_slice(key) or overrides.own(container, "__getitem__") is not None:
        return None
    return _number(memory.index(ev.b, container, indices.number(ev.b, key)))


def has_field(ctype: Any, name: str) -> bool:
    """Whether a struct has a field of that name which its class doesn't redefine."""
    return name in members(ctype) and is_field(classes.lookup(ctype, name)[1])


def _number(place: Ref) -> Ref | None:
    return place if scalar(place.ctype) is not None else None
