"""Items of tuples, lists and constant sequences, by constant or run-time index."""

from __future__ import annotations

import ctypes
from typing import Any, Final

from ...exception import LimitExceeded, TypeMismatch, UnsupportedSyntax
from . import arith, choice, integers, memory, ranges, slices, stores
from .machine import Machine
from .values import Abstract, Const, RangeOf, is_none

_WANTED: Final = "tuples and lists of numbers, ctypes arrays and maps take others"


def item(ev: Machine, items: tuple[Abstract, ...], key: Abstract, what: str, wanted: str = "") -> Abstract:
    """``items[key]``, where the key is not a slice; ``what`` describes the container in messages."""
    if isinstance(key, Const):
        return _known_item(ev, items, key.obj)
    slices.check_bounds(key, slices.READ_ONE_BY_ONE)
    if items and all(isinstance(item, Const) and isinstance(item.obj, int) for item in items):
        return _table_item(ev, [int(item.obj) for item in items if isinstance(item, Const)], key)
    if items and all(_may_be_chosen(item) for item in items):
        return choice.numbered(ev.b, items, key)
    raise TypeMismatch(0, f"the index into {what} must be a constant",
                       hints=(wanted or _WANTED,))


def _may_be_chosen(item: Abstract) -> bool:
    """Whether the item is a number or None."""
    return is_none(item) or item.is_int()


def _known_item(ev: Machine, items: tuple[Abstract, ...], index: Any) -> Abstract:
    if not isinstance(index, int):
        raise TypeMismatch(0, f"a sequence is indexed with integers, not {Const(index).describe()}",
                           hints=("write the item's number; dicts and maps have other keys",))  # fmt: skip
    number = integers.raw(index)
    if not -len(items) <= number < len(items):
        ev.b.exit("IndexError")
    return items[number]


_STORED_AS: Final = tuple(
    (kind, range(low, high))
    for bits, unsigned, signed in (
        (8, ctypes.c_uint8, ctypes.c_int8), (16, ctypes.c_uint16, ctypes.c_int16),
        (32, ctypes.c_uint32, ctypes.c_int32), (64, ctypes.c_uint64, ctypes.c_int64),
    )
    for kind, low, high in ((signed, -(1 << bits - 1), 1 << bits - 1), (unsigned, 0, 1 << bits))
)  # fmt: skip
"""The types for a table's numbers, smallest first, since the stack is small; the first that holds all is used."""
_STACK: Final = 512


def _table_item(ev: Machine, numbers: list[int], key: Abstract) -> Abstract:
    """A constant table of integers indexed at run time: a ctypes array on the stack."""
    kind = next((kind for kind, held in _STORED_AS if min(numbers) in held and max(numbers) in held), None)
    if kind is None:
        raise TypeMismatch(0, "the table's integers do not fit one 64-bit type",
                           hints=("it may have negative numbers, or some from 2**63 up, and not both",))  # fmt: skip
    size = ctypes.sizeof(kind) * len(numbers)
    if size > _STACK:
        raise LimitExceeded(
            0, f"a table of {len(numbers)} numbers that is read with a run-time index needs {size} bytes of stack, "
            f"and BPF has {_STACK}",
            hints=("keep it in a map: m = ArrayMap(c_int64, len(table)); m.update(enumerate(table))",),
        )  # fmt: skip
    table = memory.new(ev.b, kind * len(numbers), zero=False)
    for i, number in enumerate(numbers):
        stores.store(ev.b, memory.element(table, i), Const(number))
    return memory.load(ev.b, memory.index(ev.b, table, key))


def of_range(ev: Machine, numbers: RangeOf, key: Abstract) -> Abstract:
    """``numbers[key]`` of a range."""
    if slices.is_slice(key):
        raise UnsupportedSyntax(0, "a range that isn't constant has no slices", hints=("write range(start, stop)",))
    index = arith.to_ir(ev.b, key, "the index into a range is an integer")
    return arith.from_ir(ranges.item(ev.b, numbers, index))
