"""Compares the bytes of objects and writes constant ones; char arrays as texts, with zeros behind their NUL."""

from __future__ import annotations

import ctypes
import sys
from typing import Final

from ...exception import TypeMismatch
from ...uapi.helpers import HELPERS
from ..ir.alignment import alignment, pieces
from ..ir.ops import Op
from ..ir.types import I64, U64, Region
from ..ir.values import Value, const
from . import hints, locks
from .builder import Builder
from .naming import short, type_name
from .values import Abstract, Const, OneOf, Ref

_STORED: Final = 512
"""The most bytes that are cleared by stores."""


def store_bytes(b: Builder, base: Value, offset: int, data: bytes) -> None:
    """Writes constant bytes, in the widest pieces that are aligned and fit an immediate."""
    for at, size in pieces(offset, offset, len(data), min(4, alignment(base))):
        b.store(base, offset + at, size, const(int.from_bytes(data[at : at + size], sys.byteorder)))


def text_for_c(b: Builder, text: str | bytes) -> tuple[Value, int]:
    """A constant text with its NUL on the stack: its address and size. Raises TypeMismatch for a str that UTF-8 can't
    hold."""
    try:
        data = (text.encode() if isinstance(text, str) else text) + b"\0"
    except UnicodeEncodeError:
        raise TypeMismatch(0, f"{short(text)} has a lone surrogate, which UTF-8 can't hold",
                           hints=hints.for_bytes(text)) from None  # fmt: skip
    place = b.alloca(len(data))
    store_bytes(b, place, 0, data)
    return place, len(data)


def texts(value: Abstract) -> tuple[bytes, ...]:
    """The constant bytes that the value may be; empty for any other value."""
    if isinstance(value, OneOf):
        return value.options if isinstance(value.options[0], bytes) else ()
    return (value.obj,) if isinstance(value, Const) and isinstance(value.obj, bytes) else ()


def store_text(b: Builder, ref: Ref, value: Abstract, whole: bool = False) -> None:
    """``chars = data``: all of the array is written. A text ends at its first NUL; ``whole``: all its bytes count."""
    options = texts(value)
    for data in options:
        check_fits(ref, data)
    if not whole:
        options = tuple(data.partition(b"\0")[0] for data in options)
    words = min(max(map(len, options)) + 7 & ~7, ctypes.sizeof(ref.ctype))
    padded = [data.ljust(words, b"\0") for data in options]
    for at, size in pieces(ref.offset, ref.offset, words, min(4, alignment(ref.base))):
        numbers = [const(int.from_bytes(data[at : at + size], sys.byteorder)) for data in padded]
        number = chosen(b, value, numbers) if isinstance(value, OneOf) else numbers[0]
        b.store(ref.base, ref.offset + at, size, number)
    end_text(b, ref, words)


def chosen(b: Builder, texts: OneOf, numbers: list[Value]) -> Value:
    """The item of ``numbers`` that belongs to the chosen text."""
    found = numbers[-1]
    for i, number in enumerate(numbers[:-1]):
        found = b.emit(Op.SELECT, [b.compare(Op.EQ, texts.number, const(i)), number, found], I64)
    return found


def check_fits(ref: Ref, data: bytes) -> None:
    """Raises TypeMismatch for constant bytes that are longer than the array."""
    size = ctypes.sizeof(ref.ctype)
    if len(data) > size:
        raise TypeMismatch(
            0,
            f"{len(data)} bytes do not fit a {type_name(ref.ctype)}",
            hints=(f"it holds {hints.count(size, 'byte')}: cut the constant, or use a longer array",),
        )


def end_text(b: Builder, ref: Ref, size: int) -> None:
    """Writes zeros behind the first ``size`` bytes of a char array, so that equal texts are equal bytes everywhere."""
    behind = ctypes.sizeof(ref.ctype) - size
    if ref.ptr.region is Region.CTX:
        store_bytes(b, ref.base, ref.offset + size, bytes(behind))
    elif behind:
        b.guard_not_null(ref.base)
        b.zero(ref.base, ref.offset + size, behind)


def blank(b: Builder, ref: Ref, gpl: bool) -> None:
    """Clears an array into which a helper is about to write a text, so that zeros follow the NUL. A large array is
    cleared by a read that fails, which needs a GPL-compatible licence (``gpl``)."""
    size = ctypes.sizeof(ref.ctype)
    if size <= _STORED or not gpl:
        b.zero(ref.base, ref.offset, size)
        return
    helper = HELPERS["probe_read_kernel" if b.target.probe_read_kernel else "probe_read"]
    b.emit(Op.CALL, [b.address(ref.base, ref.offset), const(size), const(0)], I64, helper)


def equal(b: Builder, left: Ref, right: Ref, size: int) -> Value:
    """Whether ``size`` bytes are the same: 1 or 0."""
    locks.check_whole(left)
    locks.check_whole(right)
    widest = min(alignment(left.base), alignment(right.base))

    def read(ref: Ref, at: int, piece: int) -> Value:
        return b.load(ref.base, ref.offset + at, piece, False)

    parts = pieces(left.offset, right.offset, size, widest)
    return _all_equal(b, [(read(left, at, piece), read(right, at, piece)) for at, piece in parts])


def equal_bytes(b: Builder, ref: Ref, data: bytes) -> Value:
    """Whether memory begins with these bytes."""
    pairs = []
    for at, piece in pieces(ref.offset, ref.offset, len(data), alignment(ref.base)):
        expected = const(int.from_bytes(data[at : at + piece], sys.byteorder))
        pairs.append((b.load(ref.base, ref.offset + at, piece, False), expected))
    return _all_equal(b, pairs)


def _all_equal(b: Builder, pairs: list[tuple[Value, Value]]) -> Value:
    different = const(0)
    for x, y in pairs:
        different = b.emit(Op.OR, [different, b.emit(Op.XOR, [x, y], U64)], U64)
    return b.compare(Op.EQ, different, const(0))


def equals_text(b: Builder, ref: Ref, data: bytes) -> Value:
    """``chars == data`` for bytes that may be equal (see nevers.text_test): the value of a char array in CPython ends
    before its first NUL."""
    return equal_bytes(b, ref, data + b"\0" if len(data) < ctypes.sizeof(ref.ctype) else data)


def equal_texts(b: Builder, left: Ref, right: Ref) -> Value:
    """Whether two char arrays hold the same bytes before their first NULs."""
    sizes = ctypes.sizeof(left.ctype), ctypes.sizeof(right.ctype)
    different, alive = const(0), const(1)
    for at in range(max(sizes)):
        x, y = (b.load(ref.base, ref.offset + at, 1, False) if at < size else const(0)
                for ref, size in zip((left, right), sizes, strict=True))  # fmt: skip
        unlike = b.emit(Op.AND, [alive, b.compare(Op.NE, x, y)], I64)
        different = b.emit(Op.OR, [different, unlike], I64)
        alive = b.emit(Op.AND, [alive, b.compare(Op.NE, x, const(0))], I64)
    return b.compare(Op.EQ, different, const(0))
