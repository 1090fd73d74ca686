"""The program's own memory: compile-time images of ctypes instances."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

from ...ir.ops import Op
from ...ir.types import Ptr
from ...ir.values import Block, Value, const
from .. import block_ends, classes
from ..layout import is_array, is_char, is_chars, is_record, scalar
from ..naming import type_name
from .base import Abstract


@dataclass(slots=True, eq=False)
class Ref(Abstract):
    """Memory of type ``ctype`` at ``base + offset``: a ctypes instance. None where a nullable base is null.

    ``text``: an array of chars that Python reads as bytes up to the NUL, since it is a field or a map's value, and no
    object that the program made; None where that depends on the path. ``copied``: a copy of a value that has no
    place, or of what the kernel has: nobody may write there. ``addressed``: what addrof() gives, of which a number's
    address is meant.
    """

    base: Value
    offset: int
    ctype: Any
    text: bool | None = False
    copied: bool = False
    addressed: bool = False

    @property
    def ptr(self) -> Ptr:
        assert isinstance(self.base.type, Ptr)
        return self.base.type

    def address_at(self, block: Block) -> Value:
        """The object's address as one value, at the end of ``block``."""
        if not self.offset:
            return self.base
        return block_ends.offset(block, Op.PTRADD, self.base, self.offset, Ptr(self.ptr.region, False, self.ptr.spec))

    def describe(self) -> str:
        return f"a {type_name(self.ctype)}" + (" or None" if self.ptr.nullable else "")

    def python_class(self) -> Any:
        return self.ctype

    def null_where_none(self) -> Value | None:
        return self.base if self.ptr.nullable else None

    def truth_at(self, block: Block) -> Value | None:
        """Of what is true by being there."""
        ctype = self.ctype
        if ctype is not None and any(classes.lookup(ctype, name)[0] is not None for name in ("__bool__", "__len__")):
            return None
        text = is_chars(ctype) and self.text is not False
        number = scalar(ctype) is not None and not is_char(ctype)
        if text or number or not (is_record(ctype) or is_array(ctype)):
            return None
        if is_array(ctype) and not ctype._length_:
            return const(0)
        return block_ends.is_not_zero(block, self.base) if self.ptr.nullable else const(1)


@dataclass(slots=True, eq=False)
class Variable(Abstract):
    """What a local or cell variable holds whose address the program takes: the integer in 8 bytes at ``slot``. It is
    never on the stack."""

    words = "an integer known at run time only"

    slot: Value
    signed: bool

    @property
    def ref(self) -> Ref:
        return Ref(self.slot, 0, ctypes.c_int64 if self.signed else ctypes.c_uint64)


@dataclass(slots=True, eq=False)
class Stored(Abstract):
    """An item of a copied array, which nobody changes: read where it is used, since many don't fit the registers."""

    words = "an item of an array"
    by_fields = True

    ref: Ref
