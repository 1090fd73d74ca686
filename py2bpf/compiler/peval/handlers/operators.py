"""Instructions that operate, compare, identity, format and match."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ....exception import TypeMismatch, UnsupportedSyntax
from ...bytecode.canonical import Instr, Op
from .. import access, arith, compare, identity, iteration, maps, semantics
from ..describe import describe
from ..frames import Frame
from ..layout import is_array, is_chars
from ..state import State
from ..values import (
    FALSE,
    TRUE,
    AugmentedAttr,
    AugmentedItem,
    Const,
    ListRef,
    Ref,
    Text,
    TupleOf,
    Update,
)
from .table import Table

if TYPE_CHECKING:
    from ..evaluator import Evaluator


def _unary(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    value = state.stack.pop()
    if instr.arg == "not":
        state.stack.append(arith.from_bool(arith.negate(ev.b, semantics.truth(ev, state, value))))
    elif isinstance(value, Const):
        state.stack.append(
            semantics.constant_operation(ev, f"the operator {instr.arg}", arith.UNARY[instr.arg], value.obj)
        )
    else:
        state.stack.append(arith.unary(ev.b, instr.arg, value))


def _binary(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    right, left = state.stack.pop(), state.stack.pop()
    state.stack.append(semantics.operate(ev, state, instr.arg, left, right))


def _inplace(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    right, left = state.stack.pop(), state.stack.pop()
    op = instr.arg
    if isinstance(left, (AugmentedItem, AugmentedAttr)) and op in maps.ATOMIC:
        state.stack.append(Update(left, op, right))
        return
    left = access.settled(ev, state, left)
    if isinstance(left, ListRef) and op == "+":
        access.extend(ev, state, left, right)
        state.stack.append(left)
        return
    if isinstance(left, Const) and isinstance(left.obj, (list, dict, set, bytearray)):
        raise UnsupportedSyntax(
            0,
            f"can't change {describe(left)}: what a program captures is constant",
            hints=("keep changing values in a map, or make the object inside the function",),
        )
    state.stack.append(semantics.operate(ev, state, op, left, right))


def _compare(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    right, left = state.stack.pop(), state.stack.pop()
    state.stack.append(compare.compare(ev, state, instr.arg, left, right))


def _is(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    right, left = state.stack.pop(), state.stack.pop()
    result = identity.identical(ev, left, right)
    state.stack.append(arith.from_bool(arith.negate(ev.b, result) if instr.arg else result))


def _contains(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    container, item = state.stack.pop(), state.stack.pop()
    result = compare.contains(ev, state, container, item)
    state.stack.append(arith.from_bool(arith.negate(ev.b, result) if instr.arg else result))


_CONVERSIONS: Final[dict[str, Callable[[Any], Any]]] = {"": lambda obj: obj, "s": str, "r": repr, "a": ascii}


def _format_value(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    conversion, has_spec = instr.arg
    spec = state.stack.pop() if has_spec else Const("")
    value = state.stack.pop()
    if not isinstance(spec, Const):
        raise UnsupportedSyntax(0, "a format specification must be a constant", hints=("write a number: {n:8x}",))
    if isinstance(value, Const):
        converted = _CONVERSIONS[conversion](value.obj)
        state.stack.append(semantics.constant_operation(ev, "formatting", format, converted, spec.obj))
    else:
        state.stack.append(Text(((value, conversion, spec.obj),)))


def _build_string(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    parts: list[Any] = []
    for piece in state.pop(instr.arg):
        parts += piece.parts if isinstance(piece, Text) else [piece.obj if isinstance(piece, Const) else piece]
    if all(isinstance(part, str) for part in parts):
        state.stack.append(Const("".join(parts)))
    else:
        state.stack.append(Text(tuple(parts)))


def _match_sequence(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    subject = state.stack[-1]
    sequence = isinstance(subject, (TupleOf, ListRef)) or (
        isinstance(subject, Const) and isinstance(subject.obj, (tuple, list))
    )
    sequence = sequence or (isinstance(subject, Ref) and is_array(subject.ctype) and not is_chars(subject.ctype))
    state.stack.append(TRUE if sequence else FALSE)


def _get_len(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    items = iteration.known_items(ev.b, state, state.stack[-1])
    if items is None:
        raise TypeMismatch(0, f"{describe(state.stack[-1])} has no length",
                           hints=("tuples, lists and ctypes arrays have one",))  # fmt: skip
    state.stack.append(Const(len(items)))


def _match_other(ev: Evaluator, frame: Frame, state: State, instr: Instr) -> None:
    raise UnsupportedSyntax(0, "match works on integers, tuples and constants",
                            hints=("compare attributes with if",))  # fmt: skip


TABLE: Final[Table] = {
    Op.BUILD_STRING: _build_string,
    Op.FORMAT_VALUE: _format_value,
    Op.UNARY: _unary,
    Op.BINARY: _binary,
    Op.INPLACE: _inplace,
    Op.COMPARE: _compare,
    Op.IS: _is,
    Op.CONTAINS: _contains,
    Op.MATCH_SEQUENCE: _match_sequence,
    Op.GET_LEN: _get_len,
    Op.MATCH_MAPPING: _match_other,
    Op.MATCH_KEYS: _match_other,
    Op.MATCH_CLASS: _match_other,
}
