"""Between Python values and the bytes that the kernel keeps, by ctypes type.

=========================  ==========================================  ==============================
ctypes type                given as                                    comes back as
=========================  ==========================================  ==============================
integers, ``c_void_p``     int, or an instance of an integer type      int (an address for c_void_p)
``c_bool``                 bool, 0 or 1                                bool
``c_float``, ``c_double``  float or int                                float
``c_char``                 bytes of length 1                           bytes of length 1
``c_char * n``             bytes or str (UTF-8), at most n, no NUL     bytes up to the first NUL
``c_char * n`` as a key    bytes or str, at most n; NULs anywhere      bytes without the NULs at the end
``T * n``                  sequence of n, an instance; bytes for       tuple
                           one-byte integers
``Structure``              instance; tuple or list of all fields       instance, an independent copy
``Union``                  instance                                    instance, an independent copy
=========================  ==========================================  ==============================

Nothing is truncated here: a number that doesn't fit raises DataRangeError. (An instance of a ctypes.Structure or
array has truncated what it was given before it comes here; a py2bpf.Struct raises the error itself.) Padding is
always written as zeros and a true c_bool as 1, whatever the instance holds there, since the kernel compares keys byte
by byte. Typed pointers are refused (reading one would follow a kernel address in user space): use ``c_uint64``.
"""

from __future__ import annotations

import _ctypes
import contextlib
import ctypes
import functools
import operator
import struct
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Final

from .. import padding
from ..exception import DataRangeError, DataTypeError
from ..given import shown, utf8

Buffer = bytes | bytearray | memoryview

_SIGNED: Final = frozenset("bhilq")
_UNSIGNED: Final = frozenset("BHILQP")
_WIRE: Final = {1: "b", 2: "h", 4: "i", 8: "q"}
_FLOATS: Final = frozenset("fd")
_POINTERS: Final = (_ctypes._Pointer, _ctypes.CFuncPtr)
INT_MAX: Final = (1 << 31) - 1
"""What a C int holds: a descriptor, a device's number, a result."""

_AT_ONCE: Final = 1 << 13
"""So many values at a time are packed by one format."""
_NATIVE: Final = "<" if sys.byteorder == "little" else ">"


class Codec(ABC):
    """Encodes and decodes values of one ctypes type.

    ``size`` is in bytes; ``least`` is what a record of a queue has at least. ``mask`` has the bits set that carry
    data: padding is 0. ``dtype`` is what ``numpy.dtype()`` takes to describe the same bytes.
    """

    def __init__(self, ctype: Any) -> None:
        self.ctype = ctype
        self.size: int = ctypes.sizeof(ctype)
        self.least = self.size
        self.name = type_name(ctype)

    @property
    def mask(self) -> bytes:
        return b"\xff" * self.size

    @property
    @abstractmethod
    def dtype(self) -> Any: ...

    @abstractmethod
    def encode(self, value: Any) -> bytes:
        """The value's bytes. Raises DataTypeError or DataRangeError, naming the type and the value."""

    def encode_many(self, values: Sequence[Any]) -> bytes:
        """The bytes of all values in a row. Raises what encode() does for the first that doesn't fit."""
        return b"".join(map(self.encode, values))

    @abstractmethod
    def decode(self, data: Buffer, offset: int = 0) -> Any:
        """The value at data[offset:offset + size], independent of data."""

    def decode_many(self, data: Buffer, count: int, stride: int | None = None, offset: int = 0) -> list[Any]:
        """count values that begin every stride (by default size) bytes from offset on."""
        step = stride or self.size
        return [self.decode(data, at) for at in range(offset, offset + count * step, step)]

    def items(self, data: bytearray, count: int, sizes: Sequence[int] | None = None) -> Sequence[Any]:
        """count values that lie one after another at data's begin, which nobody else uses: they may share it.

        ``sizes`` are those of a queue's records, where the type leaves that open.
        """
        return self.decode_many(data, count)

    def rows(self, numpy: Any, data: Buffer) -> Any:
        """data as a numpy array of values; it shares data's memory."""
        return numpy.frombuffer(data, numpy.dtype(self.dtype))

    def _refuse(self, value: Any, wanted: str) -> DataTypeError:
        return DataTypeError(f"{self.name} takes {wanted}, not {shown(value)} of type {type(value).__name__}")


class _Packed(Codec):
    """A type that one struct module format describes."""

    def __init__(self, ctype: Any, wire: str) -> None:
        super().__init__(ctype)
        self._order = _order(ctype)
        self._wire = wire
        self._struct = struct.Struct(self._order + wire)
        self._unpack_from = self._struct.unpack_from

    @property
    def swapped(self) -> bool:
        """Whether its bytes aren't in the order of this machine."""
        return self.size > 1 and self._order != _NATIVE

    def _pack_many(self, values: Sequence[Any]) -> bytes:
        """All values by one format, some thousands at a time. Raises struct.error or OverflowError."""
        pieces = (values[at : at + _AT_ONCE] for at in range(0, len(values), _AT_ONCE))
        return b"".join(struct.pack(f"{self._order}{len(piece)}{self._wire}", *piece) for piece in pieces)

    def decode(self, data: Buffer, offset: int = 0) -> Any:
        return self._unpack_from(data, offset)[0]

    def decode_many(self, data: Buffer, count: int, stride: int | None = None, offset: int = 0) -> list[Any]:
        if stride in (None, self.size):
            return list(struct.unpack_from(f"{self._order}{count}{self._wire}", data, offset))
        if stride is None or stride < self.size or not count:
            return super().decode_many(data, count, stride, offset)
        # The last one may lie at data's very end, without the gap behind it.
        gapped = struct.iter_unpack(f"{self._order}{self._wire}{stride - self.size}x",
                                    memoryview(data)[offset : offset + (count - 1) * stride])
        return [*(value for value, in gapped), self.decode(data, offset + (count - 1) * stride)]


class IntCodec(_Packed):
    """Integers of 1 to 8 bytes, either byte order; addresses (c_void_p) are unsigned ones."""

    def __init__(self, ctype: Any) -> None:
        wire = _WIRE[ctypes.sizeof(ctype)]
        self.signed = ctype._type_ in _SIGNED
        super().__init__(ctype, wire if self.signed else wire.upper())
        bits = 8 * self.size
        self.low, self.high = (-(1 << bits - 1), (1 << bits - 1) - 1) if self.signed else (0, (1 << bits) - 1)
        self._pack = self._struct.pack

    @property
    def dtype(self) -> Any:
        return f"{self._order}{'i' if self.signed else 'u'}{self.size}"

    def encode(self, value: Any) -> bytes:
        try:
            return self._pack(value)
        except (struct.error, TypeError):  # of an __index__ that gives no int, as that of Arrow's nulls
            return self._pack(checked_int(value, self.low, self.high, self.name))

    def encode_many(self, values: Sequence[Any]) -> bytes:
        try:
            return self._pack_many(values)
        except (struct.error, TypeError):
            return super().encode_many(values)  # an instance of a ctypes type among them, or what doesn't fit


class BoolCodec(_Packed):
    """c_bool: any non-zero byte is True."""

    dtype = "?"

    def __init__(self, ctype: Any) -> None:
        super().__init__(ctype, "?")

    def encode(self, value: Any) -> bytes:
        return bytes((checked_int(value, 0, 1, self.name),))


class FloatCodec(_Packed):
    """c_float and c_double. Programs can't compute with them; user space can keep them in values."""

    def __init__(self, ctype: Any) -> None:
        super().__init__(ctype, ctype._type_)

    @property
    def dtype(self) -> Any:
        return f"{self._order}f{self.size}"

    def encode(self, value: Any) -> bytes:
        value = _plain(value)
        if isinstance(value, (bytes, str)):
            raise self._refuse(value, "a number")
        try:
            return self._struct.pack(value)
        except OverflowError:
            raise DataRangeError(f"{self.name} can't hold {shown(value)}") from None
        except struct.error:
            raise self._refuse(value, "a number") from None

    def encode_many(self, values: Sequence[Any]) -> bytes:
        try:
            return self._pack_many(values)
        except (struct.error, OverflowError):
            return super().encode_many(values)  # an instance of a ctypes type among them, or what doesn't fit


class CharCodec(Codec):
    """A single c_char: one byte, NUL or not."""

    dtype = "S1"

    def encode(self, value: Any) -> bytes:
        value = _plain(value)
        if not isinstance(value, (bytes, bytearray)):
            raise self._refuse(value, "bytes of length 1")
        if len(value) != 1:
            raise DataRangeError(f"{self.name} takes bytes of length 1, not {bytes(value)!r}")
        return bytes(value)

    def decode(self, data: Buffer, offset: int = 0) -> bytes:
        return bytes(data[offset : offset + 1])


class CharArrayCodec(Codec):
    """c_char * n: a string that ends at its first NUL, or fills the array."""

    @property
    def dtype(self) -> Any:
        return f"S{self.size}"

    def encode(self, value: Any) -> bytes:
        value = utf8(value) if isinstance(value, str) else getattr(value, "value", value)
        if not isinstance(value, (bytes, bytearray)):
            raise self._refuse(value, f"bytes or str of at most {self.size} bytes")
        text = bytes(value).rstrip(b"\0")
        if len(text) > self.size:
            raise DataRangeError(f"{self.name} holds {self.size} bytes, not the {len(text)} of {shown(text)}")
        if 0 in text:
            raise DataRangeError(f"{self.name} ends at the first NUL, and {shown(text)} has one inside; "
                                 f"use c_uint8 * {self.size} for binary data")
        return text.ljust(self.size, b"\0")

    def decode(self, data: Buffer, offset: int = 0) -> bytes:
        return bytes(data[offset : offset + self.size]).partition(b"\0")[0]


class CharKeyCodec(CharArrayCodec):
    """c_char * n as a key: what stands behind a NUL is part of it, as in programs and in the kernel, and only the NULs
    at its end are not shown. So each key that is read can be looked up, and is found."""

    def encode(self, value: Any) -> bytes:
        if isinstance(value, self.ctype):
            return _raw(value)
        value = utf8(value) if isinstance(value, str) else getattr(value, "raw", value)
        text = bytes(value).rstrip(b"\0") if isinstance(value, (bytes, bytearray)) else b""
        return text.ljust(self.size, b"\0") if 0 < len(text) <= self.size else super().encode(value)

    def decode(self, data: Buffer, offset: int = 0) -> bytes:
        return bytes(data[offset : offset + self.size]).rstrip(b"\0")


class ArrayCodec(Codec):
    """T * n for any other T."""

    def __init__(self, ctype: Any, item: Codec | None = None) -> None:
        super().__init__(ctype)
        self.item = item or codec_for(ctype._type_)
        self.length: int = ctype._length_

    @functools.cached_property
    def _padding(self) -> padding.Padding:
        """As large as a value, so made when somebody asks for it."""
        return padding.of(self.ctype)

    @property
    def mask(self) -> bytes:
        return self._padding.mask

    @property
    def dtype(self) -> Any:
        return (self.item.dtype, (self.length,))

    def encode(self, value: Any) -> bytes:
        if isinstance(value, self.ctype):
            return self._padding.cleared(_raw(value))
        items = self._sequence(value)
        if len(items) != self.length:
            raise DataRangeError(f"{self.name} takes {self.length} items, not the {len(items)} of {shown(value)}")
        return b"".join(_inside(f"item {i} of {self.name}", self.item, item) for i, item in enumerate(items))

    def _sequence(self, value: Any) -> Any:
        if isinstance(value, (bytes, bytearray)):
            if isinstance(self.item, IntCodec) and self.item.size == 1:
                return memoryview(value).cast("b" if self.item.signed else "B")
        elif not isinstance(value, (str, dict, set, frozenset)) and hasattr(value, "__len__"):
            with contextlib.suppress(TypeError):  # numpy's array of no dimension has a length only by its name
                return list(value)
        raise self._refuse(value, f"a sequence of {self.length} items")

    def decode(self, data: Buffer, offset: int = 0) -> tuple[Any, ...]:
        return tuple(self.item.decode_many(data, self.length, None, offset))


class RecordCodec(Codec):
    """Structures and unions of either byte order: packed, nested, with bit fields and anonymous members."""

    def __init__(self, ctype: Any) -> None:
        super().__init__(ctype)
        self._is_union = issubclass(ctype, ctypes.Union)
        self.members = tuple(_members(ctype))

    @functools.cached_property
    def _padding(self) -> padding.Padding:
        """As large as a value, so made when somebody asks for it."""
        return padding.of(self.ctype)

    @property
    def mask(self) -> bytes:
        return self._padding.mask

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
            return self._padding.cleared(_raw(value))
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
        """An array of instances, each made when it is asked for; of a power of two, so that there are few types."""
        log = (count - 1).bit_length()
        data += bytes(max(0, (self.size << log) - len(data)))
        array: Sequence[Any] = (self.ctype * (1 << log)).from_buffer(data)
        return array


class _Member:
    """One field of a structure or union, also an inherited or anonymous one."""

    def __init__(self, owner: Any, name: str, ctype: Any, bits: int) -> None:
        self.name = name
        self.bits = bits
        self.codec = _inside_type(owner, name, ctype)
        self._owner = owner
        field = padding.field_of(owner, name)
        self.offset: int = 0 if bits else field.offset
        if bits:
            self._check_ctypes()

    def _check_ctypes(self) -> None:
        """Before Python 3.14 ctypes puts some bit fields of mixed types partly outside of their storage."""
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


def _members(ctype: Any) -> Iterator[_Member]:
    for owner in reversed(ctype.__mro__):
        for name, member_type, *bits in owner.__dict__.get("_fields_", ()):
            yield _Member(owner, name, member_type, bits[0] if bits else 0)


def codec_for(ctype: Any) -> Codec:
    """The codec of a ctypes type. Raises DataTypeError for types that can't be shared with the kernel."""
    if not isinstance(ctype, type):
        raise DataTypeError(f"expected a ctypes type such as ctypes.c_uint32, not {shown(ctype)}")
    return _build(ctype)


@functools.lru_cache(maxsize=1024)
def _build(ctype: Any) -> Codec:
    if issubclass(ctype, ctypes._SimpleCData) and not _is_abstract(ctype):
        return _simple(ctype)
    if not issubclass(ctype, (ctypes.Array, ctypes.Structure, ctypes.Union)):
        hint = "; use ctypes.c_uint64 for an address" if issubclass(ctype, _POINTERS) else _python_hint(ctype)
        raise DataTypeError(f"{type_name(ctype)} can't be shared with the kernel{hint}")
    if _is_abstract(ctype):
        raise DataTypeError(f"{ctype.__name__} itself has no fields: "
                            "give a class of your own that derives from it, or an array of a type (c_uint8 * 6)")
    if ctypes.sizeof(ctype) == 0:
        raise DataTypeError(f"{type_name(ctype)} has no bytes")
    if not issubclass(ctype, ctypes.Array):
        return RecordCodec(ctype)
    item: Any = ctype._type_
    return CharArrayCodec(ctype) if item is ctypes.c_char else ArrayCodec(ctype)


def _is_abstract(ctype: Any) -> bool:
    """Whether it's one of ctypes' own base classes, or one derived from them that says nothing of its data."""
    try:
        ctypes.sizeof(ctype)
    except TypeError:
        return True
    return False


def key_codec_for(ctype: Any) -> Codec:
    """The codec of a key type. Keys are compared byte by byte, which floating point numbers are not made for."""
    codec = codec_for(ctype)
    if _has_float(codec):
        raise DataTypeError(f"{codec.name} has floating point numbers, which can't be keys: "
                            "the kernel compares keys byte by byte")
    return _with_whole_texts(codec)


def _with_whole_texts(codec: Codec) -> Codec:
    if isinstance(codec, ArrayCodec):
        return ArrayCodec(codec.ctype, _with_whole_texts(codec.item))
    return CharKeyCodec(codec.ctype) if isinstance(codec, CharArrayCodec) else codec


def _simple(ctype: Any) -> Codec:
    code = ctype._type_
    if code in _SIGNED or code in _UNSIGNED:
        return IntCodec(ctype)
    if code in _FLOATS:
        return FloatCodec(ctype)
    if code == "?":
        return BoolCodec(ctype)
    if code == "c":
        return CharCodec(ctype)
    hint = "; use ctypes.c_uint64 for an address, c_char * n for text" if code in "zZO" else ""
    raise DataTypeError(f"{type_name(ctype)} can't be shared with the kernel{hint}")


def _python_hint(ctype: type) -> str:
    known = {int: "c_int64", bool: "c_bool", bytes: "c_char * 16", str: "c_char * 16", float: "c_double"}
    return f"; did you mean ctypes.{known[ctype]}?" if ctype in known else "; a ctypes type can, such as c_uint32"


def _has_float(codec: Codec) -> bool:
    if isinstance(codec, ArrayCodec):
        return _has_float(codec.item)
    if isinstance(codec, RecordCodec):
        return any(_has_float(member.codec) for member in codec.members)
    return isinstance(codec, FloatCodec)


def _order(ctype: Any) -> str:
    if getattr(ctype, "__ctype_le__", None) is ctype:
        return "<"
    return ">" if getattr(ctype, "__ctype_be__", None) is ctype else _NATIVE


def type_name(ctype: Any) -> str:
    """A type as its user wrote it: ``c_uint32``, ``c_char * 16``, ``Flow``."""
    if not isinstance(ctype, type):
        return repr(ctype)
    if issubclass(ctype, ctypes.Array):
        return f"{type_name(ctype._type_)} * {ctype._length_}"
    if not issubclass(ctype, ctypes._SimpleCData):
        return ctype.__name__
    code = str(getattr(ctype, "_type_", ""))
    if ctype.__module__ != "ctypes" or code not in _SIGNED | _UNSIGNED or code == "P":
        return ctype.__name__
    name = f"c_{'u' if code in _UNSIGNED else ''}int{8 * ctypes.sizeof(ctype)}"
    return name if _order(ctype) == _NATIVE else name + (".__ctype_be__" if _NATIVE == "<" else ".__ctype_le__")


def checked_int(value: Any, low: int, high: int, name: str) -> int:
    """value as an int within low and high. Raises DataTypeError or DataRangeError, which name it."""
    try:
        number = operator.index(_plain(value))
    except TypeError:
        raise DataTypeError(f"{name} takes an int, not {shown(value)} of type {type(value).__name__}") from None
    if not low <= number <= high:
        raise DataRangeError(f"{shown(number)} doesn't fit {name}: it holds {low} to {high}")
    return number


def _plain(value: Any) -> Any:
    if not isinstance(value, ctypes._SimpleCData):
        return value
    plain: Any = value.value
    return 0 if plain is None and isinstance(value, ctypes.c_void_p) else plain


def _raw(value: Any) -> bytes:
    return ctypes.string_at(ctypes.addressof(value), ctypes.sizeof(value))


def _inside(where: str, codec: Codec, value: Any) -> bytes:
    try:
        return codec.encode(value)
    except (DataTypeError, DataRangeError) as error:
        raise type(error)(f"{where}: {error}") from None


def _inside_type(owner: Any, name: str, ctype: Any) -> Codec:
    try:
        return codec_for(ctype)
    except DataTypeError as error:
        raise DataTypeError(f"{owner.__name__}.{name}: {error}") from None
