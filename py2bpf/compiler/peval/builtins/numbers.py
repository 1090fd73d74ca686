"""Built-in functions that compute numbers: abs(), min(), max(), sum(), any() and the like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ....exception import TypeMismatch, UnsupportedSyntax
from ...ir.ops import Op
from ...ir.types import I64, join_ints
from ...ir.values import Value, const
from .. import arith, iteration, iterators, kernel_memory, ranges, semantics, sequences, special
from ..builder import Builder
from ..kind import Args
from ..machine import Machine
from ..state import State
from ..values import Abstract, Const, KernelRef, OptionalInt, RangeOf, is_none

SEQUENCES: Final = ("tuples, lists and ctypes arrays have a known length",)


def abs_(ev: Machine, state: State, args: Args) -> Abstract:
    return arith.from_ir(arith.magnitude(ev.b, arith.to_ir(ev.b, args[0], "abs() needs an integer")))


def extreme(op: Op) -> Callable[[Machine, State, Args], Abstract]:
    def handler(ev: Machine, state: State, args: Args) -> Abstract:
        if len(args) == 1 and isinstance(args[0], RangeOf):
            return arith.from_ir(ranges.extreme(ev.b, args[0], op is Op.GT))
        items = iter(args) if len(args) > 1 else iteration.each(ev.b, state, args[0])
        if items is None:
            raise TypeMismatch(0, f"min() and max() can't go through {args[0].describe()}", hints=SEQUENCES)
        best, seen = None, []
        for item in items:
            arith.check_plain(item, "min() and max")
            seen.append(item)
            number = arith.to_ir(ev.b, item)
            best = number if best is None else arith.extreme(ev.b, op, [best, number])
        if best is None:
            raise TypeMismatch(0, "min() and max() need at least one integer",
                               hints=("give them integers, or a tuple, list or ctypes array of some",))  # fmt: skip
        return arith.number(best, arith.booleans(seen))

    return handler


def extreme_by(op: Op) -> Callable[[Machine, State, Args, Abstract], Abstract]:
    """min() and max() with a key: the first item with the least or greatest key."""

    def handler(ev: Machine, state: State, args: Args, key: Abstract) -> Abstract:
        if isinstance(key, Const) and key.obj is None:
            return extreme(op)(ev, state, args)
        items = args if len(args) > 1 else known_items(ev, state, args[0])
        if not items:
            ev.b.exit("ValueError")
        best, least = items[0], _rank(ev, state, key, items[0])
        for item in items[1:]:
            rank = _rank(ev, state, key, item)
            better = ev.b.compare(op, rank, least)
            best, least = _chosen(ev, better, item, best), arith.extreme(ev.b, op, [least, rank])
        return best

    return handler


def extreme_or_default(op: Op) -> Callable[[Machine, State, Args, Abstract], Abstract]:
    def handler(ev: Machine, state: State, args: Args, default: Abstract) -> Abstract:
        if len(args) > 1:
            raise TypeMismatch(0, "min() and max() of several arguments have no default",
                               hints=("leave it out: there is one to choose",))  # fmt: skip
        items = known_items(ev, state, args[0])
        return extreme(op)(ev, state, (args[0],)) if items else default

    return handler


def _rank(ev: Machine, state: State, key: Abstract, item: Abstract) -> Value:
    return arith.to_ir(ev.b, special.apply(ev, state, key, item), "the key of min() and max() gives an integer")


def _chosen(ev: Machine, condition: Value, yes: Abstract, no: Abstract) -> Abstract:
    if condition.op is Op.CONST:
        return yes if condition.attr else no
    ways = [_maybe(ev.b, each) for each in (yes, no)]
    kind = join_ints(arith.int_type(ways[0].value), arith.int_type(ways[1].value))
    chosen = ev.b.emit(Op.SELECT, [condition, *(arith.cast(ev.b, way.value, kind) for way in ways)], kind)
    boolean = arith.booleans(way for each, way in zip((yes, no), ways, strict=True) if not is_none(each))
    there = [arith.to_bool(ev.b, way.present) for way in ways]
    if all(each.op is Op.CONST and each.attr for each in there):
        return arith.number(chosen, boolean)
    return OptionalInt(ev.b.emit(Op.SELECT, [condition, *there], I64), chosen, boolean)


def _maybe(b: Builder, value: Abstract) -> OptionalInt:
    """An integer or None as an OptionalInt."""
    if isinstance(value, OptionalInt):
        return value
    if is_none(value):
        return OptionalInt(const(0), const(0))
    what = "min() and max() choose among integers, where the key is known at run time only"
    return OptionalInt(const(1), arith.to_ir(b, value, what), value.boolean)


def divmod_(ev: Machine, state: State, args: Args) -> Abstract:
    for arg in args:
        arith.check_plain(arg, "divmod")
        if not arg.is_int():
            raise TypeMismatch(0, f"divmod() of a run-time value takes integers, but this is {arg.describe()}",
                               hints=("compute a // b and a % b, which ask the methods of classes",))  # fmt: skip
    return sequences.tuple_of([semantics.operate(ev, state, op, args[0], args[1]) for op in ("//", "%")])


def pow_(ev: Machine, state: State, args: Args) -> Abstract:
    if len(args) == 3:
        raise UnsupportedSyntax(
            0, "pow() with a modulus needs numbers of any size, and a program has 64 bits",
            hints=("write (base ** exponent) % modulus where the power fits 64 bits",),
        )  # fmt: skip
    return semantics.operate(ev, state, "**", args[0], args[1])


def int_(ev: Machine, state: State, args: Args) -> Abstract:
    if len(args) == 1 and isinstance(args[0], KernelRef):
        return arith.from_ir(kernel_memory.number(ev.b, args[0]))
    if len(args) > 1 or not args[0].is_int():
        raise TypeMismatch(0, f"int() of a run-time value takes an integer, but this is {args[0].describe()}",
                           hints=("give it one integer; int() of a constant str is constant",))  # fmt: skip
    return arith.from_ir(arith.to_ir(ev.b, args[0]))


def bool_(ev: Machine, state: State, args: Args) -> Abstract:
    return arith.from_bool(arith.to_bool(ev.b, semantics.truth(ev, state, args[0])))


def sum_(ev: Machine, state: State, args: Args) -> Abstract:
    if isinstance(args[0], RangeOf):
        total = arith.from_ir(ranges.total(ev.b, args[0]))
        return semantics.operate(ev, state, "+", total, args[1]) if len(args) > 1 else total
    items = iteration.each(ev.b, state, args[0])
    if items is None:
        raise TypeMismatch(0, f"can't add up {args[0].describe()}", hints=SEQUENCES)
    total = args[1] if len(args) > 1 else Const(0)
    for item in items:
        total = semantics.operate(ev, state, "+", total, item)
    return total


def any_or_all(is_any: bool) -> Callable[[Machine, State, Args], Abstract]:
    def handler(ev: Machine, state: State, args: Args) -> Abstract:
        items = iteration.each(ev.b, state, args[0])
        if items is None:
            raise TypeMismatch(0, f"can't iterate over {args[0].describe()}", hints=SEQUENCES)
        result, known = const(int(not is_any)), True
        for item in items:
            condition = arith.to_bool(ev.b, semantics.truth(ev, state, item))
            result = ev.b.emit(Op.OR if is_any else Op.AND, [result, condition], condition.type)
            known = known and condition.op is Op.CONST
            if known and bool(condition.attr) is is_any:
                break
        if not known:
            iterators.lose(state, args[0], "any() or all()")
        return arith.from_bool(result)

    return handler


def known_items(ev: Machine, state: State, value: Abstract) -> tuple[Abstract, ...]:
    items = iteration.known_items(ev.b, state, value)
    if items is None:
        raise TypeMismatch(0, f"the length of {value.describe()} is not known while compiling", hints=SEQUENCES)
    return items
