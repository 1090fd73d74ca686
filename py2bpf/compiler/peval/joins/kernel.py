"""Joins objects of one type in the kernel's memory, and None: a phi of addresses."""

from __future__ import annotations

from ...ir.types import U64
from ...ir.values import Block, Value, const
from .. import block_ends
from ..plans import Slot
from ..values import Abstract, KernelRef, is_none
from .join import Header, Join, Meeting


def _address(block: Block, value: Abstract) -> Value:
    """The object's address, 0 for None."""
    return value.address_at(block) if isinstance(value, KernelRef) else block_ends.cast(block, const(0), U64)


def _or_none(value: KernelRef) -> KernelRef:
    return KernelRef(const(0), 0, value.shape, True)


class KernelObjects(Join):
    def merge(self, meeting: Meeting, values: list[Abstract]) -> Abstract | None:
        refs = [v for v in values if isinstance(v, KernelRef)]
        if not refs or any(not isinstance(v, KernelRef) and not is_none(v) for v in values):
            return None
        if any(ref.shape is not refs[0].shape for ref in refs):
            return None
        args = [_address(pred, v) for pred, v in zip(meeting.target.preds, values, strict=True)]
        pointer = len(refs) < len(values) or any(ref.pointer for ref in refs)
        return KernelRef(meeting.phi_of(args, U64), 0, refs[0].shape, pointer)

    def open(self, loop: Header, slot: Slot, value: Abstract) -> Abstract | None:
        wanted = loop.wanted(slot)
        model = wanted if isinstance(wanted, KernelRef) else value
        if not isinstance(model, KernelRef) or not (isinstance(value, KernelRef) or is_none(value)):
            return None
        return KernelRef(loop.phi(_address(loop.edge, value)), 0, model.shape, model.pointer)

    def close(self, loop: Header, slot: Slot, mine: Abstract, back: Abstract) -> bool:
        if is_none(mine) and isinstance(back, KernelRef):
            loop.replan(slot, _or_none(back))
        if not isinstance(mine, KernelRef):
            return False
        if isinstance(back, KernelRef) and back.shape is not mine.shape:
            return False
        if not isinstance(back, KernelRef) and not is_none(back):
            return False
        pointer = not isinstance(back, KernelRef) or back.pointer
        if pointer and not mine.pointer:
            loop.replan(slot, _or_none(mine))
        mine.address.args.append(_address(loop.edge, back))
        return True
