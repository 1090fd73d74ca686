"""Typed pointers into the simulated kernel's memory: ``kernel.sock(address)`` of py2bpf.btf in CPython."""

from __future__ import annotations

import ctypes
import operator
import sys
from typing import Any

from ..btf.shapes import Items, KernelType, Number, Pointer, Record, Shape
from ..given import shown
from .environment import Memory
from .errors import SimulationError


def construct(memory: Memory, type: KernelType, address: Any) -> KernelObject | None:
    """The object at an address; None for address 0."""
    shape = type.record()
    if shape is None:
        raise SimulationError(f"the kernel has no struct, union or enumerator {type.__name__!r}")
    return _at(memory, 0 if address is None else operator.index(address), shape)


def _at(memory: Memory, address: int, shape: Record) -> KernelObject | None:
    address &= (1 << 64) - 1
    return KernelObject(memory, address, shape) if address else None


class KernelObject:
    """A structure, union or array in the simulated kernel's memory. Addresses without content read as zeros."""

    __slots__ = ("_address_", "_memory_", "_shape_")

    def __init__(self, memory: Memory, address: int, shape: Record | Items) -> None:
        object.__setattr__(self, "_memory_", memory)
        object.__setattr__(self, "_address_", address)
        object.__setattr__(self, "_shape_", shape)

    def __repr__(self) -> str:
        return f"<{self._shape_.text} at {self._address_:#x}>"

    def __index__(self) -> int:
        return int(self._address_)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KernelObject) and bool(self._address_ == other._address_)

    def __hash__(self) -> int:
        return hash(self._address_)

    def __bool__(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        shape = self._shape_
        place = shape.place(name) if isinstance(shape, Record) else None
        if place is None:
            raise SimulationError(f"a {shape.text} has no member {name!r}")
        if place.bits:
            return self._bits(place.shape, place.offset, place.bits)
        return self._load(place.offset // 8, place.shape)

    def __getitem__(self, key: Any) -> Any:
        shape = self._shape_
        if not isinstance(shape, Items):
            raise SimulationError(f"{self!r} has no items")
        if isinstance(key, slice):
            chosen = range(shape.length or key.stop)[key]
            data = self._read(chosen.start * shape.element.size, len(chosen) * shape.element.size)
            return (
                data.partition(b"\0")[0]
                if shape.has_chars
                else (_number(shape.element).ctype * len(chosen)).from_buffer_copy(data)
            )
        index = operator.index(key)
        if shape.length and not -shape.length <= index < shape.length:
            raise IndexError(f"index {shown(index)} is out of the bounds of a {shape.text}")
        at = (index % shape.length if shape.length else index) * shape.element.size
        return self._read(at, 1)[0] if shape.has_chars else self._load(at, shape.element)

    def __len__(self) -> int:
        if not isinstance(self._shape_, Items):
            raise SimulationError(f"{self!r} has no length")
        return self._shape_.length

    def __setattr__(self, name: str, value: Any) -> None:
        raise SimulationError("the kernel's memory can't be written by programs")

    def __setitem__(self, key: Any, value: Any) -> None:
        raise SimulationError("the kernel's memory can't be written by programs")

    def _read(self, offset: int, size: int) -> bytes:
        return self._memory_.read(self._address_ + offset & (1 << 64) - 1, size) or bytes(size)

    def _load(self, offset: int, shape: Shape) -> Any:
        if isinstance(shape, Items) and shape.is_text:
            return self._read(offset, shape.size).partition(b"\0")[0]
        if isinstance(shape, (Record, Items)):
            return KernelObject(self._memory_, self._address_ + offset, shape)
        if isinstance(shape, Pointer):
            return _at(self._memory_, int.from_bytes(self._read(offset, 8), sys.byteorder), shape.target)
        ctype = _number(shape).ctype
        return ctype.from_buffer_copy(self._read(offset, shape.size)).value

    def _bits(self, shape: Shape, offset: int, bits: int) -> Any:
        size = (offset % 8 + bits + 7) // 8
        unit = int.from_bytes(self._read(offset // 8, size), sys.byteorder)
        low = offset % 8 if sys.byteorder == "little" else 8 * size - offset % 8 - bits
        value = unit >> low & (1 << bits) - 1
        kind = _number(shape)
        if kind.signed and value >> bits - 1:
            value -= 1 << bits
        return bool(value) if kind.ctype is ctypes.c_bool else value


def _number(shape: Shape) -> Number:
    if not isinstance(shape, Number):
        raise SimulationError(f"{shape.text} is not a type that BPF programs can compute with")
    return shape
