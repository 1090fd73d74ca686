"""Counts lost records and failed inserts in a hidden companion map, since the kernel reports them to nobody.

The compiler only notes that the program needs a companion map (ProgramSpec.loss_maps); the loader finds or makes it.
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
"""The helpers that write a record, with the errors that the kernel counts itself: -ENOSPC, a full perf buffer. The
kernel doesn't count others, such as -ENOENT and -EOPNOTSUPP on a CPU that came online later."""

NOT_LOST: Final = (-errno.EEXIST, -errno.ENOENT)
"""Errors that the caller asked for with BPF_NOEXIST and BPF_EXIST."""


def _place(b: Builder, map: Map) -> Value:
    number = b.loss_counter(map.obj, map.spec)
    return b.emit(Op.MAPVALUE, [], Ptr(Region.VALUE, False, LOSS_COUNTER), number)


def number(b: Builder, map: Map) -> Abstract | None:
    """``m.lost``; None for kinds of maps whose losses programs don't count."""
    if not kind_of(map.spec.kind).counts_losses:
        return None  # the kernel counts most losses of a perf buffer
    return RuntimeInt(b.load(_place(b, map), 0, 8, False))


def count(b: Builder, map: Map) -> None:
    """Adds 1 to the map's counter of losses."""
    place = _place(b, map)
    one = const(1)
    one.type = U64
    b.emit(Op.ATOMIC, [place, one], attr=(0, 8, Op.ADD))


def count_failure(b: Builder, map: Map, status: Value, expected: tuple[int, ...] = ()) -> Value:
    """Counts a loss if a helper's status is an error that is not in ``expected``. Success costs one branch."""
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
    b.checked = checked  # pointers that were checked before still are
    return status


def whole(b: Builder, status: Value) -> Value:
    """The 64-bit result of a map's own function. Before Linux 6.4 it was a C int, whose sign the upper half lacks."""
    return b.emit(Op.ASHR, [b.emit(Op.SHL, [status, const(32)], I64), const(32)], I64)


def count_refused(b: Builder, map: Map, status: Value, expected: tuple[int, ...] = ()) -> Value:
    """Counts an entry that a map refused, if the map is of a kind that can be full."""
    if kind_of(map.spec.kind).inserts:
        count_failure(b, map, status, expected)
    return status
