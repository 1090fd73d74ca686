"""Methods of maps inside a program, and numbers that programs can read about a map."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Final

from ...exception import TypeMismatch, UnsupportedSyntax
from ...spec import MapSpec
from ...uapi.map_types import Update, kind_of
from ..ir.ops import Op
from ..ir.types import I64, U64
from ..ir.values import Value, const
from . import arith, defaults, hints, losses, maps, nevers, objects, rings, user_rings
from .builder import Builder
from .values import NONE, Abstract, Const, Context, Lock, Map, OptionalInt

_CURRENT_CPU: Final = 0xFFFFFFFF


def _get(b: Builder, map: Map, args: tuple[Abstract, ...]) -> Abstract:
    only = maps.only_entry(b, map, args[0])
    if only is not None:
        return maps.number_at(b, only) if maps.is_number(map) else only
    found = maps.lookup(b, map, maps.key_address(b, map, args[0]))
    default = args[1] if len(args) > 1 else NONE
    if not maps.is_number(map):
        return defaults.object_or(b, maps.entry(found, map.spec), default)
    return _number_or(b, map, found, default)


def _delete(b: Builder, map: Map, args: tuple[Abstract, ...]) -> Abstract:
    maps.delete_item(b, map, args[0])
    return NONE


def _number_or(b: Builder, map: Map, found: Value, default: Abstract) -> Abstract:
    """The number at ``found``, or the default, which may be None, if ``found`` is null."""
    if not defaults.may_be_none(default):
        return arith.number(maps.present_or(b, map, found, lambda: arith.to_ir(b, default)), _boolean(map, default))
    other = default.value if isinstance(default, OptionalInt) else const(0)
    value = maps.present_or(b, map, found, lambda: other)
    there = b.compare(Op.NE, found, const(0))
    if isinstance(default, OptionalInt):
        there = b.emit(Op.OR, [there, arith.to_bool(b, default.present)], I64)
    boolean = _boolean(map, default) if isinstance(default, OptionalInt) else maps.holds_bools(map)
    return OptionalInt(there, value, boolean)


def _boolean(map: Map, default: Abstract) -> bool | None:
    """Whether an entry or the default is a bool in Python; None if that depends on the path."""
    known = default.boolean
    return known if known is maps.holds_bools(map) else None


def _setdefault(b: Builder, map: Map, args: tuple[Abstract, ...]) -> Abstract:
    address = maps.key_address(b, map, args[0])
    value = defaults.inserted(b, map.spec.value_type, args[1] if len(args) > 1 else NONE, maps.default_flags(map))
    maps.update(b, map, address, value, Update.NOEXIST)
    found = maps.lookup(b, map, address)
    if not maps.is_number(map):
        return maps.entry(found, map.spec)
    return arith.number(maps.present_or(b, map, found, lambda: const(maps.default_flags(map))), maps.holds_bools(map))


def _pop(b: Builder, map: Map, args: tuple[Abstract, ...]) -> Abstract:
    if kind_of(map.spec.kind).indexed:
        raise UnsupportedSyntax(0, "items of an array map can't be deleted", hints=("read it, then assign 0",))
    address = maps.key_address(b, map, args[0])
    found = maps.lookup(b, map, address)
    popped: Abstract
    if maps.is_number(map):
        popped = _number_or(b, map, found, args[1] if len(args) > 1 else Const(maps.default_flags(map)))
        if len(args) == 1:
            nevers.stand_in(b, popped, maps.default_flags(map), "m.pop(key, None) is None where the key is missing")
    else:
        popped = defaults.copy_or(b, maps.entry(found, map.spec), args[1] if len(args) > 1 else NONE)
    maps.call_helper(b, "map_delete_elem", [maps.pointer(b, map), address])
    return popped


def _add(b: Builder, map: Map, args: tuple[Abstract, ...]) -> Abstract:
    status = maps.update(b, map, maps.key_address(b, map, args[0]), args[1], Update.NOEXIST)
    return arith.from_bool(b.compare(Op.EQ, status, const(0)))


def _output(b: Builder, map: Map, args: tuple[Abstract, ...]) -> Abstract:
    if not kind_of(map.spec.kind).records:
        raise TypeMismatch(0, "this map takes no records", hints=("output() is a method of BpfQueue and RingBuffer",))
    if not isinstance(args[0], Context):
        raise TypeMismatch(
            0,
            f"output() takes the program's context first, but this is {args[0].describe()}",
            hints=("call it as queue.output(context, record)",),
        )
    record = objects.materialise(b, map.spec.data_type, args[1])
    size = const(ctypes.sizeof(map.spec.data_type))
    cpu = const(_CURRENT_CPU)
    cpu.type = U64
    values = [args[0].base, maps.pointer(b, map), cpu, objects.address_of(b, record), size]
    name = "perf_event_output"
    return arith.from_ir(losses.count_failure(b, map, maps.call_helper(b, name, values), losses.WRITING[name]))


def _lock(b: Builder, map: Map, args: tuple[Abstract, ...]) -> Abstract:
    """``map.lock(key)``."""
    if map.spec.lock_offset is None:
        raise TypeMismatch(
            0, "the values of this map have no spin lock",
            hints=("give the value's structure a field of type py2bpf.datastructures.SpinLock",),
        )  # fmt: skip
    return Lock(map, maps.key_address(b, map, args[0]))


def _reserve(b: Builder, map: Map, args: tuple[Abstract, ...]) -> Abstract:
    rings.check(map, "reserve")
    return rings.reserve(b, map, maps.pointer(b, map))


def _submit(b: Builder, map: Map, args: tuple[Abstract, ...]) -> Abstract:
    rings.check(map, "submit")
    return rings.submit(b, map, lambda: maps.pointer(b, map), args[0])


def _discard(b: Builder, map: Map, args: tuple[Abstract, ...]) -> Abstract:
    rings.check(map, "discard")
    return rings.discard(b, map, args[0])


def _receive(b: Builder, map: Map, args: tuple[Abstract, ...]) -> Abstract:
    user_rings.check(map)
    return user_rings.receive(b, map, maps.pointer(b, map))


METHODS: Final[dict[str, tuple[Callable[[Builder, Map, tuple[Abstract, ...]], Abstract], int, int]]] = {
    "get": (_get, 1, 2),
    "setdefault": (_setdefault, 1, 2),
    "pop": (_pop, 1, 2),
    "add": (_add, 2, 2),
    "lock": (_lock, 1, 1),
    "output": (_output, 2, 2),
    "reserve": (_reserve, 0, 0),
    "submit": (_submit, 1, 1),
    "discard": (_discard, 1, 1),
    "receive": (_receive, 0, 0),
    "lookup": (_get, 1, 1),
    "delete": (_delete, 1, 1),
}
"""Methods that programs may call: handler, fewest and most arguments."""


_OTHER_NAMES: Final = ("lookup", "delete")
"""The names that the original py2bpf of 2017 had for get() and ``del m[key]``."""


def _waiting(b: Builder, map: Map) -> Abstract | None:
    return rings.waiting(b, maps.pointer(b, map)) if kind_of(map.spec.kind).ring else None


NUMBERS: Final[dict[str, Callable[[Builder, Map], Abstract | None]]] = {"lost": losses.number, "waiting": _waiting}
"""Numbers that programs read from a map's present state; a function gives None for maps without the number."""


SIGNATURES: Final = {
    "get": "m.get(key) or m.get(key, default)",
    "lookup": "m.get(key)",
    "delete": "del m[key]",
    "setdefault": "m.setdefault(key, value)",
    "pop": "m.pop(key) or m.pop(key, default)",
    "add": "m.add(key, value)",
    "lock": "with m.lock(key) as entry: ...",
    "output": "queue.output(context, record)",
    "reserve": "ring.reserve()",
    "submit": "ring.submit(record)",
    "discard": "ring.discard(record)",
    "receive": "ring.receive()",
}


def known_methods(spec: MapSpec) -> list[str]:
    """The names of the methods that programs may call on such a map."""
    return [*kind_of(spec.kind).methods, *(["lock"] if spec.lock_offset is not None else [])]


def understood_methods(spec: MapSpec) -> list[str]:
    """The known methods, and their other names."""
    names = known_methods(spec)
    return [*names, *_OTHER_NAMES] if "get" in names else names


def call_method(b: Builder, map: Map, name: str, args: tuple[Abstract, ...]) -> Abstract:
    if name == "output" and kind_of(map.spec.kind).ring:
        return rings.output(b, map, maps.pointer(b, map), args)
    handler, fewest, most = METHODS[name]
    if not fewest <= len(args) <= most:
        raise TypeMismatch(
            0,
            f".{name}() takes {hints.arguments(fewest, most)}, but {len(args)} are given",
            hints=(f"call it as {SIGNATURES[name]}",),
        )
    return handler(b, map, args)
