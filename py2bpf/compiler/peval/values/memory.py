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
    """Memory of type ``ctype`` at ``base + offset``: a ctypes instance. The value is None if a nullable base is null.

    ``text``: a char array that Python reads as bytes up to the NUL, because it is a field or a map's value and not an
    object that the program made; None if that depends on the path. ``copied``: a copy of a value that has no place, or
    of the kernel's memory, which nobody may write. ``addressed``: the result of addrof(), so the address is meant even
    if the type is a number.
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
        """Known for objects whose truth does not depend on their contents."""
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
    """The value of a local or cell variable whose address the program takes: the integer in the 8 bytes at ``slot``.
    The stack of the state never holds one."""

    words = "an integer known at run time only"

    slot: Value
    signed: bool

    @property
    def ref(self) -> Ref:
        return Ref(self.slot, 0, ctypes.c_int64 if self.signed else ctypes.c_uint64)


@dataclass(slots=True, eq=False)
class Stored(Abstract):
    """An item of a copied array, which nobody changes. It is loaded at each use, since many items would not fit the
    registers."""

    words = "an item of an array"
    by_fields = True

    ref: Ref
