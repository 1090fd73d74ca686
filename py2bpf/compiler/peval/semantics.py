"""What Python's operations mean on abstract values, whichever instruction or built-in function asks."""

from __future__ import annotations

from typing import Any

from ...exception import TypeMismatch, UnsupportedSyntax
from ..ir.ops import Op as IrOp
from ..ir.values import Value, const
from . import (
    arith,
    constants,
    contents,
    giants,
    host,
    indices,
    iteration,
    memory,
    mixed,
    packets,
    presence,
    ranges,
    sequences,
    special,
)
from .builder import Builder
from .layout import is_array, is_char, is_chars, is_record, scalar
from .machine import Machine
from .state import State
from .values import (
    GLOBAL_HINT,
    Abstract,
    Const,
    DictRef,
    KernelRef,
    ListRef,
    Map,
    Mixed,
    OneOf,
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


def truth(ev: Machine, state: State, value: Abstract) -> Value:
    """``bool(value)`` as a branch condition: any number but 0 is true."""
    b = ev.b
    if isinstance(value, Run):
        return value.ir
    if isinstance(value, Unbound):
        return value.truth if isinstance(value, Mixed) and value.truth is not None else mixed.refuse(value)
    own = special.truth(ev, state, value)
    if own is not None:
        return truth(ev, state, own)
    if isinstance(value, Const):
        return arith.to_ir(b, constants.operation(ev, "bool()", bool, value.obj))
    if isinstance(value, Option):
        return arith.both(b, value.present, arith.to_bool(b, value.value))
    if isinstance(value, OneOf):
        return contents.chosen(b, value, [const(int(bool(text))) for text in value.options])
    if isinstance(value, Ref):
        return _truth_of_object(b, value)
    if isinstance(value, KernelRef):
        return b.compare(IrOp.NE, value.address, const(0)) if value.pointer else const(1)
    if isinstance(value, RangeOf) and ranges.has_turns(value):
        return arith.to_bool(b, ranges.count(b, value))
    if isinstance(value, RangeOf):
        op = IrOp.LT if value.step > 0 else IrOp.GT
        return b.compare(op, arith.to_ir(b, value.start), arith.to_ir(b, value.stop))
    if isinstance(value, Map) and value.spec.is_global:
        raise TypeMismatch(0, "a Global is true whatever it holds", hints=GLOBAL_HINT)
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


def _truth_of_object(b: Builder, ref: Ref) -> Value:
    """None is false; else text and numbers are true by what they hold, and objects by being there."""
    if is_record(ref.ctype):
        memory.check_plain(ref.ctype)
    if is_chars(ref.ctype) and ref.text is None:
        raise UnsupportedSyntax(
            0, "whether this char array is text, or an object that is always true, depends on the path",
            hints=("test the text: if chars.value",),
        )  # fmt: skip
    if is_array(ref.ctype) and not ref.ctype._length_:
        return const(0)
    if is_chars(ref.ctype) and ref.text:
        return presence.where_there(b, ref.base, lambda: b.load(ref.base, ref.offset, 1, False), lambda: const(0))
    if scalar(ref.ctype) is not None and not is_char(ref.ctype):  # a c_char is bytes of length 1, b"\0" too
        return presence.where_there(
            b, ref.base, lambda: arith.to_bool(b, arith.to_ir(b, memory.load(b, ref))), lambda: const(0)
        )
    return b.compare(IrOp.NE, ref.base, const(0)) if ref.ptr.nullable else const(1)


def is_none(ev: Machine, value: Abstract) -> Value:
    """``value is None`` as 1 or 0."""
    if isinstance(value, Unbound):
        return value.none if isinstance(value, Mixed) else mixed.refuse(value)
    if isinstance(value, Const):
        return const(int(value.obj is None))
    asked = value.null_where_none()
    return const(0) if asked is None else ev.b.compare(IrOp.EQ, asked, const(0))


def operate(ev: Machine, state: State, op: str, left: Abstract, right: Abstract) -> Abstract:
    """``left op right``."""
    own = special.binary(ev, state, op, left, right)
    if own is not None:
        return own
    if isinstance(left, Const) and isinstance(right, Const):
        giants.check(op, left.obj, right.obj)
        return constants.operation(ev, f"the operator {op}", arith.PYTHON[op], left.obj, right.obj)
    formats = op == "%" and isinstance(left, Const) and isinstance(left.obj, (str, bytes))
    if formats or (op == "+" and (isinstance(left, Text) or isinstance(right, Text))):
        raise TypeMismatch(0, f"{op} makes no string of run-time values", hints=("write an f-string: f'... {value}'",))
    if op == "+" and not (left.is_int() and right.is_int()):
        joined = concatenate(ev, state, left, right)
        if joined is not None:
            return joined
    if op == "|" and (united := union(ev, state, left, right)) is not None:
        made = DictRef(ev.ident())
        state.heap[made.ident] = united
        return made
    if op == "*":
        for sequence, times in ((left, right), (right, left)):
            count = indices.number(ev.b, times)
            if isinstance(sequence, (ListRef, TupleOf)) and isinstance(count, Const) and isinstance(count.obj, int):
                return repeat(ev, state, sequence, count.obj)
    if isinstance(left, PacketEdge) and isinstance(right, PacketEdge) and op == "-":
        return packets.distance(ev, left, right)
    return arith.binary(ev.b, op, left, right)


def repeat(ev: Machine, state: State, sequence: ListRef | TupleOf, count: int) -> Abstract:
    """``sequence * count``."""
    items = sequence.items if isinstance(sequence, TupleOf) else iteration.heap_object(state, sequence)
    count = max(count, 0)
    sequences.check_count(len(items) * count)
    repeated = host.run(ev.b, "the operator *", arith.PYTHON["*"], items, count)  # of none, 2**63 times are too many
    return sequences.new_list(ev, state, repeated) if isinstance(sequence, ListRef) else sequences.tuple_of(repeated)


def concatenate(ev: Machine, state: State, left: Abstract, right: Abstract) -> Abstract | None:
    """``left + right`` of two sequences of the same kind."""
    if sequences.is_list(left) and sequences.is_list(right):
        lists = [tuple(iteration.stored(ev.b, state, value) or ()) for value in (left, right)]
        sequences.check_count(len(lists[0]) + len(lists[1]))
        return sequences.new_list(ev, state, [*lists[0], *lists[1]])
    tuples = [v for v in (left, right) if isinstance(v, TupleOf) or (isinstance(v, Const) and isinstance(v.obj, tuple))]
    if len(tuples) < 2:
        return None
    first, second = (tuple(iteration.stored(ev.b, state, v) or ()) for v in tuples)
    sequences.check_count(len(first) + len(second))
    return sequences.tuple_of(first + second)


def union(ev: Machine, state: State, left: Abstract, right: Abstract) -> dict[Any, Abstract] | None:
    """What ``left | right`` of two dicts holds; None for anything else. Dicts of classes may have their own ``|``."""
    parts: list[dict[Any, Abstract]] = []
    for value in (left, right):
        if isinstance(value, DictRef):
            parts.append(iteration.heap_object(state, value))
        elif isinstance(value, Const) and type(value.obj) is dict:
            parts.append({key: wrap(item) for key, item in value.obj.items()})
    return {**parts[0], **parts[1]} if len(parts) == 2 else None
