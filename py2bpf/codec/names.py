"""The names of ctypes types, and their byte order."""

from __future__ import annotations

import ctypes
import sys
from typing import Any, Final

SIGNED: Final = frozenset("bhilq")
UNSIGNED: Final = frozenset("BHILQP")
NATIVE: Final = "<" if sys.byteorder == "little" else ">"


def byte_order(ctype: Any) -> str:
    if getattr(ctype, "__ctype_le__", None) is ctype:
        return "<"
    return ">" if getattr(ctype, "__ctype_be__", None) is ctype else NATIVE


def type_name(ctype: Any) -> str:
    """A type as its user wrote it: ``c_uint32``, ``c_char * 16``, ``Flow``."""
    if not isinstance(ctype, type):
        return repr(ctype)
    if issubclass(ctype, ctypes.Array):
        return f"{type_name(ctype._type_)} * {ctype._length_}"
    if not issubclass(ctype, ctypes._SimpleCData):
        return ctype.__name__
    code = str(getattr(ctype, "_type_", ""))
    if ctype.__module__ != "ctypes" or code not in SIGNED | UNSIGNED or code == "P":
        return ctype.__name__
    name = f"c_{'u' if code in UNSIGNED else ''}int{8 * ctypes.sizeof(ctype)}"
    return name if byte_order(ctype) == NATIVE else name + (".__ctype_be__" if NATIVE == "<" else ".__ctype_le__")
