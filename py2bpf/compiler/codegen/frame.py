"""Lays out the 512 bytes of stack. Objects that are never alive together share a place.

An object is alive from its alloca to the last use of any pointer derived from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...exception import LimitExceeded
from ..ir import pointers
from ..ir.ops import Op
from ..ir.values import Block, Function, Value

SIZE: Final = 512


class Frame:
    """Places relative to the frame pointer (negative); ``slots`` numbers the objects for the selector."""

    def __init__(self) -> None:
        self.slots: dict[Value, int] = {}
        self.offsets: dict[int, int] = {}
        self.size = 0

    def spill(self, number: int, offset: int) -> None:
        """Adds a register's spill place, ``offset`` bytes below the objects."""
        self.offsets[number] = -(self.size + offset)


def lay_out(fn: Function) -> Frame:
    """Assigns every stack object its place. Raises LimitExceeded naming the largest object if they don't fit."""
    frame = Frame()
    objects = [v for block in fn.blocks for v in block.body if v.op is Op.ALLOCA]
    if not objects:
        return frame
    frame.slots = {value: i for i, value in enumerate(objects)}
    conflicts = _conflicts(fn, frame.slots)
    placed: dict[int, tuple[int, int]] = {}  # the objects' lowest and highest bytes below the frame pointer
    for value in sorted(objects, key=lambda v: -v.attr):
        number = frame.slots[value]
        size = (value.attr + 7) & ~7
        low = _first_gap([placed[other] for other in _members(conflicts[number]) if other in placed], size)
        placed[number] = low, low + size
        frame.offsets[number] = -(low + size)
        frame.size = max(frame.size, low + size)
    if frame.size > SIZE:
        largest = max(objects, key=lambda v: v.attr)
        raise LimitExceeded(
            largest.span.line if largest.span else 0,
            f"the program needs {frame.size} bytes of stack, and BPF has {SIZE}; the largest object "
            f"({largest.attr} bytes) is made here",
            span=largest.span, hints=("keep large objects in a per-CPU array map",),
        )  # fmt: skip
    return frame


def _members(mask: int) -> Iterator[int]:
    """The numbers of the bits that are set. Few are, if an object is alive with few others."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def _first_gap(taken: list[tuple[int, int]], size: int) -> int:
    low = 0
    for start, end in sorted(taken):
        if start - low >= size:
            break
        low = max(low, end)
    return low


def _conflicts(fn: Function, slots: dict[Value, int]) -> list[int]:
    """For each object, the bit mask of the objects that are alive at the same time."""
    derived = _derived(fn, slots)
    uses = dict.fromkeys(fn.blocks, 0)
    kills = dict.fromkeys(fn.blocks, 0)
    for block in fn.blocks:
        for value in reversed(block.body):
            if value in slots:
                uses[block] &= ~(1 << slots[value])
                kills[block] |= 1 << slots[value]
            for arg in value.args:
                uses[block] |= derived.get(arg, 0)
        for phi in block.phis:
            for pred, arg in zip(block.preds, phi.args, strict=True):
                uses[pred] |= derived.get(arg, 0) & ~kills[pred]
    live_in = uses.copy()
    changed = True
    while changed:
        changed = False
        for block in reversed(fn.blocks):
            live = uses[block]
            for succ in block.succs:
                live |= live_in[succ] & ~kills[block]
            if live != live_in[block]:
                live_in[block] = live
                changed = True
    conflicts = [0] * len(slots)
    for block in fn.blocks:
        _scan(block, slots, derived, live_in, conflicts)
    return conflicts


def _scan(block: Block, slots: dict[Value, int], derived: dict[Value, int], live_in: dict[Block, int],
          conflicts: list[int]) -> None:  # fmt: skip
    live = 0
    for succ in block.succs:
        live |= live_in[succ]
        for phi in succ.phis:
            live |= derived.get(phi.args[succ.preds.index(block)], 0)
    for value in reversed(block.body):
        number = slots.get(value)
        if number is not None:
            live &= ~(1 << number)
            conflicts[number] |= live
            for other in _members(live):
                conflicts[other] |= 1 << number
        for arg in value.args:
            live |= derived.get(arg, 0)


def _derived(fn: Function, slots: dict[Value, int]) -> dict[Value, int]:
    """For each pointer, the objects that it may point into."""
    found = pointers.find(fn, slots.__contains__)
    return {value: sum(1 << slots[base] for base in into) for value, into in found.items()}
