"""The values that a loop would share with its callback, and the reasons why a loop can't become one."""

from __future__ import annotations

from typing import Final

from ...ir.loop_policy import MAX_CONTEXT
from ...ir.natural_loops import Loop
from ...ir.ops import Op
from ...ir.types import Int, Ptr, Region
from ...ir.values import Function, Value

SLOT: Final = 8
"""The bytes that each shared value takes."""
CONSTANT: Final = frozenset({Op.MAP, Op.MAPVALUE, Op.FUNC})
"""Operations whose results are the same in all functions."""
DERIVES: Final = frozenset({Op.PTRADD, Op.PHI, Op.SELECT})
"""Operations that make pointers from pointers."""
_RELEASES: Final = frozenset({"ringbuf_submit", "ringbuf_discard"})


def refusal(fn: Function, loop: Loop) -> str:
    """Why the loop can't be a callback; empty if it can."""
    if not all(isinstance(phi.type, Int) for phi in loop.header.phis):
        return "the verifier takes a pointer that changes for the first one"
    inside = {value for block in loop.blocks for value in block.values()}
    live_in, live_out = used_in(fn, loop, inside), used_after(fn, loop, inside)
    for block in loop.blocks:
        for value in block.body:
            if value.op is Op.CALL and value.attr.name in _RELEASES and value.args[0] in live_in:
                return "a callback can't release what its caller holds"
    if any(in_packet(value) and not _can_remake(value) for value in live_in):
        return "a pointer into the packet that depends on the path"
    if any(not (isinstance(v.type, Int) or hoistable(v, inside) or _keeps(v)) for v in live_out):
        return "a pointer to the callback's stack or the packet"
    if SLOT * (1 + len(loop.header.phis) + len(live_in) + len(live_out)) > MAX_CONTEXT:
        return "too many values"
    return ""


def used_in(fn: Function, loop: Loop, inside: set[Value]) -> list[Value]:
    """The values from outside that the loop uses, without the initial values of its header's phis."""
    found: dict[Value, None] = {}
    for block in [block for block in fn.blocks if block in loop.blocks]:
        for value in block.values():
            for i, arg in enumerate(value.args):
                begins = value.op is Op.PHI and block.preds[i] not in loop.blocks
                if arg.op is not Op.CONST and arg not in inside and not begins:
                    found[arg] = None
    return list(found)


def used_after(fn: Function, loop: Loop, inside: set[Value]) -> list[Value]:
    """The values that the loop computes and that are used outside."""
    return list(dict.fromkeys(
        arg for block in fn.blocks if block not in loop.blocks for value in block.values() for arg in value.args
        if arg in inside
    ))  # fmt: skip


def in_packet(value: Value) -> bool:
    return isinstance(value.type, Ptr) and value.type.region is Region.PACKET


def on_stack(value: Value) -> bool:
    return isinstance(value.type, Ptr) and value.type.region is Region.STACK


def _can_remake(value: Value) -> bool:
    """Whether a pointer into the packet can be computed again from numbers and the context."""
    return value.op is Op.VIEW or (value.op is Op.PTRADD and _can_remake(value.args[0]))


def hoistable(value: Value, inside: set[Value]) -> bool:
    """Whether a value of the loop can be computed before it instead."""
    if value not in inside:
        return True
    if value.op is Op.PTRADD:
        return value.args[1].op is Op.CONST and on_stack(value) and hoistable(value.args[0], inside)
    return value.op is Op.ALLOCA or value.op in CONSTANT


def _keeps(value: Value) -> bool:
    """Whether the verifier still knows the kind of a pointer after the callback stored it for its caller."""
    kept = isinstance(value.type, Ptr) and value.type.region in (Region.VALUE, Region.MEM, Region.CTX)
    return kept and not stack_roots([value])


def stack_roots(pointers: list[Value]) -> list[Value]:
    """The stack objects that pointers may point into, also those that point into a map's value on other paths."""
    found: dict[Value, None] = {}
    seen: set[Value] = set()
    work = [pointer for pointer in pointers if isinstance(pointer.type, Ptr)]
    while work:
        value = work.pop()
        if value not in seen:
            seen.add(value)
            if value.op is Op.ALLOCA:
                found[value] = None
            elif value.op in DERIVES:
                work += [arg for arg in value.args if isinstance(arg.type, Ptr)]
    return list(found)
