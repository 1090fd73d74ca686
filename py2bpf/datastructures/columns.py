"""Converts many keys or values at once between sequences or numpy arrays and the bytes of a codec."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from ..codec import ArrayCodec, BoolCodec, Buffer, CharArrayCodec, CharCodec, Codec, FloatCodec, IntCodec, RecordCodec
from ..exception import DataRangeError, DataTypeError
from ..given import shown
from ..optional import need
from .percpu import PerCpuCodec

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, Any]

_FIRST_BYTES: Final = 64 << 20
"""The most memory that is reserved at first. A map of up to this size is read without copying, even if it is full."""


def numpy_for(what: str) -> Any:
    """The module. Raises ImportError, which says that ``what`` needs it."""
    need("numpy", what)
    import numpy

    return numpy


def is_array(values: Any) -> bool:
    """Whether ``values`` is a numpy array, or converts itself to one, like a column of pandas."""
    return hasattr(values, "__array__") and hasattr(values, "dtype")


def column(values: Any) -> Any:
    """``values`` as a numpy array with rows, or as a sequence. Raises DataTypeError."""
    if not is_array(values):
        return values if isinstance(values, (list, tuple, range)) else list(values)
    numpy = numpy_for("storing arrays")
    if numpy.ma.is_masked(values):
        raise DataTypeError("a column of keys or values has one in each row, this one has masked rows: leave them out")
    array = numpy.asarray(values)
    if not array.ndim:
        raise DataTypeError(f"a column of keys or values has a row for each, {shown(values)} has none")
    return array


def packed(codec: Codec, values: Any) -> Buffer:
    """The bytes of a column's values. Padding becomes zero, whatever bytes an array has there.

    An array's items must be values that the codec would take singly: an array of floats, or with a 256, is no column of
    c_uint8. Raises DataTypeError or DataRangeError, which name the first item that doesn't fit.
    """
    if not is_array(values):
        return codec.encode_many(values)
    rows = numpy_for("storing arrays").zeros(len(values), codec.dtype)
    return as_bytes(rows) if _fill(codec, rows, values) else codec.encode_many(values.tolist())


def objects(values: Any) -> Sequence[Any]:
    """A column's values as Python objects."""
    return cast("Sequence[Any]", values.tolist() if is_array(values) else values)


def as_bytes(rows: Array) -> memoryview:
    """The memory of contiguous rows."""
    return rows.reshape(-1).view("u1").data


def _fill(codec: Codec, rows: Array, array: Array) -> bool:
    """Copies ``array`` into ``rows``, which have the codec's dtype.

    False if an item may not fit: then the caller has to encode the items one by one, which may refuse some.
    """
    if isinstance(codec, PerCpuCodec):
        return _fill_cpus(codec, rows, array)
    if isinstance(codec, ArrayCodec):
        return _fill(codec.item, rows, array)
    if isinstance(codec, RecordCodec):
        return _fill_records(codec, rows, array)
    if array.shape != rows.shape or not _fits(codec, array):
        return False
    rows[...] = array
    return True


def _fits(codec: Codec, array: Array) -> bool:
    """Whether the codec certainly takes all numbers or texts of an array."""
    kind, size = array.dtype.kind, array.dtype.itemsize
    if isinstance(codec, IntCodec):
        return kind in "iub" and _within(array, codec.low, codec.high)
    if isinstance(codec, BoolCodec):
        return kind in "iub" and _within(array, 0, 1)
    if isinstance(codec, FloatCodec):
        return kind in "fiub" if codec.size == 8 and size <= 8 else kind == "f" and size <= codec.size
    if isinstance(codec, CharArrayCodec):
        return kind == "S" and size <= codec.size and not _inner_nul(array)
    return isinstance(codec, CharCodec) and kind == "S" and size == 1


def _within(array: Array, low: int, high: int) -> bool:
    return not array.size or bool(low <= int(array.min()) and int(array.max()) <= high)


def _inner_nul(array: Array) -> bool:
    """Whether a text of the array continues after a NUL."""
    return _goes_on(array.reshape(-1, 1).copy().view("u1"))


def _goes_on(letters: Array) -> bool:
    """The same for rows of characters."""
    return bool(((letters[..., 1:] != 0) & (letters[..., :-1] == 0)).any())


def end_texts(rows: Array) -> None:
    """Replaces the bytes after the first NUL of all texts in an array of values by zeros, in place, since a single
    value ends at its first NUL, too. Not for keys, of which all bytes count."""
    if rows.dtype.names:
        for name in rows.dtype.names:
            end_texts(rows[name])
    elif rows.dtype.kind == "S" and rows.dtype.itemsize > 1 and rows.size:
        letters = rows[..., None].view("u1")
        if _goes_on(letters):
            ended: Array = numpy_for("reading arrays").logical_or.accumulate(letters == 0, axis=-1)
            letters[ended] = 0


def _fill_cpus(codec: PerCpuCodec, rows: Array, array: Array) -> bool:
    """A row has a value for each CPU, or one for all."""
    values = rows["value"]
    if array.ndim == values.ndim - 1:
        array = array[:, None].repeat(codec.cpus, 1)
    return array.shape[:2] == values.shape[:2] and _fill(codec.item, values, array)


def _fill_records(codec: RecordCodec, rows: Array, array: Array) -> bool:
    if array.dtype == rows.dtype and array.shape == rows.shape:
        whole, raw = array.copy(), f"V{codec.size}"  # contiguous, unlike the rows perhaps
        whole.reshape(-1).view("u1").reshape(-1, codec.size)[...] &= memoryview(codec.mask)
        rows.view(raw)[...] = whole.view(raw)
        return True
    names = {member.name for member in codec.members}
    given = array.dtype.names or ()
    if issubclass(codec.ctype, ctypes.Union) or len(given) != len(names):
        return False
    if set(given) != names:
        raise DataTypeError(f"{codec.name} has the fields {', '.join(sorted(names))}, "
                            f"but the array's are {', '.join(sorted(given))}")
    return all(_fill(member.codec, rows[member.name], array[member.name]) for member in codec.members)


def first_refused(codec: Codec, values: Any) -> int | None:
    """The index of the first value in a column that its codec refuses; None if it refuses none."""
    for at, value in enumerate(objects(values)):
        try:
            codec.encode(value)
        except (DataTypeError, DataRangeError):
            return at
    return None


class Gathered:
    """The keys and the values of a whole map, each in one piece of memory, into which a walk writes directly."""

    def __init__(self, numpy: Any, key_size: int, value_size: int, expected: int) -> None:
        self._numpy = numpy
        self._sizes = key_size, value_size
        self._first = min(expected, _FIRST_BYTES // (key_size + value_size))
        self._columns = [numpy.empty(0, "u1")] * 2
        self._cap = 0
        self.n = 0

    def buffers(self, cap: int) -> tuple[memoryview, memoryview]:
        """Memory for ``cap`` entries after the present ones. Memory that is never written costs nothing."""
        if self.n + cap > self._cap:
            self._cap = max(2 * self._cap, self._first) + cap
            self._columns = [self._grown(old, size) for old, size in zip(self._columns, self._sizes, strict=True)]
        keys, values = (whole[self.n * size :].data for whole, size in zip(self._columns, self._sizes, strict=True))
        return keys, values

    def _grown(self, old: Array, size: int) -> Array:
        whole: Array = self._numpy.empty(self._cap * size, "u1")
        whole[: self.n * size] = old[: self.n * size]
        return whole

    def arrays(self) -> tuple[Array, Array]:
        """The bytes of the keys and values; a copy if much more memory than needed was reserved."""
        keys, values = (whole[: self.n * size] for whole, size in zip(self._columns, self._sizes, strict=True))
        return (keys, values) if 2 * self.n > self._cap else (keys.copy(), values.copy())
