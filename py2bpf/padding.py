"""The padding of ctypes types: which bytes and bits of an object belong to no field.

Python never sees padding, and the kernel compares keys byte by byte. So padding is cleared wherever one value must be
one key: in programs, in simulations, and in what Python stores.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from .exception import DataTypeError
from .fields import declared, is_field

_RECORDS: Final = (ctypes.Structure, ctypes.Union)
_AROUND: Final = 16
"""How many bytes before and after an object are watched: more than the largest bit field has."""


@dataclass(frozen=True, slots=True)
class Padding:
    """``mask`` has the bits set that belong to fields. ``bools`` are the offsets of c_bool fields, where every byte but
    0 means True."""

    mask: bytes
    bools: tuple[int, ...]

    @property
    def full(self) -> bool:
        """Whether equal values always have equal bytes."""
        return not self.bools and self.mask.count(0xFF) == len(self.mask)

    def cleared(self, raw: bytes) -> bytes:
        """The canonical bytes of an object: the same for all equal values."""
        if self.full:
            return raw
        masked = int.from_bytes(raw, "little") & int.from_bytes(self.mask, "little")
        out = bytearray(masked.to_bytes(len(raw), "little"))
        for at in self.bools:
            out[at] = out[at] != 0
        return bytes(out)

    def gaps(self) -> Iterator[tuple[int, int]]:
        """(offset, size) of each run of bytes that belong to no field at all."""
        start = 0
        for at, bits in enumerate(self.mask + b"\xff"):
            if bits:
                if at > start:
                    yield start, at - start
                start = at + 1

    def partial(self) -> Iterator[tuple[int, int]]:
        """(offset, mask) of each byte with some bits, but not all, that belong to fields."""
        return ((at, bits) for at, bits in enumerate(self.mask) if bits not in (0, 0xFF))


@lru_cache(maxsize=1024)
def of(ctype: Any) -> Padding:
    """The padding of a ctypes type."""
    size = ctypes.sizeof(ctype)
    if issubclass(ctype, ctypes.Array):
        item, step = of(ctype._type_), ctypes.sizeof(ctype._type_)
        bools = tuple(i * step + at for i in range(ctype._length_) for at in item.bools) if item.bools else ()
        return Padding(item.mask * ctype._length_, bools)
    if not issubclass(ctype, _RECORDS):
        return Padding(b"\xff" * size, (0,) if issubclass(ctype, ctypes.c_bool) else ())
    mask, found = 0, []
    for offset, part in _parts(ctype):
        mask |= int.from_bytes(part.mask, "little") << 8 * offset
        found += [offset + at for at in part.bools]
    if issubclass(ctype, ctypes.Union):
        found = []  # another member may have a number there
    return Padding(mask.to_bytes(size, "little"), tuple(found))


def _parts(ctype: Any) -> Iterator[tuple[int, Padding]]:
    """The fields, also inherited ones, each with its offset. A bit field is given as a mask of the whole object."""
    for owner, name, kind, bits in declared(ctype):
        descriptor = owner.__dict__.get(name)
        if not is_field(descriptor):
            continue  # another attribute hides the field
        if bits:
            yield 0, Padding(bit_field(owner, name, -1), ())
        else:
            yield descriptor.offset, of(kind)


def bit_field(owner: Any, name: str, value: int) -> bytes:
    """The bytes of an object in which only this bit field is set: ctypes knows where the bits lie.

    Raises DataTypeError if ctypes writes before or after the object, as Python before 3.14 does for the second bit
    field of a union."""
    size = ctypes.sizeof(owner)
    room = bytearray(_AROUND + size + _AROUND)
    owner.__dict__[name].__set__(owner.from_buffer(room, _AROUND), value)
    if any(room[:_AROUND]) or any(room[_AROUND + size :]):
        raise DataTypeError(f"this Python's ctypes puts {owner.__name__}.{name} outside of its object: "
                            "put the union's bit fields into a structure")
    return bytes(room[_AROUND : _AROUND + size])


@lru_cache(maxsize=1024)
def padded(ctype: Any) -> frozenset[Any]:
    """The type and the types within it that have padding."""
    if not isinstance(ctype, type) or of(ctype).full:
        return frozenset()
    inner = [padded(kind) for kind in _inner(ctype)]
    return frozenset((ctype,)).union(*inner) if not issubclass(ctype, ctypes.Array) else frozenset().union(*inner)


@lru_cache(maxsize=1024)
def overlaid(ctype: Any) -> frozenset[Any]:
    """The types with padding that are in unions within the type: other members of the union may write to the
    padding."""
    if not isinstance(ctype, type) or not issubclass(ctype, (*_RECORDS, ctypes.Array)):
        return frozenset()
    each = padded if issubclass(ctype, ctypes.Union) else overlaid
    return frozenset().union(*(each(kind) for kind in _inner(ctype)))


def end_text(owner: Any, offset: int, size: int, text: bytes) -> None:
    """Fills an array of ``size`` chars with zeros after the text that was assigned: ctypes leaves the old bytes."""
    length = len(bytes(text).partition(b"\0")[0])
    if length < size:
        ctypes.memset(ctypes.addressof(owner) + offset + length, 0, size - length)


def _inner(ctype: Any) -> list[Any]:
    """The types of an object's parts."""
    if issubclass(ctype, ctypes.Array):
        return [ctype._type_]
    if not issubclass(ctype, _RECORDS):
        return []
    return [field.ctype for field in declared(ctype)]
