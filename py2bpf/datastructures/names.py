"""Checks the names of maps."""

from __future__ import annotations

from typing import Final

from ..exception import DataTypeError
from ..uapi.map_types import NAME_SIZE

_NAME_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.")


def checked_name(name: str) -> str:
    """``name``, if the kernel accepts it. Raises DataTypeError."""
    if not isinstance(name, str) or len(name) > NAME_SIZE or not _NAME_CHARACTERS.issuperset(name):
        raise DataTypeError(f"a map's name is at most {NAME_SIZE} letters, digits, '_' and '.', not {name!a}")
    return name
