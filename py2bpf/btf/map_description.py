"""BTF of a map's keys and values, which the kernel needs if values have a spin lock: map_check_btf()."""

from __future__ import annotations

import ctypes
from typing import Any, Final, NamedTuple

from ..fields import declared
from ..spec import MapSpec, SpinLock
from .writer import Writer, identifier

_LOCK: Final = "bpf_spin_lock"
"""The name by which the kernel knows a lock."""


class MapBtf(NamedTuple):
    """A blob for BPF_BTF_LOAD, and the numbers of the key's and the value's type in it."""

    blob: bytes
    key: int
    value: int


def types(spec: MapSpec) -> MapBtf:
    """The types of a map whose key and value have types."""
    writer = _MapWriter()
    key, value = writer.of(spec.key_type), writer.of(spec.value_type)
    return MapBtf(writer.blob(), key, value)


class _MapWriter(Writer):
    """Writes ctypes types: integers, arrays and structures as such, anything else as an array of bytes."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers: dict[Any, int] = {}

    def of(self, ctype: Any) -> int:
        """The number of a ctypes type."""
        number = self._numbers.get(ctype)
        if number is None:
            number = self._numbers[ctype] = self._make(ctype)
        return number

    def _make(self, ctype: Any) -> int:
        if ctype is SpinLock:
            return self.struct(_LOCK, 4, [("val", self.of(ctypes.c_uint32), 0)])
        if issubclass(ctype, ctypes.Structure):
            return self.struct(identifier(ctype.__name__), ctypes.sizeof(ctype), self._members(ctype))
        if issubclass(ctype, ctypes.Array):
            return self.array(self.of(ctype._type_), self.of(ctypes.c_uint32), ctype._length_)
        if getattr(ctype, "_type_", "") in _INTEGERS:
            size, signed = ctypes.sizeof(ctype), ctype(-1).value < 0
            return self.integer(f"{'int' if signed else 'uint'}{8 * size}_t", size, signed)
        return self.of(ctypes.c_uint8 * ctypes.sizeof(ctype))

    def _members(self, ctype: Any) -> list[tuple[str, int, int]]:
        """The members, without bit fields, which leave gaps."""
        return [(identifier(name), self.of(kind), getattr(ctype, name).offset)
                for _, name, kind, bits in declared(ctype) if not bits]


_INTEGERS: Final = tuple("bBhHiIlLqQ")
