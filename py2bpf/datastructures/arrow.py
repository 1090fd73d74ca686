"""Converts numpy's structured arrays to Arrow's columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..exception import DataTypeError
from ..optional import need

if TYPE_CHECKING:
    import numpy
    import pyarrow


def record_batch(rows: numpy.ndarray[Any, Any]) -> pyarrow.RecordBatch:
    """One column for each field of a structured array, or one named ``value`` for any other array.

    Nested structures become struct columns, arrays become lists of fixed size, texts become binary columns without the
    NULs at their end. No Python code runs per row. Raises ImportError without pyarrow, DataTypeError for types that
    Arrow lacks.
    """
    arrow = pyarrow_module("read_arrow()")
    names = rows.dtype.names or ("value",)
    columns = [rows[name] for name in rows.dtype.names] if rows.dtype.names else [rows]
    return arrow.RecordBatch.from_arrays([column(arrow, each) for each in columns], names=list(names))


def column(arrow: Any, rows: numpy.ndarray[Any, Any]) -> Any:
    """The Arrow array for the first dimension of a numpy array; further dimensions become nested lists."""
    if rows.ndim > 1:
        items = rows.shape[1]
        flat = rows.reshape(len(rows) * items, *rows.shape[2:])
        return arrow.FixedSizeListArray.from_arrays(column(arrow, flat), items)
    if rows.dtype.names:
        parts = [column(arrow, rows[name]) for name in rows.dtype.names]
        return arrow.StructArray.from_arrays(parts, names=list(rows.dtype.names))
    if rows.dtype.kind not in "biufS":
        raise DataTypeError(f"Arrow has no columns of {rows.dtype}")
    if rows.dtype.kind == "S":
        return _texts(arrow, rows)
    if not rows.dtype.isnative:
        rows = rows.astype(rows.dtype.newbyteorder("="))
    return arrow.array(rows)


def _texts(arrow: Any, rows: numpy.ndarray[Any, Any]) -> Any:
    """Binary values without the NULs at their end. Arrow's own conversion would end them at the first NUL."""
    import numpy

    count, width = len(rows), rows.dtype.itemsize
    letters = rows.copy().view("u1").reshape(count, width)
    lengths = ((letters != 0) * numpy.arange(1, width + 1)).max(axis=1, initial=0)
    kept = letters[numpy.arange(width) < lengths[:, None]]
    wide = len(kept) >= 1 << 31
    offsets = numpy.zeros(count + 1, "i8" if wide else "i4")
    numpy.cumsum(lengths, out=offsets[1:])
    kind = arrow.large_binary() if wide else arrow.binary()
    return arrow.Array.from_buffers(kind, count, [None, arrow.py_buffer(offsets), arrow.py_buffer(kept)])


def pyarrow_module(what: str) -> Any:
    """The module. Raises ImportError, which says that ``what`` needs it."""
    need("pyarrow", what)
    import pyarrow

    return pyarrow
