"""The kernel's memory: pointers whose types BTF tells, and reads through them.

The target kernel fixes the place of each member, so a path through structures, unions and arrays within one object is
one offset. Each pointer on the way, and the number at the end, is one read.
"""

from __future__ import annotations

import ctypes
import sys
import types
from dataclasses import replace
from typing import Any, Final

from ...btf.shapes import MAX_COPY, Items, KernelType, Number, Place, Pointer, Record, Shape, UnknownName
from ...exception import TypeMismatch, UnsupportedSyntax
from ...uapi.helpers import HELPERS
from ..ir.ops import Op
from ..ir.types import I64, U64
from ..ir.values import Value, const
from . import annotated, arith, giants, hints, host, memory, slices
from .builder import Builder
from .kind import Args, Kwargs
from .machine import Machine
from .naming import short
from .values import NONE, Abstract, Const, KernelRef, Ref, RuntimeInt

_BYTE: Final = Number("char", ctypes.c_uint8)
"""The type of an item of a text: a number, as in Python's bytes."""


def read(ev: Machine, address: Value, ctype: Any) -> Abstract:
    """The object of ``ctype`` at a kernel address; zeros if the address can't be read."""
    return memory.load(ev.b, _copy(ev, address, ctype, ctypes.sizeof(ctype)))


def _copy(ev: Machine, address: Value, ctype: Any, size: int) -> Ref:
    """A new object whose first ``size`` bytes are read from the kernel's memory. A helper reads them, since no hook of
    ours has pointers that the verifier follows itself (BTF-typed arguments)."""
    place = memory.new(ev.b, ctype)
    helper = HELPERS["probe_read_kernel" if ev.b.target.probe_read_kernel else "probe_read"]
    ev.b.emit(Op.CALL, [place.base, const(size), address], I64, helper)
    return place


# pointers


def construct(ev: Machine, type: KernelType, args: Args, kwargs: Kwargs) -> Abstract:
    """``kernel.sock(address)``: a typed pointer, from an address or from a pointer to another type."""
    if len(args) != 1 or kwargs:
        raise TypeMismatch(
            0, f"kernel.{type.__name__}() takes one address", hints=(f"write kernel.{type.__name__}(pointer)",)
        )
    return _typed(ev, type, args[0])


def unknown(error: UnknownName) -> TypeMismatch:
    """The error for a name that the kernel's types don't have."""
    return TypeMismatch(0, f"the kernel has no struct, union or enumerator {error.name!r}", hints=(error.hint,))


def _typed(ev: Machine, type: KernelType, value: Abstract) -> Abstract:
    shape = type.record()
    if shape is None:
        raise unknown(UnknownName(type.__name__, type.types.near(type.__name__)))
    if isinstance(value, Const) and value.obj is None:
        return NONE
    if isinstance(value, KernelRef):
        return KernelRef(value.address, value.offset, shape, value.pointer)
    ir = arith.to_ir(ev.b, value, "a pointer into the kernel's memory is made of an address")
    return KernelRef(arith.as_u64(ev.b, ir), 0, shape, True)


def arguments(
    ev: Machine, fn: types.FunctionType, names: tuple[str, ...], args: Args, kwargs: Kwargs
) -> tuple[Args, Kwargs]:
    """A call's arguments, with numbers turned into pointers for parameters that are annotated with kernel types."""
    typed = annotated.kernel_types(fn)
    if not typed:
        return args, kwargs

    def convert(name: str, value: Abstract) -> Abstract:
        return _typed(ev, typed[name], value) if name in typed and isinstance(value, (RuntimeInt, Const)) else value

    converted = [convert(name, value) for name, value in zip(names, args, strict=False)]
    return (*converted, *args[len(names) :]), {name: convert(name, value) for name, value in kwargs.items()}


def address(b: Builder, ref: KernelRef) -> Value:
    """The object's address as a u64; 0 for None."""
    return b.emit(Op.ADD, [ref.address, const(ref.offset)], U64) if ref.offset else ref.address


def number(b: Builder, ref: KernelRef) -> Value:
    """The address of an object. Guards that it isn't None, which has no number in Python."""
    _not_none(b, ref, "TypeError")
    return address(b, ref)


def _not_none(b: Builder, ref: KernelRef, error: str) -> None:
    if ref.pointer and ref.address not in b.checked:
        b.guard(b.compare(Op.NE, ref.address, const(0)), error)
        b.checked.add(ref.address)


# reads through them


def attribute(ev: Machine, ref: KernelRef, name: str) -> Abstract:
    """``pointer.name``."""
    _not_none(ev.b, ref, "AttributeError")
    place = ref.shape.place(name) if isinstance(ref.shape, Record) else None
    if place is None:
        known = ref.shape.members if isinstance(ref.shape, Record) else {}
        raise TypeMismatch(
            0, f"a {ref.shape.text} has no member {name!r}", hints=hints.near(name, known, _what_it_has(ref.shape))
        )
    if place.bits:
        return _bits(ev, ref, place)
    return _load(ev, ref, place.offset // 8, place.shape)


def _what_it_has(shape: Shape) -> str:
    if isinstance(shape, Items):
        return "name one of its items: a[0]"
    names = list(shape.members) if isinstance(shape, Record) else []
    shown = ", ".join(names[:16]) + (", ..." if len(names) > 16 else "")
    return f"it has {shown}" if names else "this kernel's BTF doesn't tell what is in it"


def _load(ev: Machine, ref: KernelRef, offset: int, shape: Shape) -> Abstract:
    """The value ``offset`` bytes into an object. Records and arrays other than texts are not read, only pointed at."""
    seen = shape if isinstance(shape, (Record, Items)) else ref.shape
    inner = KernelRef(ref.address, ref.offset + offset, seen, False)
    if isinstance(shape, Items) and shape.is_text:
        return _slice(ev, inner, shape, 0, shape.length)
    if isinstance(shape, (Record, Items)):
        return inner
    if isinstance(shape, Pointer):
        target = arith.to_ir(ev.b, read(ev, address(ev.b, inner), ctypes.c_uint64))
        return KernelRef(target, 0, shape.target, True)
    return read(ev, address(ev.b, inner), _number(shape).ctype)


def _number(shape: Shape) -> Number:
    if not isinstance(shape, Number):
        raise TypeMismatch(
            0,
            f"{shape.text} is not a type that BPF programs can compute with",
            hints=("funcs.probe_read_kernel copies its bytes",),
        )
    return shape


def _bits(ev: Machine, ref: KernelRef, place: Place) -> Abstract:
    """The value of a bit field. Reads only bytes that hold a part of it, since the next byte may be unmapped."""
    kind, first, skipped = _number(place.shape), place.offset // 8, place.offset % 8
    size = (skipped + place.bits + 7) // 8
    at = address(ev.b, KernelRef(ref.address, ref.offset + first, ref.shape, False))
    unit = memory.load(ev.b, _copy(ev, at, ctypes.c_uint64, size))
    above = skipped if sys.byteorder == "big" else 64 - skipped - place.bits
    ir = ev.b.emit(Op.SHL, [arith.to_ir(ev.b, unit), const(above)], U64)
    if kind.signed:
        return arith.from_ir(ev.b.emit(Op.ASHR, [ev.b.emit(Op.CAST, [ir], I64), const(64 - place.bits)], I64))
    ir = ev.b.emit(Op.LSHR, [ir, const(64 - place.bits)], U64)
    if kind.ctype is ctypes.c_bool:
        return arith.from_bool(arith.to_bool(ev.b, ir))
    return arith.from_ir(ir if place.bits == 64 else ev.b.emit(Op.CAST, [ir], I64))


def item(ev: Machine, ref: KernelRef, key: Abstract) -> Abstract:
    """``array[key]``. In an array of unknown length, any index that isn't counted from the end is allowed."""
    shape = ref.shape
    if not isinstance(shape, Items):
        raise TypeMismatch(0, f"{ref.describe()} has no items", hints=("arrays have; name one of its members",))
    if slices.is_slice(key):
        return _sliced(ev, ref, shape, key)
    element = _BYTE if shape.has_chars else shape.element
    if isinstance(key, Const) and isinstance(key.obj, int):
        return _load(ev, ref, _known(shape, key.obj) * element.size, element)
    if not shape.length:
        raise TypeMismatch(
            0, f"the index into a {shape.text}, whose length isn't known, must be a constant",
            hints=("of an array of structures at a run-time place make the address: kernel.T(int(a[0]) + n * size)",),
        )  # fmt: skip
    index = memory.bounded(ev.b, shape.length, key)
    scaled = ev.b.emit(Op.MUL, [index, const(element.size)], U64)
    start = ev.b.emit(Op.ADD, [ref.address, scaled], U64)
    return _load(ev, KernelRef(start, ref.offset, shape, False), 0, element)


def _known(shape: Items, index: int) -> int:
    """A constant index, counted from the start."""
    if not shape.length and index >= 0:
        return index
    if not -shape.length <= index < shape.length:
        last = f"its indices are 0 to {shape.length - 1}" if shape.length else "it is counted from its start"
        raise TypeMismatch(0, f"index {short(index)} is out of the bounds of a {shape.text}", hints=(last,))
    return index % shape.length


def _from_the_start(key: slice) -> range:
    return range(0 if key.start is None else key.start, 0 if key.stop is None else key.stop)


def _sliced(ev: Machine, ref: KernelRef, shape: Items, key: Abstract) -> Abstract:
    """``array[start:stop]``: a copy on the stack."""
    if not isinstance(key, Const) or not (key.obj.step is None or (type(key.obj.step) is int and key.obj.step == 1)):
        raise TypeMismatch(
            0,
            "a slice of the kernel's memory has constant bounds and step 1",
            hints=("read the items one by one: a[i]",),
        )
    if shape.length:
        chosen = slices.chosen(ev.b, key.obj, shape.length)
    else:
        chosen = host.run(ev.b, "the slice", _from_the_start, key.obj)
        chosen = range(0) if chosen.start < 0 or chosen.stop < 0 else chosen
    size = giants.length(chosen) * shape.element.size
    if not isinstance(shape.element, Number) or not 0 < size <= MAX_COPY:
        raise TypeMismatch(
            0,
            f"a slice of a {shape.text} can't be copied to the stack",
            hints=(f"slices have numbers or characters, and 1 to {MAX_COPY} bytes",),
        )
    return _slice(ev, ref, shape, chosen.start, len(chosen))


def _slice(ev: Machine, ref: KernelRef, shape: Items, start: int, length: int) -> Ref:
    element = _number(shape.element)
    ctype = ctypes.c_char if element.is_char else element.ctype
    at = address(ev.b, KernelRef(ref.address, ref.offset + start * element.size, shape, False))
    return replace(memory.as_text(_copy(ev, at, ctype * length, length * element.size)), copied=True)


def read_only(ref: KernelRef) -> UnsupportedSyntax:
    """The error of an assignment to a part of ``ref``."""
    hint = f"copy what is in the {ref.shape.text} to a variable or an object of the program's own"
    return UnsupportedSyntax(0, "the kernel's memory can't be written by programs", hints=(hint,))
