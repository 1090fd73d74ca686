"""Functions of py2bpf.funcs that the compiler expands."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Final

from ...exception import TypeMismatch
from ...uapi.helpers import HELPERS
from ..ir.ops import Op
from ..ir.types import I64, U64
from ..ir.values import const
from . import arith, contents, helper_calls, hints, integers, kernel_memory, kind, memory, paddings, stores
from .kind import Args
from .machine import Machine
from .naming import short, type_name
from .values import NONE, Abstract, Const, Context, Ref, RuntimeInt


def _memory(ev: Machine, name: str, arg: Abstract) -> Ref:
    if not isinstance(arg, Ref):
        raise TypeMismatch(
            0,
            f"{name}() needs a ctypes object, but this is {arg.describe()}",
            hints=("make one: a struct, an array, or a scalar as in c_uint32(n)",),
        )
    ev.b.guard_not_null(arg.base, "TypeError")
    return arg


def _size(name: str, arg: Abstract) -> int:
    if not isinstance(arg, Const) or not isinstance(arg.obj, int) or integers.raw(arg.obj) < 0:
        raise TypeMismatch(
            0,
            f"the size given to {name}() must be a constant, but this is {arg.describe()}",
            hints=("copy the whole object, or byte by byte in a loop",),
        )
    return integers.raw(arg.obj)


def _fits(name: str, ref: Ref, size: int) -> None:
    if size > ctypes.sizeof(ref.ctype):
        raise TypeMismatch(
            0,
            f"{name}() of {size} bytes exceeds a {type_name(ref.ctype)}",
            hints=(f"it has {hints.count(ctypes.sizeof(ref.ctype), 'byte')}",),
        )


def _addrof(ev: Machine, args: Args) -> Abstract:
    """``addrof(x)``. For a variable, field or item, the argument is already its place instead of its number."""
    return kind.of(args[0]).address(ev, args[0])


def _memcpy(ev: Machine, args: Args) -> Abstract:
    """memcpy(source, destination, size)."""
    source, destination = _memory(ev, "memcpy", args[0]), _memory(ev, "memcpy", args[1])
    size = _size("memcpy", args[2])
    _fits("memcpy", source, size)
    _fits("memcpy", destination, size)
    memory.check_place(destination, "memcpy()")
    paddings.overwritten(ev.b, destination.ctype)
    stores.copy(ev.b, destination, source, size)
    return NONE


def _mem_eq(ev: Machine, args: Args) -> Abstract:
    """Whether two objects have the same bytes; one may be constant bytes or a constant ctypes array."""
    left, right = args[0], args[1]
    if isinstance(left, Const):
        left, right = right, left
    ref = _memory(ev, "mem_eq", left)
    if isinstance(right, Const):
        data = _constant_bytes(right)
        size = _size("mem_eq", args[2]) if len(args) == 3 else len(data)
        if size > len(data):
            raise TypeMismatch(
                0, f"mem_eq() of {size} bytes exceeds the constant", hints=(f"it has {hints.count(len(data), 'byte')}",)
            )
        _fits("mem_eq", ref, size)
        return arith.from_bool(contents.equal_bytes(ev.b, ref, data[:size]))
    other = _memory(ev, "mem_eq", right)
    sizes = ctypes.sizeof(ref.ctype), ctypes.sizeof(other.ctype)
    size = _size("mem_eq", args[2]) if len(args) == 3 else sizes[0]
    if len(args) == 2 and sizes[0] != sizes[1]:
        raise TypeMismatch(
            0,
            f"mem_eq() of objects of {sizes[0]} and {sizes[1]} bytes needs the number of bytes to compare",
            hints=("give it third: mem_eq(a, b, size)",),
        )
    _fits("mem_eq", ref, size)
    _fits("mem_eq", other, size)
    return arith.from_bool(contents.equal(ev.b, ref, other, size))


def _constant_bytes(value: Const) -> bytes:
    """The bytes of constant bytes, or of a captured ctypes object."""
    if isinstance(value.obj, (bytes, bytearray, ctypes.Structure, ctypes.Union, ctypes.Array, ctypes._SimpleCData)):
        return bytes(value.obj)
    what = f"mem_eq() compares ctypes objects and constant bytes, but this is {value.describe()}"
    raise TypeMismatch(0, what, hints=("write bytes as b'...'",))


def _packet_copy(ev: Machine, args: Args) -> Abstract:
    """packet_copy(skb, offset, destination, size): True if the packet has the bytes."""
    destination = _memory(ev, "packet_copy", args[2])
    size = _size("packet_copy", args[3]) if len(args) == 4 else ctypes.sizeof(destination.ctype)
    _fits("packet_copy", destination, size)
    memory.check_place(destination, "packet_copy()")
    status = helper_calls.HelperCall(ev, HELPERS["skb_load_bytes"]).call((args[0], args[1], destination, Const(size)))
    return arith.from_bool(ev.b.compare(Op.EQ, arith.to_ir(ev.b, status), const(0)))


def _load_skb(size: int) -> Callable[[Machine, Args], Abstract]:
    name = {1: "load_skb_byte", 2: "load_skb_short", 4: "load_skb_word"}[size]

    def handler(ev: Machine, args: Args) -> Abstract:
        if len(args) == 2 and not isinstance(args[0], Context):
            raise TypeMismatch(
                0,
                f"the first argument of {name}() must be the program's context, not {args[0].describe()}",
                hints=("it is the program's own argument; or give the offset alone",),
            )
        if not ev.hook.packet_loads:
            raise TypeMismatch(
                0, f"{name}() works in socket filters and traffic control, not in a {ev.hook.name} program",
                hints=("XDP and tc programs read packets with ctx.packet(Type, offset)",),
            )  # fmt: skip
        offset = args[-1]
        if isinstance(offset, Const) and isinstance(offset.obj, int):
            number = integers.raw(offset.obj)
            if not -(1 << 31) <= number < 1 << 31:
                raise TypeMismatch(
                    0, f"no packet has an offset of {short(offset.obj)}", hints=("offsets have 32 bits, with a sign",)
                )
            return RuntimeInt(ev.b.emit(Op.PACKET, [ev.b.context], I64, (size, number)))
        index = arith.to_ir(ev.b, offset, f"the offset of {name}() is an integer")
        return RuntimeInt(ev.b.emit(Op.PACKET, [ev.b.context, index], I64, (size, 0)))

    return handler


def _deref(ctype: Any) -> Callable[[Machine, Args], Abstract]:
    def handler(ev: Machine, args: Args) -> Abstract:
        """The number at an address: loaded directly from the program's own memory, by a helper from the kernel's."""
        if isinstance(args[0], Ref):
            size = ctypes.sizeof(ctype)
            _fits("deref", _memory(ev, "deref", args[0]), size)
            return memory.load(ev.b, Ref(args[0].base, args[0].offset, ctype))
        address = arith.to_ir(ev.b, args[0], "deref needs an address")
        return kernel_memory.read(ev, arith.as_u64(ev.b, address), ctype)

    return handler


def _bswap(size: int) -> Callable[[Machine, Args], Abstract]:
    def handler(ev: Machine, args: Args) -> Abstract:
        ir = arith.to_ir(ev.b, args[0])
        return arith.from_ir(ev.b.emit(Op.BSWAP, [ir], U64 if size == 8 else I64, size))

    return handler


PSEUDO: Final[dict[str, Callable[[Machine, Args], Abstract]]] = {
    "addrof": _addrof,
    "memcpy": _memcpy,
    "mem_eq": _mem_eq,
    "packet_copy": _packet_copy,
    "load_skb_byte": _load_skb(1),
    "load_skb_short": _load_skb(2),
    "load_skb_word": _load_skb(4),
    "deref_u8": _deref(ctypes.c_uint8),
    "deref_u16": _deref(ctypes.c_uint16),
    "deref_u32": _deref(ctypes.c_uint32),
    "deref_u64": _deref(ctypes.c_uint64),
    "bswap16": _bswap(2),
    "bswap32": _bswap(4),
    "bswap64": _bswap(8),
}
