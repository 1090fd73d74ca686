"""Ring buffers inside a program: records written at once, or reserved in the ring and filled there.

That every reserved record is given back, on each path once, the pass ``records`` sees to.
"""

from __future__ import annotations

import ctypes
from typing import Final

from ...exception import TypeMismatch, UnsupportedSyntax
from ...uapi.helpers import HELPERS
from ...uapi.map_types import MapType
from ..ir.ops import Op
from ..ir.types import I64, U64, VOID, Ptr, Region
from ..ir.values import Block, Value, const
from . import arith, hints, memory, records
from .builder import Builder
from .describe import describe, type_name
from .values import NONE, Abstract, Const, Map, Ref

_FLAGS: Final = 0
METHODS: Final = ("reserve", "submit", "discard")
PLAIN: Final = {f"ringbuf_{name}": name for name in METHODS}
"""The helpers that programs use through the ring buffer's methods alone."""


def check(map: Map, name: str) -> None:
    """Refuses the methods of ring buffers on other maps."""
    if map.spec.kind != MapType.RINGBUF:
        raise TypeMismatch(0, f"this map has no {name}()", hints=("it is a method of RingBuffer",))


def reserve(b: Builder, map: Map, ring: Value) -> Abstract:
    """``ring.reserve()``: a record of zeros, or None, which is counted."""
    spec = map.spec
    size = ctypes.sizeof(spec.data_type)
    record = b.emit(Op.CALL, [ring, const(size), const(_FLAGS)], Ptr(Region.RECORD, True, spec),
                    HELPERS["ringbuf_reserve"])  # fmt: skip
    there, lost, after = Block(), Block(), Block()
    b.branch(b.compare(Op.NE, record, const(0)), there, lost)
    b.start(there)
    b.zero(record, 0, size)
    b.jump(after)
    b.start(lost)
    _count(b, map)
    b.jump(after)
    b.start(after)
    return Ref(record, 0, spec.data_type)


def submit(b: Builder, map: Map, record: Abstract, helper: str) -> Abstract:
    """``ring.submit(record)`` and ``ring.discard(record)``."""
    name = f"{helper}()"
    if isinstance(record, Const) and record.obj is None:
        b.exit("TypeError")
    if not isinstance(record, Ref) or not records.is_whole(record):
        raise TypeMismatch(
            0, f"{name} takes the record that reserve() gave, but this is {describe(record)}",
            hints=(f"to write any other {type_name(map.spec.data_type)}: ring.output(record)",),
        )  # fmt: skip
    if record.ptr.spec is not map.spec:
        raise TypeMismatch(0, "this record was reserved in another ring buffer",
                           hints=("submit it there",))  # fmt: skip
    b.guard_not_null(record.base, "TypeError")
    b.emit(Op.CALL, [record.base, const(_FLAGS)], VOID, HELPERS[f"ringbuf_{helper}"])
    return NONE


def output(b: Builder, map: Map, ring: Value, args: tuple[Abstract, ...]) -> Abstract:
    """``ring.output(record)``: 0, or a negative number, which is counted."""
    if len(args) != 1:
        raise TypeMismatch(0, f"output() of a ring buffer takes the record alone, but {hints.count(len(args), 'value')}"
                           " are given", hints=("call it as ring.output(record)",))  # fmt: skip
    record = memory.materialise(b, map.spec.data_type, args[0])
    size = const(ctypes.sizeof(map.spec.data_type))
    values = [ring, memory.address_of(b, record), size, const(_FLAGS)]
    return arith.from_ir(count_failure(b, map, b.emit(Op.CALL, values, I64, HELPERS["ringbuf_output"])))


def count_failure(b: Builder, map: Map, status: Value) -> Value:
    """Counts a record that ringbuf_output() refused."""
    lost, after = Block(), Block()
    b.branch(b.compare(Op.NE, status, const(0)), lost, after)
    b.start(lost)
    _count(b, map)
    b.jump(after)
    b.start(after)
    return status


def _count(b: Builder, map: Map) -> None:
    """The ring's own counter is a map beside it, of one number."""
    counter = map.obj.lost_counter
    number = b.map_number(counter, counter.map_spec)
    place = b.emit(Op.MAPVALUE, [], Ptr(Region.VALUE, False, counter.map_spec), number)
    one = const(1)
    one.type = U64
    b.emit(Op.ATOMIC, [place, one], attr=(0, 8, Op.ADD))


def refuse_plain(name: str) -> None:
    """Refuses the helpers behind reserve(), submit() and discard()."""
    if name in PLAIN:
        raise UnsupportedSyntax(0, f"{name}() is not available as a plain function",
                                hints=(f"use the ring buffer's method: ring.{PLAIN[name]}()",))  # fmt: skip
