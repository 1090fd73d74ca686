"""Texts and arrays of events, whose length each event tells. They are copied when the program names them."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from typing import Final

from ...spec import Located
from ...uapi.helpers import HELPERS
from ..ir.ops import Op
from ..ir.types import I64, U64, Ptr, Region
from ..ir.values import Value, const
from . import arith, memory
from .builder import Builder
from .layout import is_chars
from .machine import Machine
from .values import Context, Ref

_LOW: Final = 0xFFFF
"""The mask of the offset in the number that locates the data; the upper half is the length."""


def read(ev: Machine, context: Context, where: Located) -> Ref:
    """A copy on the stack, with zeros behind the event's data."""
    b = ev.b
    place = memory.load_member(b, Ref(context.base, 0, context.spec.struct), where.path)
    number = arith.as_u64(b, arith.to_ir(b, place))
    offset = b.emit(Op.AND, [number, const(_LOW)], U64)
    begin = b.emit(Op.ADD, [offset, const(where.begin)], U64) if where.begin else offset
    address = b.emit(Op.PTRADD, [context.base, begin], Ptr(Region.CTX))
    length = b.emit(Op.LSHR, [number, const(16)], U64)
    copy = memory.new(b, where.ctype)
    if is_chars(where.ctype):  # the helper puts a NUL of its own into the last byte of the size that it is given
        _copy(b, copy, address, b.emit(Op.ADD, [length, const(1)], U64), "_str")
    else:
        _copy(b, copy, address, length, "")
    return replace(memory.as_text(copy), copied=True)


def _copy(b: Builder, copy: Ref, address: Value, size: Value, kind: str) -> None:
    """Copies ``size`` bytes, or as many as fit."""
    room = const(ctypes.sizeof(copy.ctype))
    bounded = b.emit(Op.SELECT, [b.compare(Op.ULT, size, room), size, room], U64)
    helper = HELPERS[f"probe_read_kernel{kind}" if b.target.probe_read_kernel else f"probe_read{kind}"]
    b.emit(Op.CALL, [copy.base, bounded, address], I64, helper)
