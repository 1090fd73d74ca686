"""What Python's operations mean on abstract values, whichever instruction or built-in function asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ...exception import TypeMismatch, UnsupportedSyntax
from ..ir.ops import Op as IrOp
from ..ir.values import Value, const
from . import arith, iteration, memory, packets
from .builder import Builder
from .layout import is_char, is_chars, is_record, scalar
from .state import State
from .values import (
    Abstract,
    Const,
    KernelRef,
    ListRef,
    Map,
    Option,
    PacketEdge,
    RangeOf,
    Ref,
    Run,
    Text,
    TupleOf,
    Unbound,
    wrap,
)

if TYPE_CHECKING:
    from .evaluator import Evaluator

_AS_PYTHON: Final = ("what is known while compiling is computed by CPython, and fails as there",)


def use(value: Abstract, name: str) -> Abstract:
    """A variable's value; raises UnsupportedSyntax if it has none."""
    if isinstance(value, Unbound):
        raise UnsupportedSyntax(0, f"{name!r} can't be used here: {value.why}",
                                hints=("give it one value of one type on every path that leads here",))  # fmt: skip
    return value


def truth(ev: Evaluator, state: State, value: Abstract) -> Value:
    """``bool(value)`` as a branch condition: any number but 0 is true."""
    b = ev.b
    if isinstance(value, Run):
        return value.ir
    if isinstance(value, Const):
        return const(int(bool(value.obj)))
    if isinstance(value, Option):
        return arith.both(b, value.present, arith.to_bool(b, value.value))
    if isinstance(value, Ref):
        if is_chars(value.ctype):
            return b.load(value.base, value.offset, 1, False)
        if is_char(value.ctype):
            return const(1)  # bytes of length 1, b"\0" too
        if scalar(value.ctype) is not None:
            return arith.to_ir(b, memory.load(b, value))
        if is_record(value.ctype):
            memory.check_plain(value.ctype)
        return b.compare(IrOp.NE, value.base, const(0)) if value.ptr.nullable else const(1)
    if isinstance(value, KernelRef):
        return b.compare(IrOp.NE, value.address, const(0)) if value.pointer else const(1)
    if isinstance(value, RangeOf):
        op = IrOp.LT if value.step > 0 else IrOp.GT
        return b.compare(op, arith.to_ir(b, value.start), arith.to_ir(b, value.stop))
    if isinstance(value, Map):
        raise UnsupportedSyntax(
            0, "programs can't count a map's items", hints=("whether a key is in it, they can ask: key in m",)
        )
    known = iteration.length(state, value)
    if known is not None:
        return const(int(known > 0))
    if isinstance(value, Text):
        raise UnsupportedSyntax(0, "a string with run-time parts has no truth value in a program",
                                hints=("test the values that it is made of",))  # fmt: skip
    return const(1)


def is_none(ev: Evaluator, value: Abstract) -> Value:
    """``value is None`` as 1 or 0."""
    if isinstance(value, Const):
        return const(int(value.obj is None))
    if isinstance(value, Ref) and value.ptr.nullable:
        return ev.b.compare(IrOp.EQ, value.base, const(0))
    if isinstance(value, KernelRef) and value.pointer:
        return ev.b.compare(IrOp.EQ, value.address, const(0))
    if isinstance(value, Option):
        return ev.b.compare(IrOp.EQ, value.present, const(0))
    return const(0)


def constant_operation(ev: Evaluator, what: str, operation: Callable[..., Any], *args: Any) -> Abstract:
    """Runs an operation on constants now. What the program itself would raise at run time ends the path."""
    try:
        return wrap(operation(*args))
    except (ArithmeticError, IndexError, KeyError) as error:
        ev.b.exit(type(error).__name__)
    except ValueError as error:
        if "shift" in str(error):
            ev.b.exit("ValueError")
        raise TypeMismatch(0, f"{what} fails while compiling: {error}", hints=_AS_PYTHON) from error
    except TypeError as error:
        raise TypeMismatch(0, f"{what} fails while compiling: {error}", hints=_AS_PYTHON) from error


def operate(ev: Evaluator, state: State, op: str, left: Abstract, right: Abstract) -> Abstract:
    """``left op right``."""
    if isinstance(left, Const) and isinstance(right, Const):
        return constant_operation(ev, f"the operator {op}", arith.PYTHON[op], left.obj, right.obj)
    formats = op == "%" and isinstance(left, Const) and isinstance(left.obj, (str, bytes))
    if formats or (op == "+" and (isinstance(left, Text) or isinstance(right, Text))):
        raise TypeMismatch(0, f"{op} makes no string of run-time values", hints=("write an f-string: f'... {value}'",))
    if op == "+" and not (arith.is_int(left) and arith.is_int(right)):
        joined = concatenate(ev, state, left, right)
        if joined is not None:
            return joined
    if op == "*":
        for sequence, count in ((left, right), (right, left)):
            if isinstance(sequence, (ListRef, TupleOf)) and isinstance(count, Const) and isinstance(count.obj, int):
                return repeat(ev, state, sequence, count.obj)
    if isinstance(left, PacketEdge) and isinstance(right, PacketEdge) and op == "-":
        return packets.distance(ev, left, right)
    return arith.binary(ev.b, op, left, right)


def plus_one(b: Builder, number: Abstract) -> Abstract:
    """``number + 1``."""
    if isinstance(number, Const):
        return Const(number.obj + 1)
    return arith.binary(b, "+", number, Const(1))


def repeat(ev: Evaluator, state: State, sequence: ListRef | TupleOf, count: int) -> Abstract:
    """``sequence * count``."""
    if isinstance(sequence, TupleOf):
        return tuple_of(sequence.items * count)
    items: tuple[Abstract, ...] = iteration.heap_object(state, sequence)
    if len(items) * count > iteration.MAX_ITEMS:
        raise TypeMismatch(0, f"a list of more than {iteration.MAX_ITEMS} items", hints=("use an array map",))
    return new_list(ev, state, items * count)


def concatenate(ev: Evaluator, state: State, left: Abstract, right: Abstract) -> Abstract | None:
    """``left + right`` of two sequences of the same kind."""
    if isinstance(left, ListRef) and isinstance(right, ListRef):
        return new_list(ev, state, iteration.heap_object(state, left) + iteration.heap_object(state, right))
    tuples = [v for v in (left, right) if isinstance(v, TupleOf) or (isinstance(v, Const) and isinstance(v.obj, tuple))]
    if len(tuples) < 2:
        return None
    first, second = (iteration.known_items(ev.b, state, v) or () for v in tuples)
    return tuple_of(first + second)


def tuple_of(items: list[Abstract] | tuple[Abstract, ...]) -> Abstract:
    """A tuple; a constant if its items are."""
    if all(isinstance(item, Const) for item in items):
        return Const(tuple(item.obj for item in items if isinstance(item, Const)))
    return TupleOf(tuple(items))


def new_list(ev: Evaluator, state: State, items: list[Abstract] | tuple[Abstract, ...]) -> ListRef:
    ref = ListRef(ev.ident())
    state.heap[ref.ident] = tuple(items)
    return ref
