"""Limits zeroing of objects on the stack or in a ring buffer to bytes that are not overwritten before their first use.

zero %0 (0, 16)                     zero %0 (12, 4)
store %0 (0, 8) ...            ->   store %0 (0, 8) ...
store %0 (8, 4) ...                 store %0 (8, 4) ...
"""

from __future__ import annotations

from ...uapi.helpers import Arg
from ..ir import pointers
from ..ir.ops import Op
from ..ir.pointers import Places
from ..ir.types import VOID, Ptr, Region
from ..ir.values import Block, Function, Value


def run(fn: Function) -> None:
    """Looks at each zeroing within its block. Pointers made before, or in other blocks, count as reading the zeros."""
    zeros = [(block, value) for block in fn.blocks for value in block.body if value.op is Op.ZERO]
    if not zeros:
        return
    places = pointers.find(fn, _is_object)
    stored = _stored(fn, places)
    for block, value in zeros:
        if value.args[0] not in stored:
            covered = _overwritten(block, value, places)
            if covered:
                _shrink(block, value, covered)


def _is_object(value: Value) -> bool:
    record = value.op is Op.CALL and isinstance(value.type, Ptr) and value.type.region is Region.RECORD
    return record or value.op is Op.ALLOCA


def _stored(fn: Function, places: dict[Value, Places]) -> set[Value]:
    """The objects whose address is stored in memory, where any code may load it."""
    kept = [arg for block in fn.blocks for value in block.body if value.op is Op.STORE for arg in value.args[1:]]
    return {base for arg in kept for base in places.get(arg, ())}


def _overwritten(block: Block, zero: Value, places: dict[Value, Places]) -> set[int]:
    """The bytes that the rest of the block overwrites before anything can read them."""
    base = zero.args[0]
    covered: set[int] = set()
    if places.get(base) != {base: 0}:
        return covered
    for value in block.body[block.body.index(zero) + 1 :]:
        into = [arg for arg in value.args if base in places.get(arg, ())]
        at = {arg: offset for arg in into if (offset := places[arg][base]) is not None}
        if not into or value.op is Op.PTRADD:
            continue
        if len(at) < len(into):
            break
        if value.op is Op.LOAD:
            start = at[value.args[0]] + value.attr[0]
            if not covered.issuperset(range(start, start + value.attr[1])):
                break
            continue
        written = _written(value, at)
        if written is None:
            break
        covered.update(written)
    return covered


def _written(value: Value, pointers: dict[Value, int]) -> range | None:
    """The bytes of the object that an operation overwrites without reading any; None if it may read some."""
    places = [i for i, arg in enumerate(value.args) if arg in pointers]
    if len(places) != 1:
        return None
    at = places[0]
    start = pointers[value.args[at]]
    if at == 0 and value.op in (Op.STORE, Op.ZERO, Op.COPY):
        return range(start + value.attr[0], start + value.attr[0] + value.attr[-1])
    if value.op is Op.CALL:
        return _filled(value, at, start)
    return None


def _filled(call: Value, at: int, start: int) -> range | None:
    """The bytes that a helper writes to its output buffer: none if the helper may leave a part unchanged."""
    kinds = call.attr.args
    sized = at + 1 < len(call.args) and kinds[at + 1] is Arg.SIZE and call.args[at + 1].op is Op.CONST
    if kinds[at] is not Arg.OUT or not sized:
        return None
    if at not in call.attr.fills:
        return range(0)
    return range(start, start + call.args[at + 1].attr)


def _shrink(block: Block, zero: Value, covered: set[int]) -> None:
    offset, size = zero.attr
    pieces: list[Value] = []
    byte = offset
    while byte < offset + size:
        if byte in covered:
            byte += 1
            continue
        end = byte
        while end < offset + size and end not in covered:
            end += 1
        pieces.append(Value(Op.ZERO, zero.args.copy(), VOID, (byte, end - byte), zero.span))
        byte = end
    at = block.body.index(zero)
    block.body[at : at + 1] = pieces
