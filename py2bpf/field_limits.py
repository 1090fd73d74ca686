"""The ranges of a structure's integer fields, and the check for values outside, which ctypes would truncate."""

from __future__ import annotations

import ctypes
import functools
from typing import Any, NamedTuple

from .codec import IntCodec, codec_for, type_name
from .exception import DataRangeError
from .fields import declared
from .given import shown


class Limited(NamedTuple):
    """A field's type, its bits (0 unless it is a bit field), and the least and the greatest value of an integer."""

    ctype: Any
    bits: int
    limits: tuple[int, int] | None


def _limits(ctype: Any, bits: int) -> tuple[int, int] | None:
    """The least and the greatest value of a field of an integer type; None for another type."""
    if not issubclass(ctype, ctypes._SimpleCData) or not isinstance(codec := codec_for(ctype), IntCodec):
        return None
    if not bits:
        return codec.low, codec.high
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if codec.signed else (0, (1 << bits) - 1)


@functools.lru_cache(maxsize=1024)
def limits_of(ctype: Any) -> dict[str, Limited]:
    """The limits of all fields by name."""
    return {name: Limited(field, bits, _limits(field, bits)) for _, name, field, bits in declared(ctype)}


def check_field(owner: Any, name: str, row: Limited, value: Any) -> None:
    """Raises DataRangeError, which names class and field, for a value that ctypes would truncate."""
    limits = row.limits
    if type(value) is not int or (limits is not None and not limits[0] <= value <= limits[1]):
        _check(f"{type(owner).__name__}.{name}", *row, value)


def _check(where: str, ctype: Any, bits: int, limits: tuple[int, int] | None, value: Any) -> None:
    """Raises DataRangeError for an integer, also one in a tuple, that ctypes would truncate."""
    if isinstance(value, int):
        if limits is not None and not limits[0] <= value <= limits[1]:
            what = f"{where} ({bits} bits)" if bits else type_name(ctype)
            place = "" if bits else f"{where}: "
            raise DataRangeError(f"{place}{shown(value)} doesn't fit {what}: it holds {limits[0]} to {limits[1]}")
    elif not isinstance(value, tuple):
        return
    elif issubclass(ctype, ctypes.Array):
        for i, item in enumerate(value):
            _check(f"{where}: item {i} of {type_name(ctype)}", ctype._type_, 0, _limits(ctype._type_, 0), item)
    elif issubclass(ctype, ctypes.Structure):
        for (name, row), item in zip(limits_of(ctype).items(), value, strict=False):
            _check(f"{where}.{name}", *row, item)
