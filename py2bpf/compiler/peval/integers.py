"""The integers that programs can compute with: they fit 64 bits, and their classes don't change arithmetic."""

from __future__ import annotations

import functools
from typing import Any, Final

from ...exception import TypeMismatch
from ..ir.values import Value, const
from .classes import BINARY, COMPARISONS, is_inherited, is_known, lookup
from .naming import short

_NUMERIC: Final = (
    *(f"__{prefix}{name}__" for name in BINARY.values() for prefix in ("", "r")),
    *(names[0] for names in COMPARISONS.values()), "__bool__", "__neg__", "__pos__", "__invert__", "__abs__",
)  # fmt: skip


def raw(number: int) -> int:
    """The plain int value of an object of a subclass of int, as C code sees it."""
    return int.__pos__(number)


LEAST: Final = -(1 << 63)
MOST: Final = (1 << 64) - 1
"""Programs compute integers from LEAST to MOST, signed or unsigned."""


def is_beyond(obj: Any) -> bool:
    """Whether the object is an integer that doesn't fit 64 bits."""
    return isinstance(obj, int) and not LEAST <= raw(obj) <= MOST


def is_plain_int(obj: Any) -> bool:
    """Whether a constant is an integer that computes as int does. A run-time integer has forgotten its class."""
    if type(obj) is int or type(obj) is bool:
        return True
    cls: Any = type(obj)
    return isinstance(obj, int) and not _has_arithmetic(cls)


@functools.lru_cache(maxsize=1024)
def _has_arithmetic(cls: Any) -> bool:
    """Whether a user's class computes or compares in its own way."""
    for name in _NUMERIC:
        owner, found = lookup(cls, name)
        if owner is not None and not is_known(owner) and not is_inherited(cls, name, found):
            return True
    return False


def constant(number: int) -> Value:
    """A number as a constant of the IR. Raises TypeMismatch if it does not fit 64 bits."""
    number = raw(number)
    if not LEAST <= number <= MOST:
        raise TypeMismatch(
            0,
            f"the integer {short(number)} does not fit 64 bits",
            hints=("compiled functions compute with 64-bit integers; reduce it with & first",),
        )
    return const(number)
