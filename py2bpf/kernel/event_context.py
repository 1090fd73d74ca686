"""The context of a tracepoint's program, made from the event's format: numbers of C's width and sign, texts, arrays.

The format gives the C types, and the kernel's BTF describes them. The format's own column ``signed`` is no help: for
a system call it says that no argument has a sign.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Mapping
from typing import Any, Final

from ..btf.c_types import Number, by_text, kernel_btf
from ..exception import DataRangeError, DataTypeError
from ..given import shown
from ..spec import ContextSpec, Field, Located
from .tracefs import EventField, EventFormat

_POINTER: Final = 8
"""Where an event's own fields begin: before them is a pointer that programs may not read."""
DEFAULT: Final = 64
"""How many bytes of a text or array of variable length programs see by default."""
_LARGEST: Final = 512
"""Bytes of a program's stack."""


def context(form: EventFormat, name: str, sizes: Mapping[str, int] | None = None) -> ContextSpec:
    """The type of the program's argument: the event's fields at the kernel's offsets. ``sizes`` gives the number of
    characters or items for texts and arrays of variable length.

    Raises DataTypeError for sizes of other fields or a size that is no int, DataRangeError for a size that doesn't fit.
    """
    sizes = sizes or {}
    fields: dict[str, Field | Located | tuple[Field, ...]] = {}
    members: list[tuple[str, Any]] = []
    end = 0
    for field in sorted(form.fields, key=lambda field: field.offset):
        ctype = _ctype(field)
        # A system call's int has 8 bytes, of which the first ones count (on big-endian machines the last ones).
        offset = field.offset + (0 if sys.byteorder == "little" else field.size - ctypes.sizeof(ctype))
        if offset < max(end, _POINTER):
            continue
        if offset > end:
            members.append((f"_gap{end}", ctypes.c_uint8 * (offset - end)))
        members.append((field.location if field.data_loc else field.name, ctype))
        if field.data_loc:
            fields[field.name] = _located(field, sizes.get(field.name))
        end = offset + ctypes.sizeof(ctype)
    _check_names(name, sizes, fields)
    return ContextSpec(_structure(name, members, end), fields)


def _check_names(name: str, sizes: Mapping[str, int], fields: Mapping[str, Any]) -> None:
    for given in sizes:
        if given not in fields:
            known = f"those of {name} are {', '.join(fields)}" if fields else f"{name} has none"
            raise DataTypeError(f"sizes= names {shown(given)}, which is no text or array of variable length: {known}")


def _located(field: EventField, size: int | None) -> Located:
    """The text or array of variable length to which a field points."""
    item = _item(field)
    if size is None:
        size = DEFAULT // ctypes.sizeof(item)
    if isinstance(size, bool) or not isinstance(size, int):
        raise DataTypeError(f"sizes={{{field.name!r}: ...}} is a number of items, an int, not {shown(size)}")
    most = _LARGEST // ctypes.sizeof(item)
    if not 1 <= size <= most:
        which = f"sizes={{{field.name!r}: {shown(size)}}}"
        raise DataRangeError(f"{which}: a program's stack takes 1 to {most} of its items")
    return Located(field.location, item * size, field.offset + field.size if field.relative else 0)


def _item(field: EventField) -> Any:
    """The ctypes type of an item of an array of variable length. Bitmaps of processors and structures become bytes."""
    if _is_char(field):
        return ctypes.c_char
    number = by_text(field.ctype, kernel_btf())
    return ctypes.c_uint8 if number is None else number.ctype or ctypes.c_uint8


def _structure(name: str, members: list[tuple[str, Any]], size: int) -> type[ctypes.Structure]:
    """The structure with these members; packed only if an event has fields at unaligned offsets."""
    loose = type(name, (ctypes.Structure,), {"_fields_": members})
    if all(getattr(loose, member).offset == at for member, at in _offsets(members)):
        return loose
    return type(name, (ctypes.Structure,), {"_pack_": 1, "_layout_": "ms", "_fields_": members})


def _offsets(members: list[tuple[str, Any]]) -> list[tuple[str, int]]:
    sizes = [ctypes.sizeof(ctype) for _name, ctype in members]
    return [(name, sum(sizes[:number])) for number, (name, _ctype) in enumerate(members)]


def _ctype(field: EventField) -> Any:
    if field.data_loc:
        return ctypes.c_uint32
    if field.length is not None:
        return _array(field, field.length)
    number = by_text(field.ctype, kernel_btf())
    if number is None or number.size > field.size:
        number = Number(field.size, field.signed)
    return number.ctype or ctypes.c_uint8 * field.size


def _array(field: EventField, length: int) -> Any:
    """The ctypes type of an array. Char arrays are texts; elements that are no numbers (structures) become bytes."""
    if _is_char(field):
        return ctypes.c_char * field.size
    number = by_text(field.ctype, kernel_btf())
    if number is None and length:
        number = Number(field.size // length, field.signed)
    if number is None or number.ctype is None or field.size % number.size:
        return ctypes.c_uint8 * field.size
    return number.ctype * (field.size // number.size)


def _is_char(field: EventField) -> bool:
    return field.ctype.removeprefix("const ") == "char"
