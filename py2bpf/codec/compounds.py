"""Codecs of arrays, structures and unions, made from the codecs of their parts."""

from __future__ import annotations

import contextlib
import ctypes
import functools
from collections.abc import Sequence
from typing import Any

from .. import padding
from ..exception import DataRangeError, DataTypeError
from ..fields import Declared, field_of
from ..given import checked_int, shown
from .base import Buffer, Codec, raw_bytes
from .numbers import IntCodec


class _Padded(Codec):
    """Values with bytes between their items that are no data."""

    @functools.cached_property
    def _padding(self) -> padding.Padding:
        """As large as a value, so made when somebody asks for it."""
        return padding.of(self.ctype)

    @property
    def mask(self) -> bytes:
        return self._padding.mask


class ArrayCodec(_Padded):
    """``T * n`` for any T but c_char."""

    def __init__(self, ctype: Any, item: Codec) -> None:
        super().__init__(ctype)
        self.item = item
        self.length: int = ctype._length_

    @property
    def dtype(self) -> Any:
        return (self.item.dtype, (self.length,))

    def encode(self, value: Any) -> bytes:
        if isinstance(value, self.ctype):
            return self._padding.cleared(raw_bytes(value))
        items = self._sequence(value)
        if len(items) != self.length:
            raise DataRangeError(f"{self.name} takes {self.length} items, not the {len(items)} of {shown(value)}")
        return b"".join(_inside(f"item {i} of {self.name}", self.item, item) for i, item in enumerate(items))

    def _sequence(self, value: Any) -> Any:
        if isinstance(value, (bytes, bytearray)):
            if isinstance(self.item, IntCodec) and self.item.size == 1:
                return memoryview(value).cast("b" if self.item.signed else "B")
        elif not isinstance(value, (str, dict, set, frozenset)) and hasattr(value, "__len__"):
            with contextlib.suppress(TypeError):  # numpy's arrays without dimensions have a __len__ that raises
                return list(value)
        raise self._refuse(value, f"a sequence of {self.length} items")

    def decode(self, data: Buffer, offset: int = 0) -> tuple[Any, ...]:
        return tuple(self.item.decode_many(data, self.length, None, offset))


class RecordCodec(_Padded):
    """Structures and unions of either byte order: packed, nested, with bit fields and anonymous members."""

    def __init__(self, ctype: Any, members: tuple[Member, ...]) -> None:
        super().__init__(ctype)
        self._is_union = issubclass(ctype, ctypes.Union)
        self.members = members

    @property
    def dtype(self) -> Any:
        for member in self.members:
            if member.bits:
                raise DataTypeError(f"numpy has no bit fields: {self.name}.{member.name}; "
                                    "use items(), or whole integers and shifts")
        return {
            "names": [member.name for member in self.members],
            "formats": [member.codec.dtype for member in self.members],
            "offsets": [member.offset for member in self.members],
            "itemsize": self.size,
        }

    def encode(self, value: Any) -> bytes:
        if isinstance(value, self.ctype) and ctypes.sizeof(value) == self.size:
            return self._padding.cleared(raw_bytes(value))
        if self._is_union:
            raise self._refuse(value, "an instance of it")
        if not isinstance(value, (tuple, list)):
            raise self._refuse(value, f"an instance of it, or a tuple ({self._names()})")
        if len(value) != len(self.members):
            raise DataRangeError(f"{self.name} has {len(self.members)} fields ({self._names()}), "
                                 f"not the {len(value)} of {shown(value)}")
        out = 0
        for member, part in zip(self.members, value, strict=True):
            out |= int.from_bytes(member.encode(part, self), "little") << 8 * member.offset
        return out.to_bytes(self.size, "little")

    def _names(self) -> str:
        return ", ".join(member.name for member in self.members)

    def decode(self, data: Buffer, offset: int = 0) -> Any:
        return self.ctype.from_buffer_copy(data, offset)

    def items(self, data: bytearray, count: int, sizes: Sequence[int] | None = None) -> Sequence[Any]:
        """An array of instances, each made on access. Its length is a power of two, to keep the number of types
        small."""
        log = (count - 1).bit_length()
        data += bytes(max(0, (self.size << log) - len(data)))
        array: Sequence[Any] = (self.ctype * (1 << log)).from_buffer(data)
        return array


class Member:
    """One field of a structure or union, also an inherited or anonymous one."""

    def __init__(self, declared: Declared, codec: Codec) -> None:
        self.name = declared.name
        self.bits = declared.bits
        self.codec = codec
        self._owner = declared.owner
        field = field_of(self._owner, self.name)
        self.offset: int = 0 if self.bits else field.offset
        if self.bits:
            self._check_ctypes()

    def _check_ctypes(self) -> None:
        """Raises DataTypeError for a bit field that can't be read back. Before Python 3.14, ctypes puts some bit fields
        of mixed types partly outside their storage."""
        for value in (1, 1 << self.bits - 1):
            record = self._owner.from_buffer_copy(padding.bit_field(self._owner, self.name, value))
            if self._owner.__dict__[self.name].__get__(record) & (1 << self.bits) - 1 != value:
                raise DataTypeError(f"this Python's ctypes can't read back {self._owner.__name__}.{self.name}: "
                                    "give neighbouring bit fields the same type")

    def encode(self, value: Any, record: RecordCodec) -> bytes:
        where = f"{record.name}.{self.name}"
        if not self.bits:
            return _inside(where, self.codec, value)
        signed = isinstance(self.codec, IntCodec) and self.codec.signed
        low, high = (-(1 << self.bits - 1), (1 << self.bits - 1) - 1) if signed else (0, (1 << self.bits) - 1)
        return padding.bit_field(self._owner, self.name, checked_int(value, low, high, f"{where} ({self.bits} bits)"))


def _inside(where: str, codec: Codec, value: Any) -> bytes:
    try:
        return codec.encode(value)
    except (DataTypeError, DataRangeError) as error:
        raise type(error)(f"{where}: {error}") from None
