"""Augmented assignment to attributes and items: a read and a write, or one atomic step where memory is shared."""

from __future__ import annotations

from ...exception import TypeMismatch, UnsupportedSyntax
from ...uapi.map_types import kind_of
from . import access, captured, indices, locks, maps, memory, overrides
from .builder import Builder
from .layout import is_array, is_record, members, scalar
from .machine import Machine
from .state import State
from .values import Abstract, AugmentedAttr, AugmentedItem, Const, Map, Ref, Update


def updates_in_place(b: Builder, owner: Abstract, name: str) -> bool:
    """Whether ``owner.name op= v`` must be one atomic step. Under the entry's lock it need not be, and where BPF has
    no such step it is none."""
    if isinstance(owner, Map) and owner.is_value(name):
        whole = scalar(owner.spec.value_type)
        return whole is not None and whole.kind == "int"
    if not isinstance(owner, Ref) or not maps.is_shared(owner) or not is_record(owner.ctype):
        return False
    if not access.has_field(owner.ctype, name):
        return False
    member = members(owner.ctype)[name]
    locked = locks.protects(b, owner)
    if member.bits is not None:
        if locked:
            return False
        raise TypeMismatch(0, "a bit field of a shared map value can't be changed atomically",
                           hints=("use a whole c_uint32 or c_uint64 field, a per-CPU map, or a SpinLock",))  # fmt: skip
    place = Ref(owner.base, owner.offset + member.offset, member.ctype)
    kind = scalar(member.ctype)
    return kind is not None and kind.kind == "int" and (maps.can_be_atomic(place) or not locked)


def item_updates_in_place(b: Builder, container: Abstract) -> bool:
    """Whether ``container[key] op= v`` must be one atomic step."""
    if overrides.own(container, "__setitem__") or overrides.own(container, "__getitem__"):
        return False
    if isinstance(container, Const):  # before the read, which may end the program
        captured.refuse_change(container.obj)
    if isinstance(container, Map):
        if kind_of(container.spec.kind).prefixes:
            raise UnsupportedSyntax(
                0,
                "an augmented assignment would read the longest prefix, but write the whole address",
                hints=("make the values structs: entry = m[address]; if entry: entry.packets += 1",),
            )
        kind = scalar(container.spec.value_type)
        return kind is not None and kind.kind == "int"
    if not isinstance(container, Ref) or not maps.is_shared(container) or not is_array(container.ctype):
        return False
    kind = scalar(container.ctype._type_)
    atomic = maps.can_be_atomic(Ref(container.base, container.offset, container.ctype._type_))
    return kind is not None and kind.kind == "int" and (atomic or not locks.protects(b, container))


def settled(ev: Machine, state: State, value: Abstract) -> Abstract:
    """The value itself: a pending read of an augmented assignment is made now."""
    if isinstance(value, AugmentedItem):
        return access.get_item(ev, state, value.container, value.key)
    if isinstance(value, AugmentedAttr):
        return access.load_attr(ev, state, value.owner, value.name)
    return value


def update(ev: Machine, state: State, change: Update) -> None:
    """Carries out a pending in-place update."""
    target = change.target
    if isinstance(target, AugmentedAttr) and isinstance(target.owner, Map):
        maps.update_in_place(ev.b, maps.value(ev.b, target.owner), change.op, change.operand)
    elif isinstance(target, AugmentedAttr):
        assert isinstance(target.owner, Ref)
        member = memory.member(target.owner.ctype, target.name)
        place = Ref(target.owner.base, target.owner.offset + member.offset, member.ctype)
        maps.update_in_place(ev.b, place, change.op, change.operand)
    elif isinstance(target, AugmentedItem) and isinstance(target.container, Map):
        maps.update_item(ev.b, target.container, indices.number(ev.b, target.key), change.op, change.operand)
    else:
        assert isinstance(target, AugmentedItem) and isinstance(target.container, Ref)
        place = memory.index(ev.b, target.container, indices.number(ev.b, target.key))
        maps.update_in_place(ev.b, place, change.op, change.operand)
