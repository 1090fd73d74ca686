"""Items of maps inside a program."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Final

from ...exception import TypeMismatch, UnsupportedSyntax
from ...spec import MapSpec
from ...uapi.helpers import HELPERS
from ...uapi.map_types import MapType, Update, kind_of
from ..ir.ops import Op
from ..ir.types import I64, Ptr, Region, join_ints
from ..ir.values import Block, Value, const
from . import arith, block_ends, locks, losses, memory, nevers, objects, paddings, places, scalars, stores
from .builder import Builder
from .layout import has_padding, scalar
from .naming import short, type_name
from .values import GLOBAL_HINT, TRUE, Abstract, Const, Map, OptionalInt, Ref

_MAP: Final = Ptr(Region.MAP)


def pointer(b: Builder, map: Map) -> Value:
    """The map as a helper's argument."""
    locks.check_hook(b, map.spec)
    if getattr(map.obj, "closed", False):
        raise TypeMismatch(0, "this map is closed", hints=("keep it open until the program is loaded",))
    return b.emit(Op.MAP, [], _MAP, b.map_number(map.obj, map.spec))


def value(b: Builder, map: Map) -> Ref:
    """The value of an array of one entry, by its address instead of a look-up (Linux 5.2)."""
    number = pointer(b, map).attr
    return entry(b.emit(Op.MAPVALUE, [], Ptr(Region.VALUE, False, map.spec), number), map.spec)


def entry(found: Value, spec: MapSpec) -> Ref:
    """The value that a look-up found, None if ``found`` is null. A char array in a map is text."""
    return memory.as_text(Ref(found, 0, spec.value_type))


def only_entry(b: Builder, map: Map, key: Abstract) -> Ref | None:
    """The value at the constant key 0 of an array of one entry. (The kernel gives no addresses into larger arrays.)"""
    constant = isinstance(key, Const) and isinstance(key.obj, int) and key.obj == 0
    if kind_of(map.spec.kind).addressed and map.spec.max_entries == 1 and not map.spec.is_global and constant:
        return value(b, map)
    return None


def number_at(b: Builder, ref: Ref) -> Abstract:
    kind = scalar(ref.ctype)
    assert kind is not None
    return arith.from_ir(scalars.load(b, ref.base, ref.offset, kind))


def call_helper(b: Builder, name: str, args: list[Value], type: Ptr | None = None) -> Value:
    return b.emit(Op.CALL, args, type or I64, HELPERS[name])


def key_address(b: Builder, map: Map, key: Abstract) -> Value:
    """The key in memory; for an LPM trie, the address with a full prefix length."""
    spec = map.spec
    if spec.is_global:
        raise TypeMismatch(0, "a Global has no items and no methods", hints=GLOBAL_HINT)
    if not kind_of(spec.kind).keyed:
        raise TypeMismatch(
            0,
            f"this map ({MapType(spec.kind).name}) has no items that a program can read or write",
            hints=(kind_of(spec.kind).instead,),
        )
    _check_constant(spec, key)
    if kind_of(spec.kind).prefixes:
        return _prefix(b, spec, key)
    return objects.address_of(b, objects.key(b, spec.key_type, key))


def _check_constant(spec: MapSpec, key: Abstract) -> None:
    """Refuses a constant key that the key type can't hold, since it would become another key."""
    kind = scalar(spec.key_type)
    if kind is None or kind.kind != "int" or not isinstance(key, Const) or not isinstance(key.obj, int):
        return
    bits = 8 * kind.size
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if kind.signed else (0, (1 << bits) - 1)
    if not low <= key.obj <= high:
        raise TypeMismatch(
            0,
            f"the key {short(key.obj)} does not fit a {type_name(spec.key_type)}",
            hints=(f"keys of this map are {low} to {high}",),
        )


def check_index(map: Map, key: Abstract) -> None:
    """Refuses to write behind the end of an array map, which would silently do nothing."""
    constant = key.obj if isinstance(key, Const) and isinstance(key.obj, int) else 0
    if kind_of(map.spec.kind).indexed and constant >= map.spec.max_entries:
        raise TypeMismatch(
            0,
            f"index {constant} is out of the bounds of this array map",
            hints=(f"its indices are 0 to {map.spec.max_entries - 1}",),
        )


def holds_bools(map: Map) -> bool:
    kind = scalar(map.spec.value_type)
    return kind is not None and kind.kind == "bool"


def _prefix(b: Builder, spec: MapSpec, address: Abstract) -> Value:
    size = ctypes.sizeof(spec.key_type)
    base = b.alloca(4 + size)
    if has_padding(spec.key_type):
        b.zero(base, 0, 4 + size)
    b.store(base, 0, 4, const(8 * size))
    place = Ref(base, 4, spec.key_type)
    stores.store(b, place, address)
    if not paddings.is_clean(b, place):
        paddings.clear(b, place)
    return base


def lookup(b: Builder, map: Map, key: Value) -> Value:
    """Pointer to the value, or null."""
    return call_helper(b, "map_lookup_elem", [pointer(b, map), key], Ptr(Region.VALUE, True, map.spec))


def update(b: Builder, map: Map, key: Value, value: Abstract, flags: int) -> Value:
    if map.spec.lock_offset is not None:
        flags |= Update.LOCK
    place = objects.materialise(b, map.spec.value_type, value)
    status = call_helper(b, "map_update_elem", [pointer(b, map), key, objects.address_of(b, place), const(flags)])
    return losses.count_refused(b, map, status, losses.NOT_LOST[:1] if flags & Update.NOEXIST else ())


def default_flags(map: Map) -> int:
    return map.spec.default or 0


def is_number(map: Map) -> bool:
    return scalar(map.spec.value_type) is not None


def present_or(b: Builder, map: Map, found: Value, missing: Callable[[], Value]) -> Value:
    """The number at ``found``, or the result of ``missing()`` if ``found`` is null."""
    kind = scalar(map.spec.value_type)
    assert kind is not None
    there, absent, done = Block(), Block(), Block()
    b.branch(found, there, absent)
    b.start(there)
    b.checked.add(found)
    value = scalars.load(b, found, 0, kind)
    b.jump(done)
    b.start(absent)
    other = missing()
    type = join_ints(arith.int_type(value), arith.int_type(other))
    if value.type != type:
        value = block_ends.cast(there, value, type)
    other = arith.cast(b, other, type)
    b.jump(done)
    b.start(done)
    return b.phi(done, [value, other], type)


def get_item(b: Builder, map: Map, key: Abstract) -> Abstract:
    """``m[k]``; if the key is missing, the map's default for a number, None for a struct."""
    only = only_entry(b, map, key)
    if only is not None:
        return number_at(b, only) if is_number(map) else only
    found = lookup(b, map, key_address(b, map, key))
    if not is_number(map):
        return entry(found, map.spec)
    number = arith.number(present_or(b, map, found, lambda: const(default_flags(map))), holds_bools(map))
    return nevers.stand_in(b, number, default_flags(map), "m.get(key) is None where the key is missing")


def set_item(b: Builder, map: Map, key: Abstract, value: Abstract) -> None:
    """``m[k] = v``."""
    check_index(map, key)
    only = only_entry(b, map, key)
    if only is not None:
        stores.store(b, only, places.entry(b, map.spec.value_type, value))
    elif kind_of(map.spec.kind).indexed and is_number(map):
        store_number(b, map, key, value)
    else:
        update(b, map, key_address(b, map, key), value, Update.ANY)


def store_number(b: Builder, map: Map, key: Abstract, value: Abstract) -> None:
    """Stores a number into an array map, in which every valid index exists. The verifier turns a look-up into a few
    instructions, but never an update."""
    if isinstance(value, OptionalInt):
        value = arith.from_ir(arith.to_ir(b, value))
    found = lookup(b, map, key_address(b, map, key))
    there, done = Block(), Block()
    b.branch(found, there, done)
    b.start(there)
    b.checked.add(found)
    stores.store(b, Ref(found, 0, map.spec.value_type), value)
    b.jump(done)
    b.start(done)


def delete_item(b: Builder, map: Map, key: Abstract) -> None:
    """``del m[k]``; does nothing if the key is missing."""
    if kind_of(map.spec.kind).indexed:
        raise UnsupportedSyntax(0, "items of an array map can't be deleted", hints=("assign 0 instead",))
    call_helper(b, "map_delete_elem", [pointer(b, map), key_address(b, map, key)])


def contains(b: Builder, map: Map, key: Abstract) -> Abstract:
    """``k in m``."""
    if only_entry(b, map, key) is not None:
        return TRUE
    return arith.from_bool(b.compare(Op.NE, lookup(b, map, key_address(b, map, key)), const(0)))
