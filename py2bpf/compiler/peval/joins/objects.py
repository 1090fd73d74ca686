"""Joins objects in the program's memory, None, and texts with constant bytes: a phi of addresses."""

from __future__ import annotations

from ...ir.ops import Op
from ...ir.types import Ptr, Region
from ...ir.values import Block, Value, const
from .. import constant_texts, memory, records
from ..plans import Slot
from ..values import Abstract, Const, NoValue, Ref, is_none
from .join import Header, Join, Meeting


def pointer_to(refs: list[Ref], nullable: bool) -> Ptr:
    """The type of a pointer to one of the objects."""
    first = refs[0].ptr
    nullable = nullable or any(ref.ptr.nullable for ref in refs)
    if all(ref.ptr.region is first.region and ref.ptr.spec is first.spec for ref in refs):
        return Ptr(first.region, nullable, first.spec)
    shared = next((r.ptr for r in refs if r.ptr.region is Region.VALUE), None)  # may be shared: keep adds atomic
    return Ptr(Region.VALUE, nullable, shared.spec) if shared else Ptr(Region.MEM, nullable)


def are_texts(refs: list[Ref]) -> bool | None:
    """True if all are text, False if none is, None if only some are."""
    return refs[0].text if all(ref.text is refs[0].text for ref in refs) else None


def one_of(pointer: Value, refs: list[Ref]) -> Ref:
    """The object at ``pointer``, which is the address of one of ``refs``."""
    return Ref(pointer, 0, refs[0].ctype, are_texts(refs), any(ref.copied for ref in refs))


def _address(block: Block, value: Abstract) -> Value:
    """The object's address, 0 for None."""
    return value.address_at(block) if isinstance(value, Ref) else const(0)


class Objects(Join):
    def merge(self, meeting: Meeting, values: list[Abstract]) -> Abstract | None:
        refs = [v for v in values if isinstance(v, Ref)]
        others = [v for v in values if not isinstance(v, Ref) and not is_none(v)]
        if not refs or not all(constant_texts.fit(refs, v) for v in others):
            return None
        if any(ref.ctype is not refs[0].ctype for ref in refs):
            return None
        if len({memory.in_packet(ref) for ref in refs}) > 1:
            return NoValue("it is in the packet on one path, and a copy on another")
        apart = records.why_apart(refs)
        if apart:
            return NoValue(apart)
        ways = list(zip(meeting.target.preds, values, strict=True))
        placed = [constant_texts.place(pred, v.obj, refs[0].ctype) if isinstance(v, Const) and not is_none(v) else v
                  for pred, v in ways]  # fmt: skip
        refs = [v for v in placed if isinstance(v, Ref)]
        args = [_address(pred, v) for (pred, _), v in zip(ways, placed, strict=True)]
        return one_of(meeting.phi_of(args, pointer_to(refs, nullable=len(refs) < len(placed))), refs)

    def open(self, loop: Header, slot: Slot, value: Abstract) -> Abstract | None:
        wanted = loop.wanted(slot)
        model = wanted if isinstance(wanted, Ref) else value
        if not isinstance(model, Ref) or not (isinstance(value, Ref) or is_none(value)):
            return None
        if records.is_record(model):
            return NoValue(records.CARRIED)
        phi = loop.phi(_address(loop.edge, value))
        phi.type = model.ptr if model is wanted else pointer_to([model], False)
        return Ref(phi, 0, model.ctype, model.text, model.copied)

    def close(self, loop: Header, slot: Slot, mine: Abstract, back: Abstract) -> bool:
        if is_none(mine) and isinstance(back, Ref):
            if records.is_record(back):
                loop.replan(slot, records.CARRIED)
            kind = pointer_to([back], nullable=True)
            loop.replan(slot, Ref(Value(Op.PHI, [], kind), 0, back.ctype, back.text, back.copied))
        if not isinstance(mine, Ref) or not (isinstance(back, Ref) or is_none(back)):
            return False
        if isinstance(back, Ref) and (why := _why_no_phi(mine, back)):
            loop.replan(slot, why)
        refs = [mine, back] if isinstance(back, Ref) else [mine]
        found = one_of(Value(Op.PHI, [], pointer_to(refs, nullable=not isinstance(back, Ref))), refs)
        if (found.ptr, found.text, found.copied) != (mine.ptr, mine.text, mine.copied):
            loop.replan(slot, found)
        mine.base.args.append(_address(loop.edge, back))
        return True


def _why_no_phi(mine: Ref, back: Ref) -> str:
    """Why no phi can hold both objects; empty where one can."""
    if memory.in_packet(back) is not memory.in_packet(mine):
        return "it is in the packet on one path, and a copy on another"
    if records.is_record(back):
        return records.CARRIED
    return "" if back.ctype is mine.ctype else f"it is {mine.describe()} before the loop and {back.describe()} in it"
