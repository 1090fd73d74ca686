"""Padding in the program's memory: which types have zeros there, and how keys of maps get them.

Objects that a program makes have zeros in their padding until something other than an assignment to a field writes to
them: a helper, or a copy from the packet or a map. Evaluation finds out which types such objects have. If it assumed
zeros for one of these types before, another attempt starts.
"""

from __future__ import annotations

from typing import Any

from ... import padding
from ..ir.ops import Op
from ..ir.types import U64, Region
from ..ir.values import const
from . import arith
from .builder import Builder
from .decisions import Restart
from .values import Ref


def made(b: Builder, ctype: Any) -> None:
    """Notes that an object is made on the stack. The members of a union write to each other's padding."""
    _soil(b, padding.overlaid(ctype))


def overwritten(b: Builder, ctype: Any) -> None:
    """Notes that the bytes of an object are written other than by assignments to its fields."""
    _soil(b, padding.padded(ctype))


def _soil(b: Builder, types: frozenset[Any]) -> None:
    b.padding.soiled |= types
    if types & b.padding.relied_on:
        b.padding.relied_on.clear()
        raise Restart("the padding of a type isn't clean everywhere")


def is_clean(b: Builder, ref: Ref) -> bool:
    """Whether the object's padding is zero, so that equal objects are equal bytes."""
    types = padding.padded(ref.ctype)
    if not types:
        return True
    if ref.ptr.region is not Region.STACK or types & b.padding.soiled:
        return False
    b.padding.relied_on |= types
    return True


def clear(b: Builder, ref: Ref) -> None:
    """Clears the object's padding, and makes each true c_bool the byte 1."""
    layout = padding.of(ref.ctype)
    for at, size in layout.gaps():
        b.zero(ref.base, ref.offset + at, size)
    for at, bits in layout.partial():
        kept = b.emit(Op.AND, [b.load(ref.base, ref.offset + at, 1, False), const(bits)], U64)
        b.store(ref.base, ref.offset + at, 1, kept)
    for at in layout.bools:
        b.store(ref.base, ref.offset + at, 1, arith.to_bool(b, b.load(ref.base, ref.offset + at, 1, False)))
