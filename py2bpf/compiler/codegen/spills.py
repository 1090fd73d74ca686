"""Places for spilled values on the stack. Values that are never alive together share a place.

A place is alive from a store to the last load that may see the stored value, by liveness over the finished code.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from ...exception import Span
from ..ir.values import Block
from .machine import Machine, MachineFunction

FIRST: Final = 1 << 20
"""Slots from this number on are spilled values; lower ones are stack objects."""


def share(code: MachineFunction, count: int) -> list[int]:
    """For each of ``count`` spilled values, the number of its place."""
    conflicts = [0] * count
    live_out = _live_out(code)
    for block in code.blocks:
        live = live_out[block.label]
        for instruction in reversed(block.code):
            slot = _slot(instruction)
            if slot is None:
                continue
            if _is_load(instruction):
                live |= 1 << slot
            else:
                live &= ~(1 << slot)
                conflicts[slot] |= live
                for other in range(count):
                    if live >> other & 1:
                        conflicts[other] |= 1 << slot
    return _colour(conflicts)


def busiest(code: MachineFunction) -> Span | None:
    """The place in the source that makes most of the spilled values."""
    stores = [instruction for block in code.blocks for instruction in block.code
              if _slot(instruction) is not None and not _is_load(instruction)]  # fmt: skip
    places = Counter(store.span for store in stores if store.span is not None)
    return max(places, key=places.__getitem__, default=None)


def _slot(instruction: Machine) -> int | None:
    if instruction.slot is None or instruction.slot < FIRST:
        return None
    return instruction.slot - FIRST


def _is_load(instruction: Machine) -> bool:
    return bool(instruction.writes)


def _live_out(code: MachineFunction) -> dict[Block, int]:
    """The spilled values that are still needed at the end of each block, as a mask."""
    live_in: dict[Block, int] = {block.label: 0 for block in code.blocks}
    live_out = live_in.copy()
    changed = True
    while changed:
        changed = False
        for block in reversed(code.blocks):
            live = 0
            for succ in block.succs:
                live |= live_in[succ]
            live_out[block.label] = live
            for instruction in reversed(block.code):
                slot = _slot(instruction)
                if slot is not None:
                    live = live | 1 << slot if _is_load(instruction) else live & ~(1 << slot)
            if live != live_in[block.label]:
                live_in[block.label] = live
                changed = True
    return live_out


def _colour(conflicts: list[int]) -> list[int]:
    places: list[int] = []
    for slot, others in enumerate(conflicts):
        taken = {places[other] for other in range(slot) if others >> other & 1}
        places.append(next(place for place in range(len(conflicts)) if place not in taken))
    return places
