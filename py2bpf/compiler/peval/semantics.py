"""What Python's operations mean on abstract values, whichever instruction or built-in function asks."""

from __future__ import annotations

from typing import Any

from ...exception import TypeMismatch
from ..ir.values import Value
from . import arith, constants, giants, host, indices, iteration, iterators, kind, packets, sequences, special
from .machine import Machine
from .state import State
from .values import (
    Abstract,
    Const,
    DictRef,
    ListRef,
    PacketEdge,
    Text,
    TupleOf,
    wrap,
)


def truth(ev: Machine, state: State, value: Abstract) -> Value:
    """``bool(value)`` as a branch condition: any number but 0 is true."""
    own = special.truth(ev, state, value)
    return kind.of(value).truth(ev, state, value) if own is None else truth(ev, state, own)


def is_none(ev: Machine, value: Abstract) -> Value:
    """``value is None`` as 1 or 0."""
    return kind.of(value).is_none(ev, value)


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
    items = sequence.items if isinstance(sequence, TupleOf) else iterators.heap_object(state, sequence)
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
            parts.append(iterators.heap_object(state, value))
        elif isinstance(value, Const) and type(value.obj) is dict:
            parts.append({key: wrap(item) for key, item in value.obj.items()})
    return {**parts[0], **parts[1]} if len(parts) == 2 else None
