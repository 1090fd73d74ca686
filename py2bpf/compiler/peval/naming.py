"""Objects and types in the user's words, for messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from ...borders import of_a_signal

T = TypeVar("T")

_BITS_SHOWN: Final = 1 << 12
"""Longer numbers are not printed; Python itself refuses to print numbers of 4300 digits."""


def short(obj: Any) -> str:
    """repr() in at most 60 characters."""
    if type(obj) is int and obj.bit_length() > _BITS_SHOWN:
        return f"<a number of {obj.bit_length()} bits>"
    text = asked(repr, obj, "<its repr() fails>")
    return text if len(text) <= 60 else text[:57] + "..."


def asked(fn: Callable[[Any], T], obj: Any, otherwise: T) -> T:
    """``fn(obj)``, which may call methods of the object's class; ``otherwise`` if that raises."""
    try:
        return fn(obj)
    except Exception as error:  # of the class's own method
        if of_a_signal(error):
            raise
        return otherwise


def type_name(ctype: Any) -> str:
    return str(getattr(ctype, "__name__", ctype))
