"""ctypes objects in the program's memory: making, reading, writing, copying, comparing."""

from __future__ import annotations

import ctypes
from typing import Any

from ... import padding
from ...exception import TypeMismatch, UnsupportedSyntax
from ...fields import declared
from ...spec import SpinLock
from ..ir.alignment import alignment
from ..ir.ops import Op
from ..ir.types import I64, U64, Ptr, Region
from ..ir.values import Value, const
from . import arith, contents, fits, hints, kind, locks, overlap, paddings, places, records
from .builder import Builder
from .layout import (
    Member,
    Scalar,
    has_padding,
    is_aggregate,
    is_array,
    is_chars,
    is_record,
    members,
    override,
    scalar,
)
from .naming import short, type_name
from .values import Abstract, Const, Ref, TupleOf


def new(b: Builder, ctype: Any, zero: bool = True) -> Ref:
    """A fresh object on the stack, all its bytes zero unless the caller writes each."""
    try:
        size = ctypes.sizeof(ctype)
    except TypeError as error:  # Structure and Array themselves
        raise TypeMismatch(
            0, f"{type_name(ctype)} has no fields or items", hints=("make a class of its own with _fields_",)
        ) from error
    base = b.alloca(size)
    paddings.made(b, ctype)
    if zero:
        b.zero(base, 0, size)
    return Ref(base, 0, ctype)


def construct(b: Builder, ctype: Any, args: tuple[Abstract, ...], kwargs: dict[str, Abstract]) -> Ref:
    """``ctype(*args, **kwargs)`` as ctypes does it."""
    ref = new(b, ctype)
    if is_record(ctype):
        check_plain(ctype)
        names = [field.name for field in declared(ctype)]
        if len(args) > len(names):
            raise TypeMismatch(
                0,
                f"{type_name(ctype)} has {hints.count(len(names), 'field')}, but {len(args)} values are given",
                hints=(f"its fields are {', '.join(names)}",),
            )
        if twice := [name for name in names[: len(args)] if name in kwargs]:
            raise TypeMismatch(0, f"{type_name(ctype)}() is given {twice[0]!r} twice, by its place and by its name",
                               hints=("leave one out",))  # fmt: skip
        for name, value in [*zip(names, args, strict=False), *kwargs.items()]:
            store_member(b, ref, name, value)
    elif kwargs:
        raise TypeMismatch(0, f"{type_name(ctype)}() takes no keyword arguments", hints=("give the values alone",))
    elif is_array(ctype):
        if is_chars(ctype) and len(args) == 1:
            store(b, ref, args[0])
        else:
            _store_items(b, ref, args)
    elif args:
        if len(args) > 1:
            raise TypeMismatch(
                0,
                f"{type_name(ctype)}() takes one value, but {len(args)} are given",
                hints=(f"an array of {len(args)} is made by ({type_name(ctype)} * {len(args)})(...)",),
            )
        store(b, ref, args[0])
    return ref


def check_plain(ctype: Any) -> None:
    """Raises UnsupportedSyntax where Python calls a method of the struct's class, and programs would go to memory."""
    if (name := override(ctype)) is not None:
        instead = "a function that makes one" if name in ("__init__", "__new__") else "a method with another name"
        raise UnsupportedSyntax(
            0, f"{type_name(ctype)} defines {name}(), which programs don't call", hints=(f"write {instead}",)
        )


def member(ctype: Any, name: str) -> Member:
    """The field of that name; the error names the nearest ones."""
    check_plain(ctype)
    table = members(ctype)
    if name in table and table[name].ctype is SpinLock:
        hint = "take it: with m.lock(key): ..."
        raise TypeMismatch(0, f"the spin lock {name!r} can't be read or written", hints=(hint,))
    if name not in table:
        known = hints.near(name, table, f"its fields are {', '.join(table) or 'none'}")
        raise TypeMismatch(0, f"{type_name(ctype)} has no field {name!r}", hints=known)
    found = table[name]
    if found.bits is not None and _scalar_of(found.ctype).kind == "bool":
        raise TypeMismatch(0, f"the bit field {name!r} is a c_bool, and ctypes puts that into the whole byte",
                           hints=("declare the bit field as a c_uint8",))  # fmt: skip
    if not 0 <= found.offset <= ctypes.sizeof(ctype) - ctypes.sizeof(found.ctype):
        raise _outside()
    return found


def load_member(b: Builder, ref: Ref, name: str) -> Abstract:
    """``ref.name``."""
    field = member(ref.ctype, name)
    if field.bits is None:
        return load(b, Ref(ref.base, ref.offset + field.offset, field.ctype, is_chars(field.ctype)))
    kind = _scalar_of(field.ctype)
    return arith.from_ir(_load_bits(b, ref.base, ref.offset + field.offset, kind, field.bits))


def member_place(ref: Ref, name: str) -> Ref:
    """Where ``ref.name`` is. Raises TypeMismatch for a bit field, which has no address."""
    field = member(ref.ctype, name)
    if field.bits is not None:
        raise TypeMismatch(0, f"the bit field {name!r} has no address",
                           hints=("give a variable's address, and assign the variable to the bit field",))  # fmt: skip
    return Ref(ref.base, ref.offset + field.offset, field.ctype)


def check_place(ref: Ref, what: str) -> None:
    """Raises TypeMismatch where something that ``what`` writes would be lost."""
    if ref.copied and scalar(ref.ctype) is None:
        raise TypeMismatch(
            0, f"{what} would write to a copy of what the kernel has",
            hints=(f"make an object of the program's own: ({type_name(ref.ctype._type_)} * {ref.ctype._length_})()",),
        )  # fmt: skip
    if ref.copied:
        raise TypeMismatch(
            0, f"{what} would write to a copy: the value that addrof() was given has no place in memory",
            hints=("give it a variable that is a number, a field or an item: n = 0, then addrof(n)",),
        )  # fmt: skip
    if ref.ptr.region is Region.CTX:
        raise TypeMismatch(
            0, f"{what} can't write into the context",
            hints=("give it an object of the program's own, and assign that to the context's",),
        )  # fmt: skip


def store_member(b: Builder, ref: Ref, name: str, value: Abstract) -> None:
    """``ref.name = value``."""
    field = member(ref.ctype, name)
    fits.check(ref.ctype, name, field, value)
    if field.bits is None:
        store(b, Ref(ref.base, ref.offset + field.offset, field.ctype), value)
        return
    kind = _scalar_of(field.ctype)
    ir = arith.to_ir(b, value, f"the bit field {name!r} needs an integer")
    _store_bits(b, ref.base, ref.offset + field.offset, kind, field.bits, ir)


def load(b: Builder, ref: Ref) -> Abstract:
    """What CPython gives for such a field: a number for a scalar, else the object itself."""
    kind = scalar(ref.ctype)
    if kind is None:
        if is_aggregate(ref.ctype):
            b.guard_not_null(ref.base)
            return ref
        raise _no_number(ref.ctype)
    if kind.kind == "char":
        b.guard_not_null(ref.base)
        return Ref(ref.base, ref.offset, ctypes.c_char)  # bytes of length 1
    ir = load_scalar(b, ref.base, ref.offset, kind)
    return arith.from_bool(arith.to_bool(b, ir)) if kind.kind == "bool" else arith.from_ir(ir)


def as_text(ref: Ref) -> Ref:
    """The same memory; of an array of chars what Python has as bytes."""
    return Ref(ref.base, ref.offset, ref.ctype, is_chars(ref.ctype), ref.copied)


def _scalar_of(ctype: Any) -> Scalar:
    kind = scalar(ctype)
    if kind is None:
        raise _no_number(ctype)
    return kind


def _no_number(ctype: Any) -> TypeMismatch:
    return TypeMismatch(
        0, f"{type_name(ctype)} is not a type that BPF programs can compute with", hints=hints.no_number(ctype)
    )


def load_scalar(b: Builder, base: Value, offset: int, kind: Scalar) -> Value:
    """The number in memory, widened."""
    if _misaligned(base, offset, kind.size):
        ir = _load_bytes(b, base, offset, kind)
    else:
        ir = b.load(base, offset, kind.size, kind.signed and not kind.swapped)
    if not kind.swapped:
        return ir
    ir = b.emit(Op.BSWAP, [ir], U64 if kind.size == 8 else I64, kind.size)
    return b.emit(Op.TRUNC, [ir], I64, (kind.size, True)) if kind.signed else ir


def narrowed(b: Builder, ir: Value, ctype: Any) -> Abstract:
    """The number of a C type in a register, whose other bits mean nothing."""
    kind = _scalar_of(ctype)
    if kind.size == 8:
        return arith.from_ir(b.emit(Op.CAST, [ir], I64) if kind.signed else arith.as_u64(b, ir))
    return arith.from_ir(b.emit(Op.TRUNC, [ir], I64, (kind.size, kind.signed)))


def store_scalar(b: Builder, base: Value, offset: int, kind: Scalar, ir: Value) -> None:
    """Writes the low bytes of a number."""
    if kind.kind == "bool":
        ir = arith.to_bool(b, ir)
    if kind.swapped:
        ir = b.emit(Op.BSWAP, [ir], U64 if kind.size == 8 else I64, kind.size)
    if not _misaligned(base, offset, kind.size):
        b.store(base, offset, kind.size, ir)
        return
    for i in range(kind.size):
        b.store(base, offset + i, 1, b.emit(Op.LSHR, [arith.as_u64(b, ir), const(8 * i)], U64))


def _misaligned(base: Value, offset: int, size: int) -> bool:
    """The verifier wants natural alignment on the stack, whatever the processor."""
    on_stack = isinstance(base.type, Ptr) and base.type.region is Region.STACK
    return on_stack and (offset % size != 0 or alignment(base) < size)


def _load_bytes(b: Builder, base: Value, offset: int, kind: Scalar) -> Value:
    type = U64 if kind.size == 8 else I64
    ir = b.load(base, offset, 1, False)
    for i in range(1, kind.size):
        part = b.emit(Op.SHL, [b.load(base, offset + i, 1, False), const(8 * i)], type)
        ir = b.emit(Op.OR, [ir, part], type)
    return b.emit(Op.TRUNC, [ir], I64, (kind.size, True)) if kind.signed and not kind.swapped else ir


def _check_bits(kind: Scalar, bits: tuple[int, int]) -> None:
    """Before 3.14 ctypes gives some bit fields of mixed types a place outside of their own type."""
    if sum(bits) > 8 * kind.size:
        raise _outside()


def _outside() -> TypeMismatch:
    return TypeMismatch(
        0,
        "this Python's ctypes puts the bit field outside of its type",
        hints=("give neighbouring bit fields the same type",),
    )


def _load_bits(b: Builder, base: Value, offset: int, kind: Scalar, bits: tuple[int, int]) -> Value:
    _check_bits(kind, bits)
    low, width = bits
    unit = Scalar(kind.size, False, "int", kind.swapped)
    ir = arith.as_u64(b, load_scalar(b, base, offset, unit))
    if not kind.signed:
        ir = b.emit(Op.AND, [b.emit(Op.LSHR, [ir, const(low)], U64), const((1 << width) - 1)], U64)
        return ir if width == 64 else b.emit(Op.CAST, [ir], I64)
    ir = b.emit(Op.CAST, [b.emit(Op.SHL, [ir, const(64 - low - width)], U64)], I64)
    return b.emit(Op.ASHR, [ir, const(64 - width)], I64)


def _store_bits(b: Builder, base: Value, offset: int, kind: Scalar, bits: tuple[int, int], ir: Value) -> None:
    _check_bits(kind, bits)
    low, width = bits
    mask = ((1 << width) - 1) << low
    unit = Scalar(kind.size, False, "int", kind.swapped)
    old = arith.as_u64(b, load_scalar(b, base, offset, unit))
    kept = b.emit(Op.AND, [old, const(~mask & ((1 << 64) - 1))], U64)
    moved = b.emit(Op.SHL, [arith.as_u64(b, ir), const(low)], U64)
    new_bits = b.emit(Op.AND, [moved, const(mask)], U64)
    store_scalar(b, base, offset, unit, b.emit(Op.OR, [kept, new_bits], U64))


def store(b: Builder, ref: Ref, value: Abstract, by_items: bool = False) -> None:
    """Assigns as ctypes does: numbers are truncated, arrays and structs are copied, bytes fill char arrays. What a
    tuple has is checked before anything is written, except ``by_items``, as in an assignment to a slice. An error says
    which value it is about."""
    try:
        _store(b, ref, value, by_items)
    except TypeMismatch as error:
        error.about = value
        raise


def _store(b: Builder, ref: Ref, value: Abstract, by_items: bool) -> None:
    number = scalar(ref.ctype)
    if number is not None:
        _store_number(b, ref, number, value)
    elif not kind.of(value).store_into(b, ref, value, by_items):
        raise _needed(ref.ctype, value)


def store_constant(b: Builder, ref: Ref, obj: Any) -> None:
    """The bytes of a captured object of the same type; zeros where it has padding."""
    contents.store_bytes(b, ref.base, ref.offset, padding.of(ref.ctype).cleared(bytes(obj)))


def store_raw(b: Builder, ref: Ref, value: Abstract) -> None:
    """``chars.raw = value``: the bytes alone, without a NUL."""
    if isinstance(value, Const) and isinstance(value.obj, bytes) and len(value.obj) <= ctypes.sizeof(ref.ctype):
        contents.store_bytes(b, ref.base, ref.offset, value.obj)
    else:
        store(b, ref, value)


def _needed(ctype: Any, value: Abstract) -> TypeMismatch:
    return TypeMismatch(
        0,
        f"a {type_name(ctype)} is needed here, but this is {value.describe()}",
        hints=hints.for_object(ctype, value),
    )


def _store_number(b: Builder, ref: Ref, kind: Scalar, value: Abstract) -> None:
    if isinstance(value, Const) and isinstance(value.obj, bytes) and kind.kind == "char" and len(value.obj) == 1:
        value = Const(value.obj[0])
    elif isinstance(value, Const) and isinstance(value.obj, ctypes._SimpleCData):
        value = Const(value.obj.value)
    elif isinstance(value, Ref) and scalar(value.ctype) == kind:
        value = arith.from_ir(load_scalar(b, value.base, value.offset, kind))
    if kind.kind == "bool":
        value = places.truth(b, value)
    if kind.kind == "pointer" and isinstance(value, Const) and value.obj is None:
        value = Const(0)
    ir = arith.to_ir(b, value, f"a {type_name(ref.ctype)} holds an integer")
    store_scalar(b, ref.base, ref.offset, kind, ir)


def store_object(b: Builder, ref: Ref, value: Ref) -> None:
    """Copies an object, into an array perhaps a shorter one."""
    locks.check_whole(ref)
    locks.check_whole(value)
    b.guard_not_null(value.base, "TypeError")
    size = ctypes.sizeof(ref.ctype)
    if value.ctype is not ref.ctype:
        same = is_array(ref.ctype) and is_array(value.ctype) and value.ctype._type_ is ref.ctype._type_
        shorter = is_chars(ref.ctype) and ctypes.sizeof(value.ctype) <= size  # which Python reads as bytes
        if not same or not (shorter or ctypes.sizeof(value.ctype) == size):
            raise _needed(ref.ctype, value)
        size = ctypes.sizeof(value.ctype)
    if Region.CTX in (ref.ptr.region, value.ptr.region):
        _copy_numbers(b, ref, value)
    else:
        if value.ptr.region is not Region.STACK:
            paddings.overwritten(b, ref.ctype)
        copy(b, ref, value, size)
        if size < ctypes.sizeof(ref.ctype):
            contents.end_text(b, ref, size)


def copy(b: Builder, target: Ref, source: Ref, size: int) -> None:
    """Copies ``size`` bytes, by way of others where the two may overlap."""
    if overlap.torn(target, source, size):
        place = b.alloca(size)
        b.copy(place, 0, source.base, source.offset, size)
        source = Ref(place, 0, source.ctype)
    b.copy(target.base, target.offset, source.base, source.offset, size)


def _copy_numbers(b: Builder, ref: Ref, value: Ref) -> None:
    """Copies number by number: the verifier allows accesses of a context by whole fields and items only."""
    if is_array(value.ctype):
        for i in range(value.ctype._length_):
            _copy_numbers(b, element(ref, i), element(value, i))
    elif is_record(value.ctype):
        for field in members(value.ctype).values():
            source = Ref(value.base, value.offset + field.offset, field.ctype)
            _copy_numbers(b, Ref(ref.base, ref.offset + field.offset, field.ctype), source)
    else:
        kind = _scalar_of(value.ctype)
        store_scalar(b, ref.base, ref.offset, kind, load_scalar(b, value.base, value.offset, kind))


def store_tuple(b: Builder, ref: Ref, value: Abstract, by_items: bool) -> None:
    """Assigns a tuple's items to those of an array, or to the fields of a structure."""
    value = value if by_items else places.settled(b, ref.ctype, value)
    items = value.items if isinstance(value, TupleOf) else tuple(Const(item) for item in _tuple_of(value))
    if is_array(ref.ctype):
        _store_items(b, ref, items)
        _fill_up(b, ref, len(items))
        return
    names = list(members(ref.ctype)) if is_record(ref.ctype) else []
    if len(names) != len(items):
        raise TypeMismatch(
            0,
            f"{type_name(ref.ctype)} has {hints.count(len(names), 'field')}, but the tuple has {len(items)} items",
            hints=hints.for_object(ref.ctype, value),
        )
    for name, item in zip(names, items, strict=True):
        store_member(b, ref, name, item)


def _tuple_of(value: Abstract) -> tuple[Any, ...]:
    assert isinstance(value, Const)
    return tuple(value.obj)


def _store_items(b: Builder, ref: Ref, items: tuple[Abstract, ...]) -> None:
    if len(items) > ref.ctype._length_:
        raise TypeMismatch(
            0,
            f"{hints.count(len(items), 'item')} do not fit a {type_name(ref.ctype)}",
            hints=(f"it has {ref.ctype._length_}",),
        )
    for i, item in enumerate(items):
        store(b, element(ref, i), item)


def _fill_up(b: Builder, ref: Ref, count: int) -> None:
    """Zeros behind the ``count`` items of a tuple: ctypes makes an array of them, and copies it."""
    if ref.ptr.region is Region.CTX:  # by whole items only
        for i in range(count, ref.ctype._length_):
            store(b, element(ref, i), Const(0))
        return
    begin = count * ctypes.sizeof(ref.ctype._type_)
    contents.store_bytes(b, ref.base, ref.offset + begin, bytes(ctypes.sizeof(ref.ctype) - begin))


def element(ref: Ref, index: int) -> Ref:
    """Array element number ``index``, unchecked."""
    return Ref(ref.base, ref.offset + index * ctypes.sizeof(ref.ctype._type_), ref.ctype._type_)


def index(b: Builder, ref: Ref, key: Abstract) -> Ref:
    """Array element ``key``, counted from the end when negative; out of bounds, Python would raise IndexError."""
    length = ref.ctype._length_
    if isinstance(key, Const) and isinstance(key.obj, int):
        b.guard_not_null(ref.base, "TypeError")
        number = int(key.obj)
        if not -length <= number < length:
            raise TypeMismatch(
                0,
                f"index {short(number)} is out of the bounds of a {type_name(ref.ctype)}",
                hints=(f"its indices are 0 to {length - 1}, or {-length} to -1 from the end",),
            )
        return element(ref, number % length)
    b.guard_not_null(ref.base, "TypeError")
    return at(b, ref, bounded(b, length, key))


def bounded(b: Builder, length: int, key: Abstract) -> Value:
    """A run-time index into ``length`` items, as a u64 below that."""
    ir = arith.to_ir(b, key, "an array index must be an integer")
    if arith.int_type(ir).signed:
        ir = b.emit(Op.SELECT, [b.compare(Op.LT, ir, const(0)), b.add(ir, const(length)), ir], I64)
    ir = arith.as_u64(b, ir)
    b.guard(b.compare(Op.ULT, ir, const(length)), "IndexError")
    return ir


def at(b: Builder, ref: Ref, ir: Value) -> Ref:
    """Array element at a run-time index that was checked."""
    if ref.ptr.region is Region.CTX:
        raise TypeMismatch(
            0,
            "the index into an array of the context must be a constant",
            hints=(
                "read from a copy: a = ArrayType(); a[:] = ctx.array",
                "write by constant indices, each under an if",
            ),
        )
    size = ctypes.sizeof(ref.ctype._type_)
    scaled = b.emit(Op.MUL, [ir, const(size)], U64)
    b.guard_not_null(ref.base)
    base_type = ref.ptr
    pointer = b.emit(Op.PTRADD, [ref.base, scaled], Ptr(base_type.region, False, base_type.spec))
    return Ref(pointer, ref.offset, ref.ctype._type_)


def address_of(b: Builder, ref: Ref) -> Value:
    """The object's address as one pointer value; of a part of the context, which helpers don't take, a copy's."""
    if ref.ptr.region is Region.CTX:
        copy = new(b, ref.ctype, zero=has_padding(ref.ctype))
        _copy_numbers(b, copy, ref)
        return copy.base
    if ref.ptr.region is Region.PACKET:
        b.guard_not_null(ref.base)
    locks.check_whole(ref)
    return b.address(ref.base, ref.offset)


def in_packet(ref: Ref) -> bool:
    """Whether an object lies in the packet, where most helpers can't read it."""
    return ref.ptr.region is Region.PACKET


def materialise(b: Builder, ctype: Any, value: Abstract) -> Ref:
    """The value as an object of ``ctype`` in memory that a helper may read: in place if it is one already."""
    if isinstance(value, Ref) and value.ctype is ctype and value.offset % 8 == 0 and not (
        in_packet(value) or records.is_record(value)  # kernels before 6.1 take no keys and values from there
    ):
        b.guard_not_null(value.base, "TypeError")
        return value
    ref = new(b, ctype, zero=scalar(ctype) is None and (has_padding(ctype) or not kind.of(value).fills(value, ctype)))
    store(b, ref, places.entry(b, ctype, value))
    return ref


def key(b: Builder, ctype: Any, value: Abstract) -> Ref:
    """The value as a key of a map: one value is one key, whatever lies in its padding."""
    if (place := all_bytes(b, ctype, value)) is not None:
        return place
    place = materialise(b, ctype, value)
    if paddings.is_clean(b, place):
        return place
    if place is value:
        place = new(b, ctype, zero=False)
        b.copy(place.base, 0, value.base, value.offset, ctypes.sizeof(ctype))
    paddings.clear(b, place)
    return place


def all_bytes(b: Builder, ctype: Any, value: Abstract) -> Ref | None:
    """Constant bytes in an array of chars where all of them count, those behind a NUL too: as keys, and as records of a
    length of their own. None of anything else."""
    if not is_chars(ctype) or not contents.texts(value):
        return None
    place = new(b, ctype, zero=False)
    contents.store_text(b, place, value, whole=True)
    return place
