"""Reads BTF, the kernel's own description of its types. The offsets of all types are found once, on first use; types
are decoded when they are needed.

Format: Documentation/bpf/btf.rst. Nothing here needs privileges.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

from ..exception import NotSupported, Py2BpfError
from . import scans
from .types import Array, DataSec, Enum, FuncProto, Fwd, Kind, Member, Param, Ref, Scalar, Struct, Type

VMLINUX: Final = Path("/sys/kernel/btf/vmlinux")

_MAGIC: Final = 0xEB9F
_HEADER: Final = 12
_ENOENT: Final = 2
_NATIVE: Final = "<" if sys.byteorder == "little" else ">"
_VOID: Final = Scalar(Kind.VOID, "void", 0)

# Bytes that follow a type's header: fixed, and per element (info's vlen).
_FIXED: Final = {Kind.INT: 4, Kind.ARRAY: 12, Kind.VAR: 4, Kind.DECL_TAG: 4}
_EACH: Final = {Kind.STRUCT: 12, Kind.UNION: 12, Kind.ENUM: 8, Kind.FUNC_PROTO: 8, Kind.DATASEC: 12, Kind.ENUM64: 12}
_NESTED: Final = 32
_MEMBERS: Final = 1 << 16
"""How deep anonymous structures may be nested (in Linux less than ten deep), and how many members a structure may have:
limits for damaged files."""
_TRANSPARENT: Final = {Kind.TYPEDEF, Kind.VOLATILE, Kind.CONST, Kind.RESTRICT, Kind.TYPE_TAG}
_ENUMS: Final = {Kind.ENUM, Kind.ENUM64}
_KINDS: Final = tuple(Kind)


class BtfError(Py2BpfError):
    """BTF data is malformed, or newer than this reader."""


class Btf:
    """A set of types. ``data`` is a whole BTF blob in either byte order."""

    def __init__(self, data: bytes) -> None:
        if len(data) < 24:
            raise BtfError(f"BTF of {len(data)} bytes has no room for its header")
        self._order = "<" if data[:2] == _MAGIC.to_bytes(2, "little") else ">"
        header = struct.unpack_from(self._order + "HBBIIIII", data)
        magic, version, _flags, size, type_off, type_len, str_off, str_len = header
        if magic != _MAGIC or version != 1:
            raise BtfError(f"not BTF version 1: magic {magic:#x}, version {version}")
        self._data = data
        self._types = range(size + type_off, size + type_off + type_len)
        self._strings = range(size + str_off, size + str_off + str_len)
        if max(self._types.stop, self._strings.stop) > len(data):
            raise BtfError("BTF ends before its types and strings do")

    @staticmethod
    @lru_cache(maxsize=1)
    def kernel() -> Btf:
        """The running kernel's types. Raises NotSupported if the kernel was built without BTF."""
        try:
            return Btf.from_file(VMLINUX)
        except FileNotFoundError:
            raise NotSupported(_ENOENT, "BTF of its own types (CONFIG_DEBUG_INFO_BTF)", "5.4") from None

    @staticmethod
    def from_file(path: Path) -> Btf:
        """The types of a file that holds raw BTF."""
        return Btf(path.read_bytes())

    @cached_property
    def _offsets(self) -> Sequence[int]:
        """Where each type begins. Number 0, void, has no place."""
        return self._scanned or self._scan()

    @cached_property
    def _scanned(self) -> Sequence[int] | None:
        """The offsets as the C core finds them; None if it can't. It reads only this machine's byte order, and explains
        no errors."""
        return scans.offsets(self._data) if self._order == _NATIVE else None

    def _scan(self) -> list[int]:
        unpack = struct.Struct(self._order + "4xI").unpack_from
        size_of = [(_HEADER + _FIXED.get(kind, 0), _EACH.get(kind, 0)) for kind in _KINDS]
        offsets, position, end, data = [0], self._types.start, self._types.stop, self._data
        while position < end:
            offsets.append(position)
            if position + _HEADER > end:
                raise BtfError(f"type {len(offsets) - 1} is cut off by the end of the types")
            info = unpack(data, position)[0]
            kind = info >> 24 & 0x1F
            if not 0 < kind < len(size_of):
                raise BtfError(
                    f"type {len(offsets) - 1} has unknown kind {kind}: this kernel's BTF is newer than py2bpf"
                )
            fixed, each = size_of[kind]
            position += fixed + each * (info & 0xFFFF)
        return offsets

    @cached_property
    def _by_name(self) -> dict[tuple[int, int], int]:
        """The number of the first type of a (kind, name's offset)."""
        unpack = struct.Struct(self._order + "II").unpack_from
        index: dict[tuple[int, int], int] = {}
        for number in range(1, len(self._offsets)):
            name, info = unpack(self._data, self._offsets[number])
            if name:
                index.setdefault((info >> 24 & 0x1F, name), number)
        return index

    def __len__(self) -> int:
        """How many types there are, void included."""
        return len(self._offsets)

    def _string(self, offset: int) -> str:
        start = self._strings.start + offset
        end = self._data.find(b"\0", start, self._strings.stop)
        if end < 0:
            raise BtfError(f"there is no string at {offset}, of {len(self._strings)} bytes of them")
        return self._data[start:end].decode(errors="replace")

    def _string_offset(self, name: str) -> int | None:
        """The offset of a string, which is in the string section only once, between NULs."""
        found = self._data.find(b"\0%b\0" % name.encode(), self._strings.start, self._strings.stop)
        return None if found < 0 else found + 1 - self._strings.start

    def number(self, kind: Kind, name: str) -> int | None:
        """The number of the first type of that kind and name, or None."""
        if not name:
            return None
        if self._scanned is not None:
            return scans.find(self._data, kind, name)
        offset = self._string_offset(name)
        return None if offset is None else self._by_name.get((kind, offset))

    def find(self, kind: Kind, name: str) -> Type | None:
        """The first type of that kind and name, or None."""
        number = self.number(kind, name)
        return None if number is None else self.type(number)

    def names(self, kind: Kind) -> Iterator[str]:
        """The names of all types of a kind."""
        return (self._string(offset) for of, offset in self._by_name if of == kind)

    @cached_property
    def enumerators(self) -> dict[str, int]:
        """The values of all enumerations' names."""
        unpack = struct.Struct(self._order + "4xI").unpack_from
        found: dict[str, int] = {}
        for number in range(1, len(self)):
            if unpack(self._data, self._offsets[number])[0] >> 24 & 0x1F in _ENUMS:
                enum = self.type(number)
                assert isinstance(enum, Enum)
                found = enum.values | found
        return found

    def struct(self, name: str) -> Struct:
        """The structure or union of that name, or the one behind a typedef. Raises LookupError."""
        for kind in (Kind.STRUCT, Kind.UNION, Kind.TYPEDEF):
            number = self.number(kind, name)
            if number is not None and isinstance(found := self.type(self.resolve(number)), Struct):
                return found
        raise LookupError(f"no structure {name!r} in BTF")

    def enum(self, name: str) -> dict[str, int]:
        """The names and values of an enumeration. Raises LookupError."""
        found = self.find(Kind.ENUM, name) or self.find(Kind.ENUM64, name)
        if not isinstance(found, Enum):
            raise LookupError(f"no enumeration {name!r} in BTF")
        return found.values

    def func(self, name: str) -> FuncProto:
        """The signature of a function. Raises LookupError."""
        found = self.find(Kind.FUNC, name)
        proto = self.type(found.target) if isinstance(found, Ref) else None
        if not isinstance(proto, FuncProto):
            raise LookupError(f"no function {name!r} in BTF")
        return proto

    def layout(self, name: str) -> dict[str, Member]:
        """All members of a structure by name, including those of nested anonymous structures and unions."""
        return {member.name: member for member in self.members(self.struct(name))}

    def members(self, struct: Struct) -> Iterator[Member]:
        """All members of a structure, including those of nested anonymous structures and unions."""
        for number, member in enumerate(self._flat(struct, 0, 0)):
            if number >= _MEMBERS:
                raise BtfError(f"{struct.kind.name.lower()} {struct.name!r} has more than {_MEMBERS} members")
            yield member

    def _flat(self, struct: Struct, base: int, depth: int) -> Iterator[Member]:
        if depth > _NESTED:
            raise BtfError(f"a {struct.kind.name.lower()} of {struct.size} bytes is made of itself")
        for member in struct.members:
            inner = self.type(self.resolve(member.type))
            if not member.name and isinstance(inner, Struct):
                yield from self._flat(inner, base + member.bit_offset, depth + 1)
            else:
                yield member._replace(bit_offset=base + member.bit_offset)

    def resolve(self, number: int) -> int:
        """The number of the type behind typedefs and qualifiers. Raises BtfError if they form a circle."""
        behind = number
        for _ in range(len(self) + 1):
            found = self.type(behind)
            if not (isinstance(found, Ref) and found.kind in _TRANSPARENT):
                return behind
            behind = found.target
        raise BtfError(f"type {number} is made of itself")

    def size(self, number: int) -> int:
        """The size of a type in bytes. Raises BtfError for types without a size: functions, forward declarations."""
        try:
            return self._size(number)
        except RecursionError:
            raise BtfError(f"type {number} is made of itself") from None

    def _size(self, number: int) -> int:
        found = self.type(self.resolve(number))
        if isinstance(found, Scalar | Struct | Enum | DataSec):
            return found.size
        if isinstance(found, Array):
            return found.length * self._size(found.element)
        if found.kind is Kind.PTR:
            return 8
        if isinstance(found, Ref) and found.kind is Kind.VAR:
            return self._size(found.target)
        raise BtfError(f"type {number}, a {found.kind.name}, has no size")

    def type(self, number: int) -> Type:
        """The type of that number. Raises BtfError when there is none."""
        if number == 0:
            return _VOID
        if not 0 < number < len(self._offsets):
            raise BtfError(f"no type number {number}")
        try:
            return self._decode(self._offsets[number])
        except (struct.error, IndexError, ValueError):
            raise BtfError(f"type {number} is damaged: it goes beyond the data, or is of no known kind") from None

    def _words(self, position: int, count: int, each: int) -> Iterator[tuple[int, ...]]:
        data = self._data[position : position + 4 * count * each]
        return struct.iter_unpack(f"{self._order}{each}I", data)

    def _decode(self, position: int) -> Type:
        name_off, info, size = struct.unpack_from(self._order + "III", self._data, position)
        kind, count, flag = _KINDS[info >> 24 & 0x1F], info & 0xFFFF, bool(info >> 31)
        name, body = self._string(name_off), position + 12
        match kind:
            case Kind.INT:
                ((encoding,),) = self._words(body, 1, 1)
                return Scalar(kind, name, size, bool(encoding >> 24 & 1), bool(encoding >> 24 & 4), encoding & 0xFF)
            case Kind.FLOAT:
                return Scalar(kind, name, size)
            case Kind.ARRAY:
                ((element, _index, length),) = self._words(body, 1, 3)
                return Array(kind, name, element, length)
            case Kind.STRUCT | Kind.UNION:
                return Struct(kind, name, size, tuple(self._member(flag, *row) for row in self._words(body, count, 3)))
            case Kind.ENUM | Kind.ENUM64:
                return Enum(kind, name, size, flag, self._values(kind, flag, body, count))
            case Kind.FWD:
                return Fwd(kind, name, flag)
            case Kind.FUNC_PROTO:
                params = tuple(Param(self._string(text), of) for text, of in self._words(body, count, 2))
                return FuncProto(kind, name, size, params)
            case Kind.DATASEC:
                return DataSec(kind, name, size, tuple((a, b, c) for a, b, c in self._words(body, count, 3)))
            case Kind.VAR | Kind.DECL_TAG:
                ((extra,),) = self._words(body, 1, 1)
                return Ref(kind, name, size, extra if extra < 1 << 31 else extra - (1 << 32))
            case _:
                return Ref(kind, name, size, count)

    def _member(self, packed: bool, name: int, of: int, offset: int) -> Member:
        """A member. If the structure's flag is set (``packed``), the upper 8 bits of its offset are a bit field's
        size."""
        bit_offset, bit_size = (offset & 0xFFFFFF, offset >> 24) if packed else (offset, 0)
        return Member(self._string(name), of, bit_offset, bit_size)

    def _values(self, kind: Kind, signed: bool, body: int, count: int) -> dict[str, int]:
        form = {
            (Kind.ENUM, False): "II",
            (Kind.ENUM, True): "Ii",
            (Kind.ENUM64, False): "III",
            (Kind.ENUM64, True): "IIi",
        }
        layout = struct.Struct(self._order + form[kind, signed])
        rows = layout.iter_unpack(self._data[body : body + layout.size * count])
        if kind is Kind.ENUM:
            return {self._string(name): value for name, value in rows}
        return {self._string(name): high << 32 | low for name, low, high in rows}
