"""Instructions for operators, comparisons, identity tests, formatting and pattern matching."""

from __future__ import annotations

from typing import Any, Final

from ....exception import UnsupportedSyntax
from ...bytecode.canonical import Instr, Op
from .. import (
    arith,
    augmented,
    classes,
    compare,
    constants,
    giants,
    identity,
    kind,
    map_updates,
    nevers,
    overrides,
    semantics,
    special,
    text,
)
from ..builtins import objects, sequences
from ..frames import Frame
from ..machine import Machine
from ..state import State
from ..values import (
    FALSE,
    NONE,
    TRUE,
    Abstract,
    AugmentedAttr,
    AugmentedItem,
    Const,
    Text,
    TupleOf,
    Update,
)
from .table import Table

_UNARY: Final = {"-": "__neg__", "+": "__pos__", "~": "__invert__"}


def _unary(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    value = state.stack.pop()
    if instr.arg == "not":
        state.stack.append(arith.from_bool(arith.negate(ev.b, semantics.truth(ev, state, value))))
    elif (own := special.ask(ev, state, _UNARY[instr.arg], value)) is not None:
        state.stack.append(own)
    elif isinstance(value, Const):
        state.stack.append(
            constants.operation(ev, f"the operator {instr.arg}", arith.UNARY[instr.arg], value.obj)
        )
    else:
        state.stack.append(arith.unary(ev.b, instr.arg, value))


def _binary(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    right, left = state.stack.pop(), state.stack.pop()
    state.stack.append(semantics.operate(ev, state, instr.arg, left, right))


def _inplace(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    right, left = state.stack.pop(), state.stack.pop()
    op = instr.arg
    ours = overrides.own(right, f"__r{classes.BINARY[op]}__")  # a user's method, which no atomic instruction does
    if isinstance(left, (AugmentedItem, AugmentedAttr)) and op in map_updates.ATOMIC and ours is None:
        state.stack.append(Update(left, op, right))
        return
    left = augmented.settled(ev, state, left)
    if (own := special.method_of(ev, left, f"__i{classes.BINARY[op]}__")) is not None:
        state.stack.append(special.call(ev, state, own, left, right))
        return
    changed = kind.of(left).inplace(ev, state, op, left, right)
    state.stack.append(semantics.operate(ev, state, op, left, right) if changed is None else changed)


def _compare(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    right, left = state.stack.pop(), state.stack.pop()
    if instr.arg in ("==", "!="):
        _note_none(ev, left, right)
    state.stack.append(compare.compare(ev, state, instr.arg, left, right))


def _note_none(ev: Machine, left: Abstract, right: Abstract) -> None:
    for one, other in ((left, right), (right, left)):
        if isinstance(other, Const) and other.obj is None:
            nevers.none_test(ev, one)


def _is(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    right, left = state.stack.pop(), state.stack.pop()
    _note_none(ev, left, right)
    result = identity.identical(ev, left, right)
    state.stack.append(arith.from_bool(arith.negate(ev.b, result) if instr.arg else result))


def _contains(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    container, item = state.stack.pop(), state.stack.pop()
    result = compare.contains(ev, state, container, item)
    state.stack.append(arith.from_bool(arith.negate(ev.b, result) if instr.arg else result))


def _format_value(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    conversion, has_spec = instr.arg
    spec = state.stack.pop() if has_spec else Const("")
    value = state.stack.pop()
    if not isinstance(spec, Const):
        raise UnsupportedSyntax(0, "a format specification must be a constant", hints=("write a number: {n:8x}",))
    if isinstance(value, Const):
        convert = text.CONVERSIONS[conversion]
        giants.check_width(spec.obj)
        state.stack.append(
            constants.operation(ev, "formatting", lambda obj: format(convert(obj), spec.obj), value.obj)
        )
    else:
        state.stack.append(Text(((value, conversion, spec.obj),)))


def _build_string(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    parts: list[Any] = []
    for piece in state.pop(instr.arg):
        parts += piece.parts if isinstance(piece, Text) else [piece.obj if isinstance(piece, Const) else piece]
    if all(isinstance(part, str) for part in parts):
        state.stack.append(Const("".join(parts)))
    else:
        state.stack.append(Text(tuple(parts)))


def _match_sequence(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    """In CPython, ctypes arrays don't match sequence patterns, although they can be unpacked."""
    subject = state.stack[-1]
    state.stack.append(TRUE if kind.of(subject).is_sequence(subject) else FALSE)


def _get_len(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    subject = state.stack[-1]
    special.refuse_iteration(subject, "__len__", "__getitem__")
    state.stack.append(sequences.length(ev, state, subject))


_ARE_THEIR_CONTENT: Final = (bool, bytearray, bytes, dict, float, frozenset, int, list, set, str, tuple)
"""Classes whose positional pattern matches the value itself: Py_TPFLAGS_MATCH_SELF, which subclasses inherit."""


def _match_class(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    """``case int(n)``: tests only the value's class."""
    subject, cls, names = state.pop(3)
    assert isinstance(names, Const)
    parts = instr.arg
    if not isinstance(cls, Const) or not isinstance(cls.obj, type) or names.obj or parts > 1 or (
        parts and not issubclass(cls.obj, _ARE_THEIR_CONTENT)
    ):
        _match_other(ev, frame, state, instr)
    found = objects.is_instance(ev, state, (subject, cls))
    if not isinstance(found, Const):
        raise UnsupportedSyntax(0, f"whether {subject.describe()} is of a class is not known while compiling",
                                hints=("test it for None before: if x is None",))  # fmt: skip
    state.stack.append(TupleOf((subject,) * parts) if found.obj else NONE)


def _match_other(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    raise UnsupportedSyntax(0, "match works on integers, tuples and constants",
                            hints=("compare items and attributes with if",))  # fmt: skip


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
    Op.MATCH_CLASS: _match_class,
}
