"""Views of packets: ``ctx.packet(Type, offset)``, and the packet's length in ``ctx.data_end - ctx.data``."""

from __future__ import annotations

import ctypes
from typing import Any, Final

from ...exception import TypeMismatch, UnsupportedSyntax
from ...uapi.hooks import row_of
from ..ir.ops import Op
from ..ir.types import I64, PACKET_REACH, VIEW
from ..ir.values import Block, Value, const
from . import arith, integers, scalars
from .layout import Scalar, is_char, is_ctype, members, scalar
from .machine import Machine
from .naming import short, type_name
from .values import NONE, Abstract, Const, Context, Method, OptionalInt, PacketEdge, Ref, RuntimeInt

EDGES: Final = ("data", "data_end", "data_meta")
_SIGNATURE: Final = "call it as ctx.packet(Type) or ctx.packet(Type, offset)"


def attribute(ev: Machine, context: Context, name: str) -> Abstract | None:
    """``ctx.packet``, or one of the context's pointers to the packet; None for any other attribute."""
    fields = members(context.spec.struct)
    if name == "packet" and name not in fields and "data_end" in fields:
        return Method(context, name)
    if name in EDGES and name in fields and ev.hook.packet_access:
        _enter_edges(ev, context)
        return PacketEdge(name)
    return None


def is_edge(ev: Machine, value: Abstract) -> bool:
    """Whether a value is the address where the packet begins or ends. Without packet access, such a value is a plain
    field of the context."""
    if isinstance(value, PacketEdge) or not isinstance(value, RuntimeInt) or value.ir.op is not Op.LOAD:
        return isinstance(value, PacketEdge)
    row = row_of(ev.hook)
    fields = members(row.context.spec.struct) if row is not None and row.context.spec is not None else {}
    places = [fields[name].offset for name in EDGES if name in fields]
    return value.ir.args[0] is ev.b.context and value.ir.attr[0] in places


def how_to_read(ev: Machine, key: Abstract) -> tuple[str, ...]:
    """Hints for code that reads the packet like items of the context: ``skb.data[12]``, ``skb[12:14]``."""
    at = short(key.obj) if isinstance(key, Const) and isinstance(key.obj, int) else "offset"
    if ev.hook.packet_access:
        return (f"the packet's bytes are in a view: ctx.packet(c_uint8, {at}), which is None past its end",)
    if ev.hook.packet_loads:
        return (f"load the packet's bytes: py2bpf.funcs.load_skb_byte(skb, {at}), load_skb_short(), load_skb_word()",)
    return ("name one of its fields",)


def _enter_edges(ev: Machine, context: Context) -> None:
    fields = members(context.spec.struct)
    ev.b.fn.edges = {name: fields[name].offset for name in EDGES if name in fields}


def distance(ev: Machine, left: PacketEdge, right: PacketEdge) -> Abstract:
    """``ctx.data_end - ctx.data``: the number of bytes between two edges of the packet."""
    order = ("data_meta", "data", "data_end")
    if order.index(left.name) < order.index(right.name):
        return arith.unary(ev.b, "-", distance(ev, right, left))
    if left.name == right.name:
        return Const(0)
    return RuntimeInt(ev.b.emit(Op.EXTENT, [ev.b.context], I64, (left.name, right.name)))


def view(ev: Machine, context: Context, args: tuple[Abstract, ...], kwargs: dict[str, Abstract]) -> Abstract:
    """``ctx.packet(Type, offset=0)``: the packet's bytes at the offset as a ``Type``, None if the packet is shorter."""
    ctype, offset = _arguments(args, dict(kwargs))
    if not ev.hook.packet_access:
        raise TypeMismatch(
            0, f"a {ev.hook.name} program can't see its packet through ctx.packet()",
            hints=("read it with py2bpf.funcs.load_skb_byte(), load_skb_short() or load_skb_word()",
                   "or copy a header: py2bpf.funcs.packet_copy(skb, offset, header)"),
        )  # fmt: skip
    size = _size(ctype)
    _enter_edges(ev, context)
    if isinstance(offset, Const) and isinstance(offset.obj, int):
        number = integers.raw(offset.obj)
        if not 0 <= number <= PACKET_REACH - size:
            return NONE
        found = ev.b.emit(Op.VIEW, [context.base], VIEW, (size, number, True))
    else:
        ir = arith.to_ir(ev.b, offset, "the offset into a packet is an integer")
        found = ev.b.emit(Op.VIEW, [context.base, ir], VIEW, (size, 0, False))
    kind = scalar(ctype)
    return Ref(found, 0, ctype) if kind is None else _number(ev, found, kind)


def _arguments(args: tuple[Abstract, ...], kwargs: dict[str, Abstract]) -> tuple[Any, Abstract]:
    given = dict(zip(("type", "offset"), args, strict=False))
    if "offset" in kwargs and "offset" not in given:
        given["offset"] = kwargs.pop("offset")
    if kwargs or len(args) > 2 or "type" not in given:
        raise TypeMismatch(0, "packet() takes a ctypes type and an offset", hints=(_SIGNATURE,))
    ctype = given["type"]
    if not isinstance(ctype, Const) or not is_ctype(ctype.obj):
        raise TypeMismatch(0, f"packet() takes a ctypes type first, not {ctype.describe()}", hints=(_SIGNATURE,))
    return ctype.obj, given.get("offset", Const(0))


def _size(ctype: Any) -> int:
    if is_char(ctype):
        raise UnsupportedSyntax(0, "packet() gives no single c_char", hints=("use c_uint8, or c_char * 1",))
    try:
        size = ctypes.sizeof(ctype)
    except TypeError:  # Structure and Array themselves
        size = 0
    if not 0 < size <= PACKET_REACH:
        raise TypeMismatch(
            0, f"{type_name(ctype)} has {size} bytes, and a view has 1 to {PACKET_REACH}",
            hints=("give a class with _fields_, an array or a number's type",),
        )  # fmt: skip
    return size


def _number(ev: Machine, found: Value, kind: Scalar) -> Abstract:
    """A number of the packet, or None."""
    b = ev.b
    there, absent, done = Block(), Block(), Block()
    b.branch(b.compare(Op.NE, found, const(0)), there, absent)
    b.start(there)
    b.checked.add(found)
    value = scalars.load(b, found, 0, kind)
    b.jump(done)
    b.start(absent)
    zero = const(0)
    zero.type = value.type
    b.jump(done)
    b.start(done)
    value = b.phi(done, [value, zero], value.type)
    return OptionalInt(b.compare(Op.NE, found, const(0)), value)
