"""Comparisons, identity and membership over all kinds of values."""

from __future__ import annotations

import inspect
import numbers
import types
from typing import TYPE_CHECKING, Any, Final

from ...exception import TypeMismatch
from ..ir.ops import Op
from ..ir.types import U64
from ..ir.values import Value, const
from . import arith, iteration, iterators, kernel_memory, maps, memory, semantics
from .describe import describe
from .layout import is_char, is_chars
from .state import State
from .values import Abstract, Const, DictRef, KernelRef, ListRef, Map, Option, RangeOf, Ref, Run, TupleOf

if TYPE_CHECKING:
    from .evaluator import Evaluator


def compare(ev: Evaluator, state: State, op: str, left: Abstract, right: Abstract) -> Abstract:
    """``left op right``."""
    if isinstance(left, Const) and isinstance(right, Const):
        return semantics.constant_operation(ev, f"the comparison {op}", arith.PYTHON[op], left.obj, right.obj)
    if op in ("==", "!="):
        equal = _equal(ev, state, left, right)
        return arith.from_bool(equal if op == "==" else arith.negate(ev.b, equal))
    first, second = (_tuple(ev, state, value) for value in (left, right))
    if first is not None and second is not None:
        return arith.from_bool(_order_tuples(ev, state, op, first, second))
    return arith.compare(ev.b, op, left, right)


def _equal(ev: Evaluator, state: State, left: Abstract, right: Abstract) -> Value:
    b = ev.b
    for one, other in ((left, right), (right, left)):
        if isinstance(other, Const) and other.obj is None:
            return semantics.is_none(ev, one)
        if isinstance(one, Ref) and (is_chars(one.ctype) or is_char(one.ctype)):
            return _equal_chars(ev, one, other)
    if isinstance(left, KernelRef) and isinstance(right, KernelRef):
        return b.compare(Op.EQ, kernel_memory.address(b, left), kernel_memory.address(b, right))
    if arith.is_int(left) and arith.is_int(right) and (arith.is_beyond(left) or arith.is_beyond(right)):
        return const(0)
    if isinstance(left, Option) or isinstance(right, Option):
        return _equal_options(ev, left, right)
    if arith.is_int(left) and arith.is_int(right):
        return b.compare(Op.EQ, arith.to_ir(b, left), arith.to_ir(b, right))
    first, second = (_tuple(ev, state, value) for value in (left, right))
    if first is not None and second is not None:
        return _equal_tuples(ev, state, first, second)
    if isinstance(left, ListRef) and isinstance(right, ListRef):
        lists = [iteration.heap_object(state, value) for value in (left, right)]
        return _equal_tuples(ev, state, lists[0], lists[1])
    for one, other in ((left, right), (right, left)):
        if isinstance(one, (Run, TupleOf)) and isinstance(other, (ListRef, DictRef)):
            return const(0)
        if isinstance(one, Run) and isinstance(other, Const) and isinstance(other.obj, (bytes, str)):
            raise TypeMismatch(
                0,
                f"an integer never equals {describe(other)}",
                hints=("an item of bytes is a number: compare with b'x'[0], or with ord('x')",),
            )
        if isinstance(one, (Run, TupleOf)) and isinstance(other, Const):
            return _equal_constant(ev, one, other.obj)
    raise TypeMismatch(0, f"can't compare {describe(left)} with {describe(right)}",
                       hints=("compare their fields, or the bytes with py2bpf.funcs.mem_eq",))  # fmt: skip


def _equal_constant(ev: Evaluator, value: Run | TupleOf, other: Any) -> Value:
    """An integer or tuple of run time beside a constant of another type: 5 == 5.0 is True, 5 == [] is False."""
    if isinstance(value, Run) and isinstance(other, numbers.Number):
        number = arith.as_integer(other)
        return const(0) if number is None else ev.b.compare(Op.EQ, value.ir, arith.constant(number))
    if isinstance(other, _UNLIKE) or inspect.getattr_static(type(other), "__eq__") is _IDENTITY:
        return const(0)
    raise TypeMismatch(0, f"can't compare {describe(value)} with {describe(Const(other))}",
                       hints=("its == is a function of its class: compare with a number that it has",))  # fmt: skip


_IDENTITY: Final = inspect.getattr_static(object, "__eq__")
_UNLIKE: Final = (list, dict, set, frozenset, range, type, types.FunctionType, bytearray, str, bytes, tuple)
"""Whose == is False for integers, and for tuples that are not known yet."""


def _equal_chars(ev: Evaluator, chars: Ref, other: Abstract) -> Value:
    if isinstance(other, Const):
        if isinstance(other.obj, str):
            raise TypeMismatch(0, "a char array holds bytes, and bytes never equal a str",
                               hints=(f"write b{other.obj!r}",))  # fmt: skip
        if not isinstance(other.obj, bytes):
            return const(0)
        if is_char(chars.ctype):
            return memory.equal_bytes(ev.b, chars, other.obj) if len(other.obj) == 1 else const(0)
        return memory.equals_text(ev.b, chars, other.obj)
    if isinstance(other, Ref) and is_chars(chars.ctype) and is_chars(other.ctype):
        return memory.equal_texts(ev.b, chars, other)
    raise TypeMismatch(0, f"a char array can be compared with bytes, but this is {describe(other)}",
                       hints=("compare two arrays' bytes with py2bpf.funcs.mem_eq",))  # fmt: skip


def _equal_options(ev: Evaluator, left: Abstract, right: Abstract) -> Value:
    b = ev.b
    if isinstance(left, Option) and isinstance(right, Option):
        values = b.compare(Op.EQ, left.value, right.value)
        neither = b.emit(Op.OR, [left.present, right.present], left.present.type)
        both = arith.both(b, arith.both(b, left.present, right.present), values)
        return b.emit(Op.SELECT, [neither, both, const(1)], values.type)
    option, other = (left, right) if isinstance(left, Option) else (right, left)
    assert isinstance(option, Option)
    if not arith.is_int(other):
        return const(0)
    return arith.both(b, option.present, b.compare(Op.EQ, option.value, arith.to_ir(b, other)))


def _tuple(ev: Evaluator, state: State, value: Abstract) -> tuple[Abstract, ...] | None:
    if isinstance(value, TupleOf) or (isinstance(value, Const) and isinstance(value.obj, tuple)):
        return iteration.known_items(ev.b, state, value)
    return None


def _equal_tuples(ev: Evaluator, state: State, left: tuple[Abstract, ...], right: tuple[Abstract, ...]) -> Value:
    if len(left) != len(right):
        return const(0)
    result = const(1)
    for a, c in zip(left, right, strict=True):
        result = arith.both(ev.b, result, condition(ev, compare(ev, state, "==", a, c)))
    return result


def _order_tuples(
    ev: Evaluator, state: State, op: str, left: tuple[Abstract, ...], right: tuple[Abstract, ...]
) -> Value:
    """The first items that differ decide; where there are none, the lengths do."""
    pairs = list(zip(left, right, strict=False))
    result = const(int(arith.PYTHON[op](len(left), len(right))))
    for a, c in reversed(pairs):
        equal = condition(ev, compare(ev, state, "==", a, c))
        decided = arith.both(ev.b, arith.negate(ev.b, equal), condition(ev, compare(ev, state, op, a, c)))
        result = ev.b.emit(Op.OR, [decided, arith.both(ev.b, equal, result)], result.type)
    return result


def condition(ev: Evaluator, value: Abstract) -> Value:
    """A comparison's result as 1 or 0."""
    return arith.to_bool(ev.b, arith.to_ir(ev.b, value))


def contains(ev: Evaluator, state: State, container: Abstract, item: Abstract) -> Value:
    """``item in container``."""
    if isinstance(container, Map):
        found = maps.contains(ev.b, container, item)
        return arith.to_ir(ev.b, found)
    if isinstance(container, Const) and isinstance(item, Const):
        found = semantics.constant_operation(ev, "in", lambda: item.obj in container.obj)
        return arith.to_ir(ev.b, found)
    if isinstance(container, RangeOf) or (isinstance(container, Const) and isinstance(container.obj, range)):
        return _in_range(ev, container, item)
    if isinstance(container, Const) and isinstance(container.obj, (bytes, str)):
        raise TypeMismatch(0, f"can't search {describe(container)} for a run-time value",
                           hints=("search a tuple of what it may be",))  # fmt: skip
    items = iteration.each(ev.b, state, container)
    if items is None:
        raise TypeMismatch(0, f"can't search {describe(container)}",
                           hints=("tuples, lists, ranges, ctypes arrays and maps can be searched",))  # fmt: skip
    result, known = const(0), True
    for candidate in items:
        equal = condition(ev, compare(ev, state, "==", item, candidate))
        result = ev.b.emit(Op.OR, [result, equal], equal.type)
        known = known and equal.op is Op.CONST
        if known and equal.attr:
            break
    if not known:
        iterators.lose(state, container, "in")
    return result


def _in_range(ev: Evaluator, container: Abstract, item: Abstract) -> Value:
    b = ev.b
    if isinstance(container, RangeOf):
        start, stop, step = container.start, container.stop, container.step
    else:
        assert isinstance(container, Const)
        start, stop, step = Const(container.obj.start), Const(container.obj.stop), container.obj.step
    low, high = (start, stop) if step > 0 else (stop, start)
    ir, least, most = (arith.to_ir(b, value) for value in (item, low, high))
    inside = (Op.GE, Op.LT) if step > 0 else (Op.GT, Op.LE)
    result = arith.both(b, b.compare(inside[0], ir, least), b.compare(inside[1], ir, most))
    if abs(step) != 1:  # inside of the range the distance from its start is a u64
        first = arith.to_ir(b, start)
        distance = b.emit(Op.SUB, [ir, first] if step > 0 else [first, ir], U64)
        rest = arith.emit_binary(b, Op.MOD, distance, const(abs(step)))
        result = arith.both(b, result, b.compare(Op.EQ, rest, const(0)))
    return result
