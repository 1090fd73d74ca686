"""Ring buffers inside a program: records that are written at once, or reserved in the ring and filled there.

The pass ``forgotten_records`` makes sure that every path gives each reserved record back exactly once.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Final

from ...exception import TypeMismatch, UnsupportedSyntax
from ...spec import MapSpec
from ...uapi.helpers import HELPERS
from ...uapi.map_types import kind_of
from ..ir.ops import Op
from ..ir.types import I64, U64, VOID, Ptr, Region
from ..ir.values import Block, Value, const
from . import arith, contents, hints, losses, objects, records, ring_wakeups
from .builder import Builder
from .layout import is_array, is_chars
from .naming import type_name
from .values import NONE, Abstract, Const, Map, OneOf, Ref, RuntimeInt

_NO_FLAGS: Final = 0
METHODS: Final = ("reserve", "submit", "discard")
PLAIN: Final = {f"ringbuf_{name}": name for name in METHODS}
"""The helpers that programs can use only through the ring buffer's methods."""


def check(map: Map, name: str) -> None:
    """Refuses the methods of ring buffers on other maps."""
    if name not in kind_of(map.spec.kind).methods:
        raise TypeMismatch(0, f"this map has no {name}()", hints=("it is a method of RingBuffer",))


def reserve(b: Builder, map: Map, ring: Value) -> Abstract:
    """``ring.reserve()``: a record of zeros, or None, which is counted as a loss."""
    spec = map.spec
    size = ctypes.sizeof(spec.data_type)
    record = b.emit(Op.CALL, [ring, const(size), const(_NO_FLAGS)], Ptr(Region.RECORD, True, spec),
                    HELPERS["ringbuf_reserve"])  # fmt: skip
    there, lost, after = Block(), Block(), Block()
    b.branch(b.compare(Op.NE, record, const(0)), there, lost)
    b.start(there)
    b.zero(record, 0, size)
    b.jump(after)
    b.start(lost)
    losses.count(b, map)
    b.jump(after)
    b.start(after)
    return Ref(record, 0, spec.data_type)


def submit(b: Builder, map: Map, ring: Callable[[], Value], record: Abstract) -> Abstract:
    """``ring.submit(record)``."""
    base = _reserved(b, map, record, "submit")
    size = const(ctypes.sizeof(map.spec.data_type))
    b.emit(Op.CALL, [base, ring_wakeups.flags(b, map.spec, ring, size, there=True)], VOID, HELPERS["ringbuf_submit"])
    return NONE


def discard(b: Builder, map: Map, record: Abstract) -> Abstract:
    """``ring.discard(record)``: with a ``wakeup`` other than the kernel's rule, it never wakes the reader."""
    base = _reserved(b, map, record, "discard")
    flags = const(ring_wakeups.NO_WAKEUP if map.spec.wakeup else _NO_FLAGS)
    b.emit(Op.CALL, [base, flags], VOID, HELPERS["ringbuf_discard"])
    return NONE


def _reserved(b: Builder, map: Map, record: Abstract, name: str) -> Value:
    """The address of the record that is the argument of submit() or discard()."""
    name = f"{name}()"
    if isinstance(record, Const) and record.obj is None:
        b.exit("TypeError")
    if not isinstance(record, Ref) or not records.is_whole(record):
        raise TypeMismatch(
            0, f"{name} takes the record that reserve() gave, but this is {record.describe()}",
            hints=(f"to write any other {type_name(map.spec.data_type)}: ring.output(record)",),
        )  # fmt: skip
    if record.ptr.spec is not map.spec:
        raise TypeMismatch(0, "this record was reserved in another ring buffer",
                           hints=("submit it there",))  # fmt: skip
    b.guard_not_null(record.base, "TypeError")
    return record.base


def output(b: Builder, map: Map, ring: Value, args: tuple[Abstract, ...]) -> Abstract:
    """``ring.output(record)``: 0, or a negative number, which is counted as a loss."""
    if map.spec.variable:
        record, size = _sized(b, map.spec, args)
    elif len(args) != 1:
        raise TypeMismatch(0, f"output() of a ring buffer takes the record alone, but {hints.count(len(args), 'value')}"
                           " are given", hints=("call it as ring.output(record)",))  # fmt: skip
    else:
        record = objects.materialise(b, map.spec.data_type, args[0])
        size = const(ctypes.sizeof(map.spec.data_type))
    flags = ring_wakeups.flags(b, map.spec, lambda: ring, size, there=False)
    values = [ring, objects.address_of(b, record), size, flags]
    return arith.from_ir(losses.count_failure(b, map, b.emit(Op.CALL, values, I64, HELPERS["ringbuf_output"])))


def _sized(b: Builder, spec: MapSpec, args: tuple[Abstract, ...]) -> tuple[Ref, Value]:
    """A record, and how many of its bytes are written: all bytes of the object, or ``size``."""
    if not 1 <= len(args) <= 2:
        raise TypeMismatch(0, f"output() of a ring buffer takes the record and its size, but "
                           f"{hints.count(len(args), 'value')} are given",
                           hints=("call it as ring.output(record, size=n)",))  # fmt: skip
    record, limit = _part(b, spec, args[0])
    if len(args) == 1:
        if isinstance(args[0], OneOf):
            return record, contents.chosen(b, args[0], [const(len(data)) for data in args[0].options])
        return record, const(limit)
    size = arith.to_ir(b, args[1], "the size of a record is an integer")
    if size.op is not Op.CONST:
        b.guard_size(size, limit)
    elif not 1 <= size.attr <= limit:
        raise _no_record(size.attr, limit)
    return record, size


def _no_record(size: int, limit: int) -> TypeMismatch:
    return TypeMismatch(0, f"no record of {size} bytes can be made of an object of {limit}",
                        hints=("leave the size out" if limit == 1 else f"give 1 to {limit}",))  # fmt: skip


def _part(b: Builder, spec: MapSpec, value: Abstract) -> tuple[Ref, int]:
    """The record in memory, and its size: constant bytes and shorter arrays are records of their own length."""
    ctype = spec.data_type
    if is_array(ctype):
        item, count = ctype._type_, ctype._length_
        if is_chars(ctype) and (texts := contents.texts(value)):
            count = max(map(len, texts)) if all(texts) else 0
        elif isinstance(value, Ref) and is_array(value.ctype) and value.ctype._type_ is item:
            count = value.ctype._length_
        if not count:
            raise _no_record(0, ctypes.sizeof(ctype))
        if count < ctype._length_:
            ctype = item * count
    return objects.all_bytes(b, ctype, value) or objects.materialise(b, ctype, value), ctypes.sizeof(ctype)


def with_size(map: Map, name: str, args: tuple[Abstract, ...], kwargs: dict[str, Abstract]) -> tuple[Abstract, ...]:
    """The arguments of a map's method. Only ``size`` of output() may be a keyword argument."""
    if name == "output" and map.spec.variable and len(args) == 1 and list(kwargs) == ["size"]:
        return (*args, kwargs["size"])
    raise TypeMismatch(0, f".{name}() takes no keyword arguments here", hints=("give the values without names",))


def waiting(b: Builder, ring: Value) -> Abstract:
    """``ring.waiting``: the bytes that the reader has not taken yet."""
    return RuntimeInt(b.emit(Op.CALL, [ring, const(ring_wakeups.AVAILABLE)], U64, HELPERS["ringbuf_query"]))


def refuse_plain(name: str) -> None:
    """Refuses the helpers behind reserve(), submit() and discard()."""
    if name in PLAIN:
        raise UnsupportedSyntax(0, f"{name}() is not available as a plain function",
                                hints=(f"use the ring buffer's method: ring.{PLAIN[name]}()",))  # fmt: skip
