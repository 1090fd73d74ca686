"""Many keys or values at once, in both directions: sequences and numpy arrays as the bytes of a codec."""

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
"""So much room is reserved at first at most; a full map of that size is then read without a copy."""


def numpy_for(what: str) -> Any:
    """The module. Raises ImportError, which says what needs it."""
    need("numpy", what)
    import numpy

    return numpy


def is_array(values: Any) -> bool:
    """Whether it's a numpy array or gives itself as one: a column of pandas, say."""
    return hasattr(values, "__array__") and hasattr(values, "dtype")


def column(values: Any) -> Any:
    """values with a length and rows: a numpy array, or a sequence. Raises DataTypeError."""
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
    """The bytes of a column's values: padding is zero, whatever an array has there.

    An array's items are held to what the codec takes as single values: an array of floats, or one with a 256, is no
    column of c_uint8. Raises DataTypeError or DataRangeError, which name the first item that doesn't fit.
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
    """Copies array into rows, which have the codec's dtype.

    False where something may not fit: then each item is to be looked at, and may be refused.
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
    """Whether all numbers or texts of an array are surely what a codec of such takes."""
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
    """Whether a text goes on after a NUL."""
    return _goes_on(array.reshape(-1, 1).copy().view("u1"))


def _goes_on(letters: Array) -> bool:
    """The same of rows of characters."""
    return bool(((letters[..., 1:] != 0) & (letters[..., :-1] == 0)).any())


def end_texts(rows: Array) -> None:
    """Puts zeros behind the first NUL of all texts in an array of values, in place: a text is what single values show
    of it. Of keys all bytes count, so theirs stay."""
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
        whole, raw = array.copy(), f"V{codec.size}"  # contiguous, as the rows may not be
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
    """Where in a column the first value is that its codec refuses."""
    for at, value in enumerate(objects(values)):
        try:
            codec.encode(value)
        except (DataTypeError, DataRangeError):
            return at
    return None


class Gathered:
    """Keys and values of a whole map in one piece of memory each, which a walk writes itself."""

    def __init__(self, numpy: Any, key_size: int, value_size: int, expected: int) -> None:
        self._numpy = numpy
        self._sizes = key_size, value_size
        self._first = min(expected, _FIRST_BYTES // (key_size + value_size))
        self._columns = [numpy.empty(0, "u1")] * 2
        self._cap = 0
        self.n = 0

    def buffers(self, cap: int) -> tuple[memoryview, memoryview]:
        """Memory for cap entries behind those that there are. What isn't written costs nothing."""
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
        """The bytes; a copy where much more room than needed was reserved."""
        keys, values = (whole[: self.n * size] for whole, size in zip(self._columns, self._sizes, strict=True))
        return (keys, values) if 2 * self.n > self._cap else (keys.copy(), values.copy())
