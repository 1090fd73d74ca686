"""Augmented assignment to attributes and items: a read and a write, or one atomic operation in shared memory."""

from __future__ import annotations

from . import access, indices, kind, overrides
from .builder import Builder
from .machine import Machine
from .state import State
from .values import Abstract, AugmentedAttr, AugmentedItem, Update


def updates_in_place(b: Builder, owner: Abstract, name: str) -> bool:
    """Whether ``owner.name op= v`` must be one atomic operation."""
    return kind.of(owner).attribute_is_shared(b, owner, name)


def item_updates_in_place(b: Builder, container: Abstract) -> bool:
    """Whether ``container[key] op= v`` must be one atomic operation."""
    if overrides.own(container, "__setitem__") or overrides.own(container, "__getitem__"):
        return False
    return kind.of(container).item_is_shared(b, container)


def settled(ev: Machine, state: State, value: Abstract) -> Abstract:
    """The value itself: emits a pending read of an augmented assignment."""
    if isinstance(value, AugmentedItem):
        return access.get_item(ev, state, value.container, value.key)
    if isinstance(value, AugmentedAttr):
        return access.load_attr(ev, state, value.owner, value.name)
    return value


def update(ev: Machine, change: Update) -> None:
    """Emits a pending in-place update."""
    target = change.target
    if isinstance(target, AugmentedAttr):
        kind.of(target.owner).update_attribute(ev.b, target.owner, target.name, change.op, change.operand)
    else:
        assert isinstance(target, AugmentedItem)
        key, container = indices.number(ev.b, target.key), target.container
        kind.of(container).update_item(ev.b, container, key, change.op, change.operand)
