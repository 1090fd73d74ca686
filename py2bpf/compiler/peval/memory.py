"""ctypes objects in memory, and their members and items."""

from __future__ import annotations

import ctypes
from typing import Any

from ...exception import TypeMismatch, UnsupportedSyntax
from ...spec import SpinLock
from ..ir.ops import Op
from ..ir.types import I64, U64, Ptr, Region
from ..ir.values import Value, const
from . import arith, hints, paddings, scalars
from .builder import Builder
from .layout import Member, is_aggregate, is_chars, members, override, scalar
from .naming import short, type_name
from .values import Abstract, Const, Ref


def new(b: Builder, ctype: Any, zero: bool = True) -> Ref:
    """A fresh object on the stack, filled with zeros unless the caller writes every byte (``zero=False``)."""
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


def check_plain(ctype: Any) -> None:
    """Raises UnsupportedSyntax if the struct's class has a method that Python calls but programs would bypass."""
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
    if found.bits is not None and scalars.of(found.ctype).kind == "bool":
        raise TypeMismatch(0, f"the bit field {name!r} is a c_bool, and ctypes puts that into the whole byte",
                           hints=("declare the bit field as a c_uint8",))  # fmt: skip
    if not 0 <= found.offset <= ctypes.sizeof(ctype) - ctypes.sizeof(found.ctype):
        raise scalars.outside_of_type()
    return found


def load_member(b: Builder, ref: Ref, name: str) -> Abstract:
    """``ref.name``."""
    field = member(ref.ctype, name)
    if field.bits is None:
        return load(b, Ref(ref.base, ref.offset + field.offset, field.ctype, is_chars(field.ctype)))
    kind = scalars.of(field.ctype)
    return arith.from_ir(scalars.load_bits(b, ref.base, ref.offset + field.offset, kind, field.bits))


def member_place(ref: Ref, name: str) -> Ref:
    """The place of ``ref.name``. Raises TypeMismatch for a bit field, which has no address."""
    field = member(ref.ctype, name)
    if field.bits is not None:
        raise TypeMismatch(0, f"the bit field {name!r} has no address",
                           hints=("give a variable's address, and assign the variable to the bit field",))  # fmt: skip
    return Ref(ref.base, ref.offset + field.offset, field.ctype)


def check_place(ref: Ref, what: str) -> None:
    """Raises TypeMismatch if ``what`` can't write to the object, because it is a copy or part of the context."""
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


def load(b: Builder, ref: Ref) -> Abstract:
    """The value that CPython gives for such a field: a number for a scalar, else the object itself."""
    kind = scalar(ref.ctype)
    if kind is None:
        if is_aggregate(ref.ctype):
            b.guard_not_null(ref.base)
            return ref
        raise scalars.no_number(ref.ctype)
    if kind.kind == "char":
        b.guard_not_null(ref.base)
        return Ref(ref.base, ref.offset, ctypes.c_char)  # bytes of length 1
    ir = scalars.load(b, ref.base, ref.offset, kind)
    return arith.from_bool(arith.to_bool(b, ir)) if kind.kind == "bool" else arith.from_ir(ir)


def as_text(ref: Ref) -> Ref:
    """The same memory; a char array becomes text, which Python reads as bytes."""
    return Ref(ref.base, ref.offset, ref.ctype, is_chars(ref.ctype), ref.copied)


def element(ref: Ref, index: int) -> Ref:
    """Array element number ``index``, unchecked."""
    return Ref(ref.base, ref.offset + index * ctypes.sizeof(ref.ctype._type_), ref.ctype._type_)


def index(b: Builder, ref: Ref, key: Abstract) -> Ref:
    """Array element ``key``, counted from the end if negative. Guards against IndexError at run time."""
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
    """A run-time index into ``length`` items, as a u64 that is guarded to be below ``length``."""
    ir = arith.to_ir(b, key, "an array index must be an integer")
    if arith.int_type(ir).signed:
        ir = b.emit(Op.SELECT, [b.compare(Op.LT, ir, const(0)), b.add(ir, const(length)), ir], I64)
    ir = arith.as_u64(b, ir)
    b.guard(b.compare(Op.ULT, ir, const(length)), "IndexError")
    return ir


def at(b: Builder, ref: Ref, ir: Value) -> Ref:
    """Array element at a run-time index that was checked before."""
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


def in_packet(ref: Ref) -> bool:
    """Whether an object lies in the packet, where most helpers can't read it."""
    return ref.ptr.region is Region.PACKET
