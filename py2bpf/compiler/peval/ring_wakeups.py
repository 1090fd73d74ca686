"""When a program wakes the reader of a ring buffer: by the kernel's own rule, at a watermark, or never.

The kernel's rule (no flag) wakes a reader who has caught up. With a watermark, the program asks how many bytes wait. It
forces a wake-up when they pass the watermark, and again at every further STEPS-th of it, since two CPUs that write at
the same time may both miss a crossing. A wake-up for every record would defeat the watermark.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ...spec import MapSpec
from ...uapi.helpers import HELPERS
from ...uapi.ring_buffers import HEADER, RingFlags, RingQuery, taken
from ..ir.ops import Op
from ..ir.types import I64, U64
from ..ir.values import Block, Value, const
from .builder import Builder

NONE: Final = 0
NO_WAKEUP, FORCE_WAKEUP = int(RingFlags.NO_WAKEUP), int(RingFlags.FORCE_WAKEUP)
STEPS: Final = 4
AVAILABLE: Final = int(RingQuery.AVAIL_DATA)


def flags(b: Builder, spec: MapSpec, ring: Callable[[], Value], size: Value, there: bool) -> Value:
    """The flags for the helper that writes a record of ``size`` bytes; ``there``: the record is in the ring already."""
    if spec.wakeup <= 0:
        return const(NO_WAKEUP if spec.wakeup else NONE)
    waiting = b.emit(Op.CALL, [ring(), const(AVAILABLE)], U64, HELPERS["ringbuf_query"])
    length = _room(b, size)
    before, after = (_minus(b, waiting, length), waiting) if there else (waiting, _plus(b, waiting, length))
    reached, force, quiet, done = Block(), Block(), Block(), Block()
    b.branch(b.compare(Op.GE, after, _unsigned(spec.wakeup)), reached, quiet)
    b.start(reached)
    changed = b.emit(Op.XOR, [after, before], U64)
    b.branch(b.compare(Op.GE, changed, _unsigned(step(spec.wakeup))), force, quiet)
    b.start(force)
    b.jump(done)
    b.start(quiet)
    b.jump(done)
    b.start(done)
    return b.phi(done, [const(FORCE_WAKEUP), const(NO_WAKEUP)], I64)


def step(watermark: int) -> int:
    """The distance in bytes between wake-ups, a power of two: passing a multiple of it wakes the reader."""
    return 1 << max(watermark // STEPS, 1).bit_length() - 1


def _room(b: Builder, size: Value) -> Value:
    """The bytes that a record takes in the ring."""
    if size.op is Op.CONST:
        return _unsigned(taken(size.attr))
    rounded = b.emit(Op.AND, [_plus(b, size, _unsigned(7)), _unsigned(0xFFFFFFF8)], U64)
    return _plus(b, rounded, _unsigned(HEADER))


def _plus(b: Builder, left: Value, right: Value) -> Value:
    return b.emit(Op.ADD, [left, right], U64)


def _minus(b: Builder, left: Value, right: Value) -> Value:
    return b.emit(Op.SUB, [left, right], U64)


def _unsigned(number: int) -> Value:
    value = const(number)
    value.type = U64
    return value
