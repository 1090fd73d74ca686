"""Checks the arguments of a map's update(): a mapping, pairs, or two columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from ..exception import DataTypeError
from ..given import shown


def check_columns(keys: Any, values: Any) -> None:
    """Raises DataTypeError for a single key and value instead of columns."""
    for given in (keys, values):
        if not hasattr(given, "__len__"):
            raise DataTypeError(f"update(keys, values) takes two columns, not {shown(given)}: "
                                "one entry is m[key] = value")


def columns_of(other: Any, more: dict[str, Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    """The keys and the values, given by arguments like those of dict.update()."""
    if isinstance(other, dict) and not more:
        return list(other), list(other.values())
    pairs = [*map(_pair, _pairs(other)), *more.items()]
    return [key for key, _ in pairs], [value for _, value in pairs]


def _pair(given: Any) -> tuple[Any, Any]:
    try:
        key, value = given
    except (TypeError, ValueError) as error:
        what = "update() takes (key, value) pairs, as enumerate(values) gives"
        raise type(error)(f"{what}, not {shown(given)}") from None
    return key, value


def _pairs(other: Any) -> Iterable[Any]:
    if isinstance(other, Mapping):
        return other.items()
    if hasattr(other, "keys"):
        return ((key, other[key]) for key in other.keys())  # noqa: SIM118  such an object promises nothing else
    if not isinstance(other, Iterable) and not hasattr(other, "__getitem__"):
        raise DataTypeError(f"update() takes a mapping or (key, value) pairs, not {shown(other)}")
    return cast("Iterable[Any]", other)
