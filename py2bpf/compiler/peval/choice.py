"""Look-ups with a run-time key in dicts with constant keys, whose values are numbers or None, and in tuples of numbers:
a chain of comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from ...exception import LimitExceeded, TypeMismatch
from ..ir.ops import Op
from ..ir.types import I64, join_ints
from ..ir.values import Value, const
from . import arith, integers, memory, overrides
from .builder import Builder
from .values import NONE, Abstract, Const, OptionalInt, is_none, wrap

MAX_KEYS: Final = 256
_IN_A_MAP: Final = "use a map for run-time keys: create_map(c_uint32, c_uint64, 16)"


def item(b: Builder, items: Mapping[Any, Any], key: Abstract) -> Abstract:
    """``d[key]``: a KeyError where the key is missing."""
    entry = search(b, items, key)
    b.guard(entry.present, "KeyError")
    return found(items, entry)


class Entry(NamedTuple):
    """The result of a search: ``present`` is whether the key is in the dict, ``value`` its value (any number if there
    is none), and ``some`` whether the value isn't None; ``some`` is None if no value of the dict is."""

    present: Value
    value: Value
    some: Value | None


def found(items: Mapping[Any, Any], entry: Entry) -> Abstract:
    """The value of a key that is present."""
    boolean = arith.booleans(_values(items))
    return arith.number(entry.value, boolean) if entry.some is None else OptionalInt(entry.some, entry.value, boolean)


def get(b: Builder, items: Mapping[Any, Any], key: Abstract, default: Abstract = NONE) -> Abstract:
    """``d.get(key, default)``."""
    present, value, some = search(b, items, key)
    if isinstance(default, Const) and default.obj is None:
        known = present if some is None else arith.both(b, present, some)
        return OptionalInt(known, value, arith.booleans(_values(items))) if known.op is not Op.CONST else NONE
    if isinstance(default, OptionalInt):
        other, there = default.value, arith.to_bool(b, default.present)
    else:
        other, there = arith.to_ir(b, default, "the default of a dict of numbers is a number"), None
    kind = join_ints(arith.int_type(value), arith.int_type(other))
    chosen = b.emit(Op.SELECT, [present, arith.cast(b, value, kind), arith.cast(b, other, kind)], kind)
    boolean = arith.booleans([*_values(items), default])
    if some is not None:
        given = const(1) if there is None else there
        return OptionalInt(b.emit(Op.SELECT, [present, some, given], I64), chosen, boolean)
    if there is not None:
        return OptionalInt(b.emit(Op.OR, [present, there], I64), chosen, boolean)
    return arith.number(chosen, boolean)


def _values(items: Mapping[Any, Any]) -> list[Abstract]:
    """The values of the dict that aren't None."""
    values = [value if isinstance(value, Abstract) else wrap(value) for value in items.values()]
    return [value for value in values if not is_none(value)]


def numbered(b: Builder, items: Sequence[Abstract], index: Abstract) -> Abstract:
    """``items[index]`` of numbers, some of which may be None. Guards against IndexError."""
    if len(items) > MAX_KEYS:
        raise LimitExceeded(0, f"{len(items)} run-time numbers are indexed with a run-time number",
                            hints=("use a ctypes array",))  # fmt: skip
    at = memory.bounded(b, len(items), index)
    values = [_number(b, item) for item in items]
    kind = I64
    for value, _ in values:
        kind = join_ints(kind, arith.int_type(value))
    result, known = arith.cast(b, values[-1][0], kind), values[-1][1]
    for number, (value, some) in enumerate(values[:-1]):
        equal = b.compare(Op.EQ, at, const(number))
        result = b.emit(Op.SELECT, [equal, arith.cast(b, value, kind), result], kind)
        known = b.emit(Op.SELECT, [equal, some, known], I64)
    boolean = arith.booleans([item for item in items if not is_none(item)])
    if known.op is Op.CONST:
        return arith.number(result, boolean) if known.attr else NONE
    return OptionalInt(known, result, boolean)


def search(b: Builder, items: Mapping[Any, Any], key: Abstract) -> Entry:
    """Looks for a key, which may itself be None."""
    there = arith.to_bool(b, key.present) if isinstance(key, OptionalInt) else None
    what = "the key of a dict that is made while compiling must be a number"
    ir = key.value if isinstance(key, OptionalInt) else arith.to_ir(b, key, what)
    chosen = _numbers(b, items, there is not None)
    kind = I64
    for _, value, _ in chosen:
        kind = join_ints(kind, arith.int_type(value))
    present, result, known = const(0), arith.cast(b, const(0), kind), const(1)
    for number, value, some in chosen:
        equal = _equal(b, ir, there, number)
        present = b.emit(Op.OR, [present, equal], I64)
        result = b.emit(Op.SELECT, [equal, arith.cast(b, value, kind), result], kind)
        known = b.emit(Op.SELECT, [equal, some, known], I64)
    return Entry(present, result, None if known.op is Op.CONST and known.attr else known)


def _equal(b: Builder, key: Value, there: Value | None, wanted: int | None) -> Value:
    """Whether the key is ``wanted``. ``there`` is 0 if the key is None; there is no ``there`` if it can't be."""
    if wanted is None:
        return const(0) if there is None else arith.negate(b, there)
    equal = b.compare(Op.EQ, key, integers.constant(wanted))
    return equal if there is None else arith.both(b, there, equal)


def _check_key(key: Any) -> None:
    if not isinstance(key, Abstract) and any(overrides.own(Const(key), name) for name in ("__eq__", "__hash__")):
        raise TypeMismatch(
            0, f"{Const(key).describe()} is a key by the == and hash() of its class, and a program can't look for one "
            "by a number of run time", hints=("use plain numbers as keys",),
        )  # fmt: skip


def _numbers(b: Builder, items: Mapping[Any, Any], none: bool) -> list[tuple[int | None, Value, Value]]:
    """The entries whose keys a number can equal, and with ``none`` the entry of None: each with its value, and whether
    the value isn't None."""
    for key in items:
        _check_key(key)
    found: list[tuple[int | None, Any]] = [
        (number, v) for k, v in items.items() if (number := arith.as_integer(k)) is not None
    ]
    found += [(None, items[None])] if none and None in items else []
    if len(found) > MAX_KEYS:
        wanted = f"use a map, filled before: m = create_map(c_uint32, c_uint64, {len(found)}); m.update(the_dict)"
        raise LimitExceeded(0, f"a dict of {len(found)} keys is read with a run-time key", hints=(wanted,))
    return [(number, *_number(b, value if isinstance(value, Abstract) else wrap(value))) for number, value in found]


def _number(b: Builder, value: Abstract) -> tuple[Value, Value]:
    """A value of a dict, and whether it isn't None."""
    if isinstance(value, OptionalInt):
        return value.value, arith.to_bool(b, value.present)
    if is_none(value):
        return const(0), const(0)
    if not value.is_int():
        raise TypeMismatch(0, "a dict that is read with a run-time key must have numbers as values, but this has "
                           f"{value.describe()}", hints=(_IN_A_MAP,))  # fmt: skip
    return arith.to_ir(b, value), const(1)
