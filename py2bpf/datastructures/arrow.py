"""numpy's structured arrays as Arrow's columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..exception import DataTypeError

if TYPE_CHECKING:
    import numpy
    import pyarrow


def record_batch(rows: numpy.ndarray[Any, Any]) -> pyarrow.RecordBatch:
    """One column for each field of a structured array, or one named ``value`` for any other.

    Structures within become struct columns, arrays lists of fixed size, text binary columns without the NULs at its
    end. Nothing is done per row. Raises ImportError without pyarrow, DataTypeError for types that Arrow lacks.
    """
    arrow = pyarrow_module("read_arrow()")
    names = rows.dtype.names or ("value",)
    columns = [rows[name] for name in rows.dtype.names] if rows.dtype.names else [rows]
    return arrow.RecordBatch.from_arrays([column(arrow, each) for each in columns], names=list(names))


def column(arrow: Any, rows: numpy.ndarray[Any, Any]) -> Any:
    """The Arrow array of a numpy array: of its first dimension, the others are lists within."""
    if rows.ndim > 1:
        items = rows.shape[1]
        flat = rows.reshape(len(rows) * items, *rows.shape[2:])
        return arrow.FixedSizeListArray.from_arrays(column(arrow, flat), items)
    if rows.dtype.names:
        parts = [column(arrow, rows[name]) for name in rows.dtype.names]
        return arrow.StructArray.from_arrays(parts, names=list(rows.dtype.names))
    if rows.dtype.kind not in "biufS":
        raise DataTypeError(f"Arrow has no columns of {rows.dtype}")
    if not rows.dtype.isnative:
        rows = rows.astype(rows.dtype.newbyteorder("="))
    return arrow.array(rows, type=arrow.binary() if rows.dtype.kind == "S" else None)


def pyarrow_module(what: str) -> Any:
    """The module, or ImportError that says what needs it."""
    try:
        import pyarrow
    except ImportError:
        raise ImportError(f"{what} needs pyarrow: pip install 'py2bpf[arrow]'") from None
    return pyarrow
