"""Defaults of the methods of maps: numbers, objects, or None, as in Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...exception import TypeMismatch
from ..ir.ops import Op
from ..ir.types import Ptr, Region, join_ints
from ..ir.values import Block, Value, const
from . import arith, integers, memory, objects, records, stores
from .builder import Builder
from .joins.objects import are_texts, pointer_to
from .layout import scalar
from .values import Abstract, Const, OptionalInt, Ref, is_none


def may_be_none(value: Abstract) -> bool:
    """Whether a number's place may hold None instead."""
    return isinstance(value, OptionalInt) or is_none(value)


def _either(b: Builder, condition: Value, yes: Callable[[], Value], no: Callable[[], Value]) -> tuple[Value, Value]:
    """The values of ``yes()`` and ``no()``, each on its branch; emission continues in the block where they meet."""
    first, second, done = Block(), Block(), Block()
    b.branch(condition, first, second)
    b.start(first)
    found = yes()
    b.jump(done)
    b.start(second)
    other = no()
    b.jump(done)
    b.start(done)
    return found, other


def object_or(b: Builder, found: Ref, default: Abstract) -> Ref:
    """The entry that ``get()`` found, or the default."""
    if is_none(default):
        return found
    others: list[Ref] = []

    def missing() -> Value:
        others.append(_object(b, found.ctype, default))
        return _address(b, others[0])

    args = _either(b, found.base, lambda: found.base, missing)
    pointer = b.phi(b.block, list(args), pointer_to([found, *others], False))
    return Ref(pointer, 0, found.ctype, are_texts([found, *others]))


def copy_or(b: Builder, found: Ref, default: Abstract) -> Ref:
    """A copy on the stack of the entry that ``pop()`` is about to remove, or the default object itself."""
    copy = memory.new(b, found.ctype)
    others: list[Ref] = []

    def there() -> Value:
        b.checked.add(found.base)
        stores.store(b, copy, found)
        return copy.base

    def missing() -> Value:
        if is_none(default):
            return const(0)
        if not isinstance(default, Ref):
            stores.store(b, copy, default)
            return copy.base
        others.append(_object(b, found.ctype, default))
        return _address(b, others[0])

    args = _either(b, found.base, there, missing)
    if args[0] is args[1]:
        return memory.as_text(copy)
    type = pointer_to([copy, *others], False) if others else Ptr(Region.STACK, True)
    return Ref(b.phi(b.block, list(args), type), 0, found.ctype, are_texts([found, *others]))


def _object(b: Builder, ctype: Any, default: Abstract) -> Ref:
    """The default as an object of the type of map values; if it may be None, a null address stands for None."""
    if not isinstance(default, Ref) or default.ctype is not ctype:
        made = objects.materialise(b, ctype, default)
        return made if isinstance(default, Ref) and not default.text else memory.as_text(made)  # bytes are text
    if memory.in_packet(default) or records.is_record(default):
        raise TypeMismatch(
            0, "the default can't be in the packet or in a ring buffer",
            hints=("get the entry without a default, and use the other where it is None",),
        )  # fmt: skip
    return default


def _address(b: Builder, ref: Ref) -> Value:
    return ref.base if ref.ptr.nullable and not ref.offset else objects.address_of(b, ref)


def inserted(b: Builder, ctype: Any, value: Abstract, default: int) -> Abstract:
    """The value that ``setdefault()`` inserts; None becomes the map's default number, or an object of zeros."""
    number = scalar(ctype) is not None
    if is_none(value):
        return Const(default) if number else memory.new(b, ctype)
    if isinstance(value, OptionalInt) and number:
        numbers = value.value, integers.constant(default)
        kind = join_ints(*map(arith.int_type, numbers))
        args = [arith.to_bool(b, value.present), *(arith.cast(b, number, kind) for number in numbers)]
        return arith.from_ir(b.emit(Op.SELECT, args, kind))
    if isinstance(value, Ref) and value.ptr.nullable and not number:
        return _copy_or_zeros(b, ctype, value)
    return value


def _copy_or_zeros(b: Builder, ctype: Any, value: Ref) -> Ref:
    copy = memory.new(b, ctype)

    def there() -> Value:
        b.checked.add(value.base)
        stores.store(b, copy, value)
        return copy.base

    _either(b, value.base, there, lambda: copy.base)
    return copy
