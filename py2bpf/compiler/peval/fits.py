"""Constants for the fields of a py2bpf.Struct: a value that doesn't fit raises in Python, and is refused here.

A user's own ctypes.Structure truncates such values, in Python as in programs.
"""

from __future__ import annotations

from typing import Any

from ...exception import TypeMismatch
from . import integers
from .layout import Member, is_array, is_record, is_strict, members, scalar
from .naming import short
from .values import Abstract, Const, TupleOf


def check(owner: Any, name: str, field: Member, value: Abstract) -> None:
    """Raises TypeMismatch for an integer, or one in a tuple, that the field would truncate."""
    if is_strict(owner):
        _check(f"{owner.__name__}.{name}", field, value)


def _check(where: str, field: Member, value: Abstract) -> None:
    if isinstance(value, Const) and isinstance(value.obj, int):
        _check_number(where, field, integers.raw(value.obj))
    items = _items(value)
    if is_array(field.ctype):
        for i, item in enumerate(items):
            _check(f"item {i} of {where}", Member(0, field.ctype._type_), item)
    elif is_record(field.ctype):
        for (name, inner), item in zip(members(field.ctype).items(), items, strict=False):
            _check(f"{where}.{name}", inner, item)


def _items(value: Abstract) -> tuple[Abstract, ...]:
    if isinstance(value, TupleOf):
        return value.items
    return tuple(map(Const, value.obj)) if isinstance(value, Const) and isinstance(value.obj, tuple) else ()


def _check_number(where: str, field: Member, number: int) -> None:
    kind = scalar(field.ctype)
    if kind is None or kind.kind not in ("int", "pointer"):
        return
    bits = field.bits[1] if field.bits is not None else 8 * kind.size
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if kind.signed else (0, (1 << bits) - 1)
    if not low <= number <= high:
        raise TypeMismatch(0, f"{short(number)} doesn't fit {where}, which holds {low} to {high}",
                           hints=(f"keep what fits: {short(number)} & {hex((1 << bits) - 1)}",
                                  "or declare the field wider, or signed"))  # fmt: skip
