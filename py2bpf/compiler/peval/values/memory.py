"""The program's own memory: compile-time images of ctypes instances."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

from ...ir.types import Ptr
from ...ir.values import Value
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

    def describe(self) -> str:
        return f"a {type_name(self.ctype)}" + (" or None" if self.ptr.nullable else "")


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

    ref: Ref
