"""Dicts with constant keys and numbers as values, or tuples of numbers, asked with a key of run time: a chain of
comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ...exception import LimitExceeded, TypeMismatch
from ..ir.ops import Op
from ..ir.types import I64, join_ints
from ..ir.values import Value, const
from . import arith, memory
from .builder import Builder
from .describe import describe
from .values import NONE, Abstract, Const, Option, wrap

MAX_KEYS: Final = 256
_IN_A_MAP: Final = "use a map for run-time keys: create_map(c_uint32, c_uint64, 16)"


def item(b: Builder, items: Mapping[Any, Any], key: Abstract) -> Abstract:
    """``d[key]``: a KeyError where the key is missing."""
    present, value = _search(b, items, key)
    b.guard(present, "KeyError")
    return arith.number(value, _bools(items))


def get(b: Builder, items: Mapping[Any, Any], key: Abstract, default: Abstract = NONE) -> Abstract:
    """``d.get(key, default)``."""
    present, value = _search(b, items, key)
    if isinstance(default, Const) and default.obj is None:
        return Option(present, value, _bools(items)) if present.op is not Op.CONST else NONE
    if isinstance(default, Option):
        other, there = default.value, arith.to_bool(b, default.present)
    else:
        other, there = arith.to_ir(b, default, "the default of a dict of numbers is a number"), None
    kind = join_ints(arith.int_type(value), arith.int_type(other))
    chosen = b.emit(Op.SELECT, [present, arith.cast(b, value, kind), arith.cast(b, other, kind)], kind)
    boolean = _bools(items) and arith.is_bool(default)
    if there is not None:
        return Option(b.emit(Op.OR, [present, there], I64), chosen, boolean)
    return arith.number(chosen, boolean)


def _bools(items: Mapping[Any, Any]) -> bool:
    """Whether all values are bools."""
    return all(arith.is_bool(value if isinstance(value, Abstract) else wrap(value)) for value in items.values())


def numbered(b: Builder, items: Sequence[Abstract], index: Abstract) -> Abstract:
    """``items[index]`` of numbers: an IndexError where the index is none of theirs."""
    if len(items) > MAX_KEYS:
        raise LimitExceeded(0, f"{len(items)} numbers of run time are asked with a run-time index",
                            hints=("use a ctypes array",))  # fmt: skip
    at = memory.bounded(b, len(items), index)
    values = [arith.to_ir(b, item) for item in items]
    kind = I64
    for value in values:
        kind = join_ints(kind, arith.int_type(value))
    result = arith.cast(b, values[-1], kind)
    for number, value in enumerate(values[:-1]):
        equal = b.compare(Op.EQ, at, const(number))
        result = b.emit(Op.SELECT, [equal, arith.cast(b, value, kind), result], kind)
    return arith.number(result, all(arith.is_bool(item) for item in items))


def _search(b: Builder, items: Mapping[Any, Any], key: Abstract) -> tuple[Value, Value]:
    """Whether the key is there, and its value (any number where it isn't). A key may be None, for itself."""
    there = arith.to_bool(b, key.present) if isinstance(key, Option) else None
    what = "a dict that is made while compiling is asked with a number"
    ir = key.value if isinstance(key, Option) else arith.to_ir(b, key, what)
    chosen = _numbers(b, items, there is not None)
    kind = I64
    for _, value in chosen:
        kind = join_ints(kind, arith.int_type(value))
    present, result = const(0), arith.cast(b, const(0), kind)
    for number, value in chosen:
        equal = _equal(b, ir, there, number)
        present = b.emit(Op.OR, [present, equal], I64)
        result = b.emit(Op.SELECT, [equal, arith.cast(b, value, kind), result], kind)
    return present, result


def _equal(b: Builder, key: Value, there: Value | None, wanted: int | None) -> Value:
    """Whether the key, which ``there`` says if it isn't None, is the one that is wanted."""
    if wanted is None:
        return const(0) if there is None else arith.negate(b, there)
    equal = b.compare(Op.EQ, key, arith.constant(wanted))
    return equal if there is None else arith.both(b, there, equal)


def _numbers(b: Builder, items: Mapping[Any, Any], none: bool) -> list[tuple[int | None, Value]]:
    """The entries whose keys a number can equal, and with ``none`` that of None."""
    found: list[tuple[int | None, Any]] = [
        (number, v) for k, v in items.items() if (number := arith.as_integer(k)) is not None
    ]
    found += [(None, items[None])] if none and None in items else []
    if len(found) > MAX_KEYS:
        raise LimitExceeded(0, f"a dict of {len(found)} keys is asked with a run-time key", hints=(_IN_A_MAP,))
    values: list[tuple[int | None, Value]] = []
    for number, value in found:
        value = value if isinstance(value, Abstract) else wrap(value)
        if not arith.is_int(value) or isinstance(value, Option):
            raise TypeMismatch(0, "a dict that is asked with a run-time key has numbers as values, but this has "
                               f"{describe(value)}", hints=(_IN_A_MAP,))  # fmt: skip
        values.append((number, arith.to_ir(b, value)))
    return values
