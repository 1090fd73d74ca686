"""Counting what a program could not keep, in the map that stands beside each map for that: nobody else knows of it.

The compiler only says that the program needs such a map (ProgramSpec.loss_maps); the loader finds or makes it.
"""

from __future__ import annotations

import errno
from typing import Final

from ...uapi.map_types import LOSS_COUNTER, kind_of
from ..ir.ops import Op
from ..ir.types import I64, U64, Ptr, Region
from ..ir.values import Block, Value, const
from .builder import Builder
from .values import Abstract, Map, RuntimeInt

WRITING: Final[dict[str, tuple[int, ...]]] = {"ringbuf_output": (), "perf_event_output": (-28,)}
"""The helpers that write a record, and the errors that the kernel counts: -ENOSPC, a full perf buffer. Of the others,
such as -ENOENT and -EOPNOTSUPP on a CPU that has come online since, nobody else knows."""

NOT_LOST: Final = (-errno.EEXIST, -errno.ENOENT)
"""What BPF_NOEXIST and BPF_EXIST ask for."""


def _place(b: Builder, map: Map) -> Value:
    number = b.loss_counter(map.obj, map.spec)
    return b.emit(Op.MAPVALUE, [], Ptr(Region.VALUE, False, LOSS_COUNTER), number)


def number(b: Builder, map: Map) -> Abstract | None:
    """``m.lost``; None where a map loses nothing that programs count."""
    if not kind_of(map.spec.kind).counts_losses:
        return None  # of a perf buffer's the kernel counts most
    return RuntimeInt(b.load(_place(b, map), 0, 8, False))


def count(b: Builder, map: Map) -> None:
    """Adds 1 to the number of what this map lost."""
    place = _place(b, map)
    one = const(1)
    one.type = U64
    b.emit(Op.ATOMIC, [place, one], attr=(0, 8, Op.ADD))


def count_failure(b: Builder, map: Map, status: Value, expected: tuple[int, ...] = ()) -> Value:
    """Counts one where a helper's status is an error, but for the ``expected`` ones. Success costs one branch."""
    lost, after, checked = Block(), Block(), b.checked
    b.branch(b.compare(Op.NE, status, const(0)), lost, after)
    b.start(lost)
    error = whole(b, status) if expected else status
    for number in expected:
        other = Block()
        b.branch(b.compare(Op.NE, error, const(number)), other, after)
        b.start(other)
    count(b, map)
    b.jump(after)
    b.start(after)
    b.checked = checked  # what was known before still is
    return status


def whole(b: Builder, status: Value) -> Value:
    """The result of a map's own function with all its 64 bits: before Linux 6.4 it was a C int, whose sign is lost."""
    return b.emit(Op.ASHR, [b.emit(Op.SHL, [status, const(32)], I64), const(32)], I64)


def count_refused(b: Builder, map: Map, status: Value, expected: tuple[int, ...] = ()) -> Value:
    """Counts an entry that a map took not, where it is of a kind that can be full."""
    if kind_of(map.spec.kind).inserts:
        count_failure(b, map, status, expected)
    return status
