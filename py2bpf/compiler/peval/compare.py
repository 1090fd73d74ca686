"""Comparisons, identity and membership over all kinds of values."""

from __future__ import annotations

import functools
import inspect
import numbers
import operator
import types
from typing import Any, Final

from ...exception import TypeMismatch
from ..ir.ops import Op
from ..ir.values import Value, const
from . import (
    arith,
    constants,
    contents,
    giants,
    hints,
    integers,
    iteration,
    iterators,
    kernel_memory,
    maps,
    nevers,
    presence,
    ranges,
    searches,
    semantics,
    sequences,
    special,
)
from .layout import is_char, is_chars
from .machine import Machine
from .state import State
from .values import Abstract, Const, DictRef, KernelRef, ListRef, Map, OneOf, Option, RangeOf, Ref, Run, TupleOf


def compare(ev: Machine, state: State, op: str, left: Abstract, right: Abstract) -> Abstract:
    """``left op right``."""
    own = special.compare(ev, state, op, left, right)
    if own is not None:
        return own
    if isinstance(left, Const) and isinstance(right, Const):
        return constants.operation(ev, f"the comparison {op}", arith.PYTHON[op], left.obj, right.obj)
    if op in ("==", "!="):
        equal = _equal(ev, state, left, right)
        return arith.from_bool(equal if op == "==" else arith.negate(ev.b, equal))
    first, second = (_tuple(ev, state, value) for value in (left, right))
    if first is not None and second is not None:
        return arith.from_bool(_order_tuples(ev, state, op, first, second))
    return arith.compare(ev.b, op, left, right)


def _equal(ev: Machine, state: State, left: Abstract, right: Abstract) -> Value:
    b = ev.b
    for one, other in ((left, right), (right, left)):
        if isinstance(other, Const) and other.obj is None:
            return semantics.is_none(ev, one)
    for one, other in ((left, right), (right, left)):
        if isinstance(one, Ref) and presence.may_be_null(b, one):
            return presence.where_there(b, one.base, lambda: _equal(ev, state, left, right),
                                        functools.partial(semantics.is_none, ev, other))  # fmt: skip
    if isinstance(left, Option) or isinstance(right, Option):
        return _equal_options(ev, state, left, right)
    for one, other in ((left, right), (right, left)):
        if isinstance(one, OneOf):
            return contents.chosen(b, one, [_equal(ev, state, Const(text), other) for text in one.options])
    if isinstance(left, Const) and isinstance(right, Const):
        return const(int(left.obj == right.obj))
    for one, other in ((left, right), (right, left)):
        if isinstance(one, Ref) and (is_chars(one.ctype) or is_char(one.ctype)):
            return _equal_chars(ev, one, other)
    if isinstance(left, KernelRef) and isinstance(right, KernelRef):
        return b.compare(Op.EQ, kernel_memory.address(b, left), kernel_memory.address(b, right))
    if left.is_int() and right.is_int() and (arith.is_beyond(left) or arith.is_beyond(right)):
        return const(0)
    if left.is_int() and right.is_int():
        return b.compare(Op.EQ, arith.to_ir(b, left), arith.to_ir(b, right))
    first, second = (_tuple(ev, state, value) for value in (left, right))
    if first is not None and second is not None:
        return _equal_tuples(ev, state, first, second)
    if sequences.is_list(left) and sequences.is_list(right):
        lists = [tuple(iteration.stored(b, state, value) or ()) for value in (left, right)]
        return _equal_tuples(ev, state, lists[0], lists[1])
    for one, other in ((left, right), (right, left)):
        if isinstance(one, (Run, TupleOf)) and isinstance(other, (ListRef, DictRef)):
            return const(0)
        if isinstance(one, Run) and isinstance(other, Const) and isinstance(other.obj, (bytes, str)):
            if hints.may_be_address(one):
                raise TypeMismatch(0, f"a number of 64 bits, as an address is, never equals {other.describe()}",
                                   hints=(hints.READ_TEXT,))  # fmt: skip
            raise TypeMismatch(
                0,
                f"an integer never equals {other.describe()}",
                hints=("an item of bytes is a number: compare with b'x'[0], or with ord('x')",),
            )
        if isinstance(one, (Run, TupleOf)) and isinstance(other, Const):
            return _equal_constant(ev, one, other.obj)
    raise TypeMismatch(0, f"can't compare {left.describe()} with {right.describe()}",
                       hints=hints.for_comparison(left, right))


def _equal_constant(ev: Machine, value: Run | TupleOf, other: Any) -> Value:
    """An integer or tuple of run time beside a constant of another type: 5 == 5.0 is True, 5 == [] is False."""
    if isinstance(value, Run) and isinstance(other, numbers.Number):
        number = arith.as_integer(other)
        return const(0) if number is None else ev.b.compare(Op.EQ, value.ir, integers.constant(number))
    if isinstance(value, TupleOf) and isinstance(other, numbers.Number):
        return const(0)
    if isinstance(other, _UNLIKE) or inspect.getattr_static(type(other), "__eq__") is _IDENTITY:
        return const(0)
    raise TypeMismatch(0, f"can't compare {value.describe()} with {Const(other).describe()}",
                       hints=("its == is a function of its class: compare with a number that it has",))  # fmt: skip


_IDENTITY: Final = inspect.getattr_static(object, "__eq__")
_UNLIKE: Final = (list, dict, set, frozenset, range, type, types.FunctionType, bytearray, str, bytes, tuple)
"""Whose == is False for integers, and for tuples that are not known yet."""


def _equal_chars(ev: Machine, chars: Ref, other: Abstract) -> Value:
    if isinstance(other, Const):
        if isinstance(other.obj, str):
            raise TypeMismatch(0, "a char array holds bytes, and bytes never equal a str",
                               hints=hints.for_bytes(other.obj))  # fmt: skip
        if not isinstance(other.obj, bytes):
            return const(0)
        if is_char(chars.ctype):
            return contents.equal_bytes(ev.b, chars, other.obj) if len(other.obj) == 1 else const(0)
        return contents.equals_text(ev.b, chars, other.obj) if nevers.text_test(ev, chars, other.obj) else const(0)
    if isinstance(other, Ref) and is_chars(chars.ctype) and is_chars(other.ctype):
        return contents.equal_texts(ev.b, chars, other)
    raise TypeMismatch(0, f"a char array can be compared with bytes, but this is {other.describe()}",
                       hints=("compare two arrays' bytes with py2bpf.funcs.mem_eq",))  # fmt: skip


def _equal_options(ev: Machine, state: State, left: Abstract, right: Abstract) -> Value:
    b = ev.b
    if isinstance(left, Option) and isinstance(right, Option):
        values = b.compare(Op.EQ, left.value, right.value)
        neither = b.emit(Op.OR, [left.present, right.present], left.present.type)
        both = arith.both(b, arith.both(b, left.present, right.present), values)
        return b.emit(Op.SELECT, [neither, both, const(1)], values.type)
    option, other = (left, right) if isinstance(left, Option) else (right, left)
    assert isinstance(option, Option)
    if isinstance(other, (Run, TupleOf, Const)):
        same = _equal(ev, state, Run(option.value, option.boolean), other)
        return arith.both(b, option.present, same)
    return arith.both(b, semantics.is_none(ev, option), semantics.is_none(ev, other))


def _tuple(ev: Machine, state: State, value: Abstract) -> tuple[Abstract, ...] | None:
    if isinstance(value, TupleOf) or (isinstance(value, Const) and isinstance(value.obj, tuple)):
        return tuple(iteration.stored(ev.b, state, value) or ())
    return None


def _equal_tuples(ev: Machine, state: State, left: tuple[Abstract, ...], right: tuple[Abstract, ...]) -> Value:
    if len(left) != len(right):
        return const(0)
    result = const(1)
    for a, c in zip(left, right, strict=True):
        result = arith.both(ev.b, result, condition(ev, compare(ev, state, "==", a, c)))
    return result


def _order_tuples(
    ev: Machine, state: State, op: str, left: tuple[Abstract, ...], right: tuple[Abstract, ...]
) -> Value:
    """The first items that differ decide; where there are none, the lengths do."""
    pairs = list(zip(left, right, strict=False))
    result = const(int(arith.PYTHON[op](len(left), len(right))))
    for a, c in reversed(pairs):
        equal = condition(ev, compare(ev, state, "==", a, c))
        decided = arith.both(ev.b, arith.negate(ev.b, equal), condition(ev, compare(ev, state, op, a, c)))
        result = ev.b.emit(Op.OR, [decided, arith.both(ev.b, equal, result)], result.type)
    return result


def condition(ev: Machine, value: Abstract) -> Value:
    """A comparison's result as 1 or 0."""
    return arith.to_bool(ev.b, arith.to_ir(ev.b, value))


def contains(ev: Machine, state: State, container: Abstract, item: Abstract) -> Value:
    """``item in container``."""
    if not isinstance(item, Const):
        container = searches.of_numbers(container)
    own = special.ask(ev, state, "__contains__", container, item)
    if own is not None:
        return arith.to_bool(ev.b, semantics.truth(ev, state, own))
    if isinstance(container, Map):
        found = maps.contains(ev.b, container, item)
        return arith.to_ir(ev.b, found)
    if isinstance(container, Const) and isinstance(item, Const):
        giants.check_search(container.obj, item.obj)
        found = constants.operation(ev, "in", operator.contains, container.obj, item.obj)
        return arith.to_ir(ev.b, found)
    if isinstance(container, RangeOf) or (isinstance(container, Const) and isinstance(container.obj, range)):
        return _in_range(ev, container, item)
    if isinstance(container, Const) and isinstance(container.obj, bytes) and item.is_int():
        return _among_bytes(ev, state, container.obj, item)
    if isinstance(container, Const) and isinstance(container.obj, (bytes, str)):
        raise TypeMismatch(0, f"can't search {container.describe()} for a run-time value",
                           hints=("search a tuple of what it may be",))  # fmt: skip
    items = iteration.stored(ev.b, state, container)
    if items is None:
        raise TypeMismatch(0, f"can't search {container.describe()}", hints=(hints.for_search(container),))
    hashed = isinstance(container, DictRef) or (isinstance(container, Const) and isinstance(container.obj, _HASHED))
    result, known = const(0), True
    for candidate in items:
        if hashed and isinstance(item, Run) and _is_text(candidate):
            continue
        equal = condition(ev, compare(ev, state, "==", item, candidate))
        result = ev.b.emit(Op.OR, [result, equal], equal.type)
        known = known and equal.op is Op.CONST
        if known and equal.attr:
            break
    if not known:
        iterators.lose(state, container, "in")
    return result


def _among_bytes(ev: Machine, state: State, data: bytes, item: Abstract) -> Value:
    """Python searches bytes for numbers that a byte can be, and for no others."""
    number = arith.to_ir(ev.b, item)
    low, high = ev.b.compare(Op.GE, number, const(0)), ev.b.compare(Op.LE, number, const(255))
    ev.b.guard(arith.both(ev.b, low, high), "ValueError")
    return contains(ev, state, Const(tuple(sorted(set(bytes.__iter__(data))))), item)


_HASHED: Final = (dict, set, frozenset)
"""Whose keys may be of many types: texts among them are no numbers."""


def _is_text(value: Abstract) -> bool:
    return isinstance(value, Const) and isinstance(value.obj, (str, bytes))


def _in_range(ev: Machine, container: Abstract, item: Abstract) -> Value:
    if isinstance(container, Const):
        container = ranges.of_constant(container.obj)
    assert isinstance(container, RangeOf)
    return ranges.contains(ev.b, container, arith.to_ir(ev.b, item))
