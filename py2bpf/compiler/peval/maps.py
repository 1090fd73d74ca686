"""Maps inside a program: items, methods, updates in place."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Final

from ...exception import TypeMismatch, UnsupportedSyntax
from ...spec import MapSpec
from ...uapi.helpers import HELPERS
from ...uapi.map_types import MapType, kind_of
from ..ir.ops import Op
from ..ir.types import I64, U64, Ptr, Region, join_ints
from ..ir.values import Block, Value, const
from . import (
    arith,
    block_ends,
    defaults,
    hints,
    locks,
    losses,
    memory,
    nevers,
    objects,
    paddings,
    places,
    rings,
    scalars,
    stores,
    user_rings,
)
from .builder import Builder
from .layout import Scalar, has_padding, scalar
from .naming import short, type_name
from .values import GLOBAL_HINT, NONE, TRUE, Abstract, Const, Context, Lock, Map, Option, Ref

_ANY, _NOEXIST, _LOCK = 0, 1, 4
_CURRENT_CPU: Final = 0xFFFFFFFF
_MAP: Final = Ptr(Region.MAP)
ATOMIC: Final = {"+": Op.ADD, "-": Op.SUB, "&": Op.AND, "|": Op.OR, "^": Op.XOR}


def pointer(b: Builder, map: Map) -> Value:
    """The map as a helper's argument."""
    locks.check_hook(b, map.spec)
    if getattr(map.obj, "closed", False):
        raise TypeMismatch(0, "this map is closed", hints=("keep it open until the program is loaded",))
    return b.emit(Op.MAP, [], _MAP, b.map_number(map.obj, map.spec))


def value(b: Builder, map: Map) -> Ref:
    """The value of an array of one entry, where it lies: no look-up is needed (Linux 5.2)."""
    number = pointer(b, map).attr
    return entry(b.emit(Op.MAPVALUE, [], Ptr(Region.VALUE, False, map.spec), number), map.spec)


def entry(found: Value, spec: MapSpec) -> Ref:
    """What a look-up found, None where that is null. A char array in a map is text."""
    return memory.as_text(Ref(found, 0, spec.value_type))


def _only_entry(b: Builder, map: Map, key: Abstract) -> Ref | None:
    """The value at a constant key of an array that has no other. (Of larger arrays the kernel gives no address.)"""
    constant = isinstance(key, Const) and isinstance(key.obj, int) and key.obj == 0
    if kind_of(map.spec.kind).addressed and map.spec.max_entries == 1 and not map.spec.is_global and constant:
        return value(b, map)
    return None


def _number_at(b: Builder, ref: Ref) -> Abstract:
    kind = scalar(ref.ctype)
    assert kind is not None
    return arith.from_ir(scalars.load(b, ref.base, ref.offset, kind))


def _call(b: Builder, name: str, args: list[Value], type: Ptr | None = None) -> Value:
    return b.emit(Op.CALL, args, type or I64, HELPERS[name])


def key_address(b: Builder, map: Map, key: Abstract) -> Value:
    """The key in memory; an LPM trie's is the address under a full prefix length."""
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
    """A constant key that its type can't hold would be another key."""
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


def _check_index(map: Map, key: Abstract) -> None:
    """Writing behind the end of an array map would do nothing, without a word."""
    constant = key.obj if isinstance(key, Const) and isinstance(key.obj, int) else 0
    if kind_of(map.spec.kind).indexed and constant >= map.spec.max_entries:
        raise TypeMismatch(
            0,
            f"index {constant} is out of the bounds of this array map",
            hints=(f"its indices are 0 to {map.spec.max_entries - 1}",),
        )


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
    return _call(b, "map_lookup_elem", [pointer(b, map), key], Ptr(Region.VALUE, True, map.spec))


def _update(b: Builder, map: Map, key: Value, value: Abstract, flags: int) -> Value:
    if map.spec.lock_offset is not None:
        flags |= _LOCK
    place = objects.materialise(b, map.spec.value_type, value)
    status = _call(b, "map_update_elem", [pointer(b, map), key, objects.address_of(b, place), const(flags)])
    return losses.count_refused(b, map, status, losses.NOT_LOST[:1] if flags & _NOEXIST else ())


def _default(map: Map) -> int:
    return map.spec.default or 0


def _is_number(map: Map) -> bool:
    return scalar(map.spec.value_type) is not None


def _present_or(b: Builder, map: Map, found: Value, missing: Callable[[], Value]) -> Value:
    """The number at ``found``, or what ``missing()`` gives if that is null."""
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
    """``m[k]``: missing, the default for a number, None for a struct."""
    only = _only_entry(b, map, key)
    if only is not None:
        return _number_at(b, only) if _is_number(map) else only
    found = lookup(b, map, key_address(b, map, key))
    if not _is_number(map):
        return entry(found, map.spec)
    number = arith.number(_present_or(b, map, found, lambda: const(_default(map))), _holds_bools(map))
    return nevers.stand_in(b, number, _default(map), "m.get(key) is None where the key is missing")


def set_item(b: Builder, map: Map, key: Abstract, value: Abstract) -> None:
    """``m[k] = v``."""
    _check_index(map, key)
    only = _only_entry(b, map, key)
    if only is not None:
        stores.store(b, only, places.entry(b, map.spec.value_type, value))
    elif kind_of(map.spec.kind).indexed and _is_number(map):
        _store_number(b, map, key, value)
    else:
        _update(b, map, key_address(b, map, key), value, _ANY)


def _store_number(b: Builder, map: Map, key: Abstract, value: Abstract) -> None:
    """Into an array, where every index within its bounds is there: the verifier makes the look-up a few
    instructions, which an update never is."""
    if isinstance(value, Option):
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
    """``del m[k]``; a missing key stays missing."""
    if kind_of(map.spec.kind).indexed:
        raise UnsupportedSyntax(0, "items of an array map can't be deleted", hints=("assign 0 instead",))
    _call(b, "map_delete_elem", [pointer(b, map), key_address(b, map, key)])


def contains(b: Builder, map: Map, key: Abstract) -> Abstract:
    """``k in m``."""
    if _only_entry(b, map, key) is not None:
        return TRUE
    return arith.from_bool(b.compare(Op.NE, lookup(b, map, key_address(b, map, key)), const(0)))


def update_item(b: Builder, map: Map, key: Abstract, op: str, operand: Abstract) -> None:
    """``m[k] op= v`` without losing an update: atomically on the entry, which is inserted first where it is
    missing. (Whoever inserts it, the second look-up finds it.) What Python would raise comes before the insertion."""
    _check_index(map, key)
    only = _only_entry(b, map, key)
    if only is not None:
        update_in_place(b, only, op, operand)
        return
    address = key_address(b, map, key)
    operand = arith.settled(b, operand)
    found = lookup(b, map, address)
    change, done = Block(), Block()
    if kind_of(map.spec.kind).indexed:
        b.branch(found, change, done)
        place = found
    else:
        insert, again = Block(), Block()
        b.branch(found, again, insert)
        b.start(insert)
        _update(b, map, address, Const(_default(map)), _NOEXIST)
        second, inserted = lookup(b, map, address), b.block
        b.jump(again)
        b.start(again)
        place = b.phi(again, _in_order(again, {inserted: second}, found), Ptr(Region.VALUE, True, map.spec))
        b.branch(place, change, done)
    b.start(change)
    b.checked.add(place)
    update_in_place(b, Ref(place, 0, map.spec.value_type), op, operand)
    b.jump(done)
    b.start(done)


def _in_order(target: Block, known: dict[Block, Value], other: Value) -> list[Value]:
    return [known.get(pred, other) for pred in target.preds]


def is_shared(ref: Ref) -> bool:
    """Whether others may change the object meanwhile: an entry of a map that isn't per CPU."""
    spec = ref.ptr.spec
    return ref.ptr.region is Region.VALUE and not (spec is not None and spec.per_cpu)


def can_be_atomic(ref: Ref) -> bool:
    """Whether BPF has atomic operations on such an integer."""
    kind = scalar(ref.ctype)
    return kind is not None and kind.size >= 4 and not kind.swapped and ref.offset % kind.size == 0


def _instead_of_atomic(ref: Ref, kind: Scalar) -> tuple[str, ...]:
    if kind.size < 4 or kind.swapped:
        return ("BPF adds atomically to 32 and 64 bits in host order: use those, a per-CPU map, or a SpinLock",)
    needed = f"BPF adds atomically to {8 * kind.size} bits at a multiple of {kind.size} bytes"
    return (
        f"{needed}, and this number lies at byte {ref.offset} of a packed structure",
        "don't pack it, put the number where it is aligned, or use a per-CPU map or a SpinLock",
    )


def update_in_place(b: Builder, ref: Ref, op: str, operand: Abstract) -> None:
    """``number op= operand`` in memory; atomic where others see it."""
    kind = scalar(ref.ctype)
    if kind is None or kind.kind != "int":
        raise TypeMismatch(0, f"{op}= needs an integer, but this is a {type_name(ref.ctype)}",
                           hints=("change one of its fields or items, or assign a whole one",))  # fmt: skip
    ir = arith.to_ir(b, operand, f"{op}= needs an integer")
    if not is_shared(ref):
        old = scalars.load(b, ref.base, ref.offset, kind)
        scalars.store(b, ref.base, ref.offset, kind, arith.emit_binary(b, ATOMIC[op], old, ir))
        return
    if not can_be_atomic(ref):
        raise TypeMismatch(
            0, f"{op}= on a shared {type_name(ref.ctype)} can't be made atomic",
            hints=_instead_of_atomic(ref, kind),
        )  # fmt: skip
    if op not in "+-" and not b.target.atomic_alu:
        raise UnsupportedSyntax(
            0,
            f"{op}= on a shared map value needs a kernel with atomic {ATOMIC[op].value} (Linux 5.12)",
            hints=("use a per-CPU map, or += and -=",),
        )
    if op == "-":
        ir = b.emit(Op.NEG, [ir], ir.type)
    b.guard_not_null(ref.base)
    b.emit(Op.ATOMIC, [ref.base, ir], attr=(ref.offset, kind.size, Op.ADD if op == "-" else ATOMIC[op]))


# methods: (builder, map, positional arguments) -> value


def _get(b: Builder, map: Map, args: tuple[Abstract, ...]) -> Abstract:
    only = _only_entry(b, map, args[0])
    if only is not None:
        return _number_at(b, only) if _is_number(map) else only
    found = lookup(b, map, key_address(b, map, args[0]))
    default = args[1] if len(args) > 1 else NONE
    if not _is_number(map):
        return defaults.object_or(b, entry(found, map.spec), default)
    return _number_or(b, map, found, default)


def _delete(b: Builder, map: Map, args: tuple[Abstract, ...]) -> Abstract:
    delete_item(b, map, args[0])
    return NONE


def _number_or(b: Builder, map: Map, found: Value, default: Abstract) -> Abstract:
    """The number at ``found``, or the default, which may be None, where that is null."""
    if not defaults.may_be_none(default):
        return arith.number(_present_or(b, map, found, lambda: arith.to_ir(b, default)), _boolean(map, default))
    other = default.value if isinstance(default, Option) else const(0)
    value = _present_or(b, map, found, lambda: other)
    there = b.compare(Op.NE, found, const(0))
    if isinstance(default, Option):
        there = b.emit(Op.OR, [there, arith.to_bool(b, default.present)], I64)
    return Option(there, value, _boolean(map, default) if isinstance(default, Option) else _holds_bools(map))


def _boolean(map: Map, default: Abstract) -> bool | None:
    """Whether an entry or the default is a bool in Python, None where that depends on the path."""
    known = default.boolean
    return known if known is _holds_bools(map) else None


def _holds_bools(map: Map) -> bool:
    kind = scalar(map.spec.value_type)
    return kind is not None and kind.kind == "bool"


def _setdefault(b: Builder, map: Map, args: tuple[Abstract, ...]) -> Abstract:
    address = key_address(b, map, args[0])
    value = defaults.inserted(b, map.spec.value_type, args[1] if len(args) > 1 else NONE, _default(map))
    _update(b, map, address, value, _NOEXIST)
    found = lookup(b, map, address)
    if not _is_number(map):
        return entry(found, map.spec)
    return arith.number(_present_or(b, map, found, lambda: const(_default(map))), _holds_bools(map))


def _pop(b: Builder, map: Map, args: tuple[Abstract, ...]) -> Abstract:
    if kind_of(map.spec.kind).indexed:
        raise UnsupportedSyntax(0, "items of an array map can't be deleted", hints=("read it, then assign 0",))
    address = key_address(b, map, args[0])
    found = lookup(b, map, address)
    popped: Abstract
    if _is_number(map):
        popped = _number_or(b, map, found, args[1] if len(args) > 1 else Const(_default(map)))
        if len(args) == 1:
            nevers.stand_in(b, popped, _default(map), "m.pop(key, None) is None where the key is missing")
    else:
        popped = defaults.copy_or(b, entry(found, map.spec), args[1] if len(args) > 1 else NONE)
    _call(b, "map_delete_elem", [pointer(b, map), address])
    return popped


def _add(b: Builder, map: Map, args: tuple[Abstract, ...]) -> Abstract:
    status = _update(b, map, key_address(b, map, args[0]), args[1], _NOEXIST)
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
    values = [args[0].base, pointer(b, map), cpu, objects.address_of(b, record), size]
    name = "perf_event_output"
    return arith.from_ir(losses.count_failure(b, map, _call(b, name, values), losses.WRITING[name]))


def _lock(b: Builder, map: Map, args: tuple[Abstract, ...]) -> Abstract:
    """``map.lock(key)``."""
    if map.spec.lock_offset is None:
        raise TypeMismatch(
            0, "the values of this map have no spin lock",
            hints=("give the value's structure a field of type py2bpf.datastructures.SpinLock",),
        )  # fmt: skip
    return Lock(map, key_address(b, map, args[0]))


def _reserve(b: Builder, map: Map, args: tuple[Abstract, ...]) -> Abstract:
    rings.check(map, "reserve")
    return rings.reserve(b, map, pointer(b, map))


def _submit(b: Builder, map: Map, args: tuple[Abstract, ...]) -> Abstract:
    rings.check(map, "submit")
    return rings.submit(b, map, lambda: pointer(b, map), args[0])


def _discard(b: Builder, map: Map, args: tuple[Abstract, ...]) -> Abstract:
    rings.check(map, "discard")
    return rings.discard(b, map, args[0])


def _receive(b: Builder, map: Map, args: tuple[Abstract, ...]) -> Abstract:
    user_rings.check(map)
    return user_rings.receive(b, map, pointer(b, map))


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
"""What the original of 2017 called get() and ``del m[key]``."""

def _waiting(b: Builder, map: Map) -> Abstract | None:
    return rings.waiting(b, pointer(b, map)) if kind_of(map.spec.kind).ring else None


NUMBERS: Final[dict[str, Callable[[Builder, Map], Abstract | None]]] = {"lost": losses.number, "waiting": _waiting}
"""What programs read of a map as it is at that moment; None for maps without it."""

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
    """The names of the methods that programs may call of such a map."""
    return [*kind_of(spec.kind).methods, *(["lock"] if spec.lock_offset is not None else [])]


def understood_methods(spec: MapSpec) -> list[str]:
    """Those, and by what other names they may be called."""
    names = known_methods(spec)
    return [*names, *_OTHER_NAMES] if "get" in names else names


def call_method(b: Builder, map: Map, name: str, args: tuple[Abstract, ...]) -> Abstract:
    if name == "output" and kind_of(map.spec.kind).ring:
        return rings.output(b, map, pointer(b, map), args)
    handler, fewest, most = METHODS[name]
    if not fewest <= len(args) <= most:
        raise TypeMismatch(
            0,
            f".{name}() takes {hints.arguments(fewest, most)}, but {len(args)} are given",
            hints=(f"call it as {SIGNATURES[name]}",),
        )
    return handler(b, map, args)
