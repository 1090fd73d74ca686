"""Tests of values that may be None, and code for the case that they are not."""

from __future__ import annotations

from collections.abc import Callable

from ..ir.types import Ptr, join_ints
from ..ir.values import Block, Value
from . import arith
from .builder import Builder
from .values import Abstract, Ref


def may_be_null(b: Builder, value: Abstract) -> bool:
    """Whether the value is an object whose address may be null here, as far as the builder knows."""
    return isinstance(value, Ref) and value.ptr.nullable and value.base not in b.checked


def where_there(b: Builder, pointer: Value, there: Callable[[], Value], missing: Callable[[], Value]) -> Value:
    """The number from ``there()`` if the pointer isn't null, from ``missing()`` if it is."""
    if not isinstance(pointer.type, Ptr) or not pointer.type.nullable or pointer in b.checked:
        return there()
    known, present, absent, done = b.checked, Block(), Block(), Block()
    b.branch(pointer, present, absent)
    b.start(present)
    b.checked = known | {pointer}
    found = there()
    b.jump(done)
    b.start(absent)
    b.checked = known.copy()
    other = missing()
    kind = join_ints(arith.int_type(found), arith.int_type(other))
    other = arith.cast(b, other, kind)
    b.jump(done)
    b.start(done)
    b.checked = known
    assert found.type == kind, "there() gives the wider type"
    return b.phi(done, [found, other], kind)
