"""Instructions that call and make functions."""

from __future__ import annotations

import types
from typing import Final

from ....exception import InternalCompilerError, TypeMismatch
from ...bytecode.canonical import Instr, Op
from .. import iteration, iterators
from ..frames import Frame
from ..machine import Machine
from ..state import State
from ..values import Abstract, CellId, CellRef, Closure, Const, DictRef, Null, TupleOf, wrap
from .table import Table


def _callee(state: State) -> tuple[Abstract, list[Abstract]]:
    slots = [slot for slot in state.pop(2) if not isinstance(slot, Null)]
    return slots[0], slots[1:]


def _call(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    count, names = instr.arg
    values = state.pop(len(names))
    args = state.pop(count)
    callee, leading = _callee(state)
    kwargs = dict(zip(names, values, strict=True))
    state.stack.append(ev.call(state, callee, tuple(leading + args), kwargs, instr.unit))


def _call_ex(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    kwargs: dict[str, Abstract] = {}
    if instr.arg:
        named = state.stack.pop()
        if isinstance(named, DictRef):
            kwargs = dict(iterators.heap_object(state, named))
        elif isinstance(named, Const):
            kwargs = {key: wrap(value) for key, value in named.obj.items()}
        else:
            raise TypeMismatch(0, f"** needs a dict, but this is {named.describe()}", hints=("name the arguments",))
        if others := [key for key in kwargs if not isinstance(key, str)]:
            key = Const(others[0]).describe()
            raise TypeMismatch(0, f"** needs names of arguments, but {key} is a key of this dict",
                               hints=("name the arguments, as in f(**{'name': value})",))  # fmt: skip
    packed = state.stack.pop()
    args = iteration.known_items(ev.b, state, packed)
    if args is None:
        raise TypeMismatch(
            0,
            f"* needs a sequence of known length, but this is {packed.describe()}",
            hints=("give a tuple, a list or a ctypes array, or the arguments one by one",),
        )
    callee, leading = _callee(state)
    state.stack.append(ev.call(state, callee, (*leading, *args), kwargs, instr.unit))


def _make_function(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    code = state.stack.pop()
    assert isinstance(code, Const) and isinstance(code.obj, types.CodeType)
    cells = state.stack.pop() if "closure" in instr.arg else None
    if "annotations" in instr.arg:
        state.stack.pop()
    kwdefaults = state.stack.pop() if "kwdefaults" in instr.arg else None
    defaults = state.stack.pop() if "defaults" in instr.arg else None
    keywords: dict[str, Abstract] = {}
    if isinstance(kwdefaults, DictRef):
        keywords = iterators.heap_object(state, kwdefaults)
    items = iteration.known_items(ev.b, state, defaults) if defaults is not None else ()
    state.stack.append(Closure(code.obj, frame.globals, items or (), tuple(keywords.items()), _idents(cells)))


def _idents(cells: Abstract | None) -> tuple[CellId, ...]:
    """The variables in a tuple of cells."""
    return tuple(cell.ident for cell in cells.items if isinstance(cell, CellRef)) if isinstance(cells, TupleOf) else ()


def _load_assertion_error(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    state.stack.append(Const(AssertionError))


def _yield(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    value = state.stack.pop()
    consumer = ev.consumers.get(frame)
    if consumer is None:
        raise InternalCompilerError("peval", "a generator expression without a consumer", instr.span)
    consumer.step(ev, frame, state, value)
    state.stack.append(Const(None))


TABLE: Final[Table] = {
    Op.CALL: _call,
    Op.CALL_FUNCTION_EX: _call_ex,
    Op.MAKE_FUNCTION: _make_function,
    Op.YIELD: _yield,
    Op.LOAD_ASSERTION_ERROR: _load_assertion_error,
}
