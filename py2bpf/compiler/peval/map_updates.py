"""Changes numbers in maps by atomic operations."""

from __future__ import annotations

from typing import Final

from ...exception import TypeMismatch, UnsupportedSyntax
from ...uapi.map_types import Update, kind_of
from ..ir.ops import Op
from ..ir.types import Ptr, Region
from ..ir.values import Block, Value
from . import arith, maps, scalars
from .builder import Builder
from .layout import Scalar, scalar
from .naming import type_name
from .values import Abstract, Const, Map, Ref

ATOMIC: Final = {"+": Op.ADD, "-": Op.SUB, "&": Op.AND, "|": Op.OR, "^": Op.XOR}


def update_item(b: Builder, map: Map, key: Abstract, op: str, operand: Abstract) -> None:
    """``m[k] op= v`` without losing an update: atomically on the entry, which is inserted first if it is missing.
    (Whoever inserts it, the second look-up finds it.) Guards for Python's errors come before the insertion."""
    maps.check_index(map, key)
    only = maps.only_entry(b, map, key)
    if only is not None:
        update_in_place(b, only, op, operand)
        return
    address = maps.key_address(b, map, key)
    operand = arith.settled(b, operand)
    found = maps.lookup(b, map, address)
    change, done = Block(), Block()
    if kind_of(map.spec.kind).indexed:
        b.branch(found, change, done)
        place = found
    else:
        insert, again = Block(), Block()
        b.branch(found, again, insert)
        b.start(insert)
        maps.update(b, map, address, Const(maps.default_flags(map)), Update.NOEXIST)
        second, inserted = maps.lookup(b, map, address), b.block
        b.jump(again)
        b.start(again)
        place = b.phi(again, _in_order(again, {inserted: second}, found), Ptr(Region.VALUE, True, map.spec))
        b.branch(place, change, done)
    b.start(change)
    b.checked.add(place)
    update_in_place(b, Ref(place, 0, map.spec.value_type), op, operand)
    b.jump(done)
    b.start(done)


def _in_order(target: Block, known: dict[Block, Value], other: Value) -> list[Value]:
    return [known.get(pred, other) for pred in target.preds]


def is_shared(ref: Ref) -> bool:
    """Whether others may change the object meanwhile: it is in an entry of a map that isn't per CPU."""
    spec = ref.ptr.spec
    return ref.ptr.region is Region.VALUE and not (spec is not None and spec.per_cpu)


def can_be_atomic(ref: Ref) -> bool:
    """Whether BPF has atomic operations on such an integer."""
    kind = scalar(ref.ctype)
    return kind is not None and kind.size >= 4 and not kind.swapped and ref.offset % kind.size == 0


def _instead_of_atomic(ref: Ref, kind: Scalar) -> tuple[str, ...]:
    if kind.size < 4 or kind.swapped:
        return ("BPF adds atomically to 32 and 64 bits in host order: use those, a per-CPU map, or a SpinLock",)
    needed = f"BPF adds atomically to {8 * kind.size} bits at a multiple of {kind.size} bytes"
    return (
        f"{needed}, and this number lies at byte {ref.offset} of a packed structure",
        "don't pack it, put the number where it is aligned, or use a per-CPU map or a SpinLock",
    )


def update_in_place(b: Builder, ref: Ref, op: str, operand: Abstract) -> None:
    """``number op= operand`` in memory; atomic if others may change the number."""
    kind = scalar(ref.ctype)
    if kind is None or kind.kind != "int":
        raise TypeMismatch(0, f"{op}= needs an integer, but this is a {type_name(ref.ctype)}",
                           hints=("change one of its fields or items, or assign a whole one",))  # fmt: skip
    ir = arith.to_ir(b, operand, f"{op}= needs an integer")
    if not is_shared(ref):
        old = scalars.load(b, ref.base, ref.offset, kind)
        scalars.store(b, ref.base, ref.offset, kind, arith.emit_binary(b, ATOMIC[op], old, ir))
        return
    if not can_be_atomic(ref):
        raise TypeMismatch(
            0, f"{op}= on a shared {type_name(ref.ctype)} can't be made atomic",
            hints=_instead_of_atomic(ref, kind),
        )  # fmt: skip
    if op not in "+-" and not b.target.atomic_alu:
        raise UnsupportedSyntax(
            0,
            f"{op}= on a shared map value needs a kernel with atomic {ATOMIC[op].value} (Linux 5.12)",
            hints=("use a per-CPU map, or += and -=",),
        )
    if op == "-":
        ir = b.emit(Op.NEG, [ir], ir.type)
    b.guard_not_null(ref.base)
    b.emit(Op.ATOMIC, [ref.base, ir], attr=(ref.offset, kind.size, Op.ADD if op == "-" else ATOMIC[op]))
