"""Ring buffers that Python writes to: ``ring.receive()`` removes and gives the next record.

bpf_user_ringbuf_drain() (Linux 6.1) calls a function of the program for each record, until the function returns 1. Our
function copies one record to the caller's stack and returns 1, so that a program reads records in an ordinary loop:

    %1 = alloca 8 + size; zero %1              subprogram receive (i64)
    %2 = func receive                          %1 = param; %2 = param
    %3 = call user_ringbuf_drain ring, %2, %1  %3 = call dynptr_read (%2 + 8), size, %1, 0, 0
    there is a record if %3 is 1, and          store %2, %3
    the copy's status in %1 is 0               return 1
"""

from __future__ import annotations

import ctypes
from typing import Final

from ...exception import TypeMismatch
from ...uapi.helpers import INTERNAL
from ...uapi.map_types import kind_of
from ..ir.ops import Op
from ..ir.types import I64, STACK, VOID, Ptr, Region
from ..ir.values import Block, Function, Value, append, const
from . import paddings, scalars
from .builder import Builder
from .layout import scalar
from .values import Abstract, Map, OptionalInt, Ref

_DATA: Final = 8
"""The offset of the record, behind the status of its copy."""

_STOP: Final = 1


def check(map: Map) -> None:
    """Refuses receive() on other maps."""
    if "receive" not in kind_of(map.spec.kind).methods:
        raise TypeMismatch(0, "programs receive nothing from this map",
                           hints=("receive() is UserRingBuffer's; a RingBuffer is for output()",))  # fmt: skip


def receive(b: Builder, map: Map, ring: Value) -> Abstract:
    """``ring.receive()``: removes the oldest record and gives a copy; None if there is no record."""
    ctype = map.spec.data_type
    size = ctypes.sizeof(ctype)
    place = b.alloca(_DATA + (size + 7 & ~7))
    paddings.overwritten(b, ctype)
    b.zero(place, 0, _DATA + (size + 7 & ~7))
    callback = b.emit(Op.FUNC, [], Ptr(Region.MAP), _copier(b, size))
    count = b.emit(Op.CALL, [ring, callback, place, const(0)], I64, INTERNAL["user_ringbuf_drain"])
    there, absent, done = Block(), Block(), Block()
    copied = b.emit(Op.AND, [b.compare(Op.EQ, count, const(1)),
                             b.compare(Op.EQ, b.load(place, 0, _DATA, True), const(0))], I64)  # fmt: skip
    kind = scalar(ctype)
    if kind is not None:
        return OptionalInt(copied, scalars.load(b, place, _DATA, kind))
    b.branch(copied, there, absent)
    b.start(there)
    data = b.address(place, _DATA)
    b.jump(done)
    b.start(absent)
    b.jump(done)
    b.start(done)
    return Ref(b.phi(done, [data, const(0)], Ptr(Region.STACK, True)), 0, ctype)


def _copier(b: Builder, size: int) -> Function:
    """The function that copies a record of ``size`` bytes; all calls of receive() share it."""
    name = f"receive_{size}"
    made = next((function for function in b.fn.subprograms if function.name == name and function.callback), None)
    return made or _make(b, name, size)


def _make(b: Builder, name: str, size: int) -> Function:
    copier = Function(name, b.fn.hook, b.fn.target)
    copier.belong_to(b.fn)
    copier.params, copier.result, copier.callback = 1, I64, True
    block = Block()
    copier.blocks = [block]
    record = append(block, Op.PARAM, [], Ptr(Region.CTX), 1, b.span)
    shared = append(block, Op.PARAM, [], STACK, 2, b.span)
    data = append(block, Op.PTRADD, [shared, const(_DATA)], STACK, None, b.span)
    given = [data, const(size), record, const(0), const(0)]
    status = append(block, Op.CALL, given, I64, INTERNAL["dynptr_read"], b.span)
    append(block, Op.STORE, [shared, status], VOID, (0, _DATA), b.span)
    append(block, Op.RETURN, [const(_STOP)], VOID, None, b.span)
    return copier
