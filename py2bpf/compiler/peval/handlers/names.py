"""Instructions on constants, variables and the stack."""

from __future__ import annotations

import builtins
from typing import Final

from ....exception import TypeMismatch, UnsupportedSyntax
from ...bytecode.canonical import Instr, Op
from .. import addresses, hints, iteration, mixed, sequences, variables, withs
from ..builtins import functions
from ..frames import Frame
from ..hints import count
from ..machine import Machine
from ..state import State
from ..values import (
    NULL,
    UNASSIGNED,
    Abstract,
    CellRef,
    Const,
    NoValue,
    Null,
    wrap,
)
from .table import Table

_HIDDEN: Final = {"__name__", "__doc__", "__file__", "__builtins__", "__spec__", "__loader__", "__package__"}


def _load_const(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    state.stack.append(Const(instr.arg))


def _load_fast(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    value = state.locals.get(instr.arg, UNASSIGNED)
    if isinstance(value, NoValue):
        ev.b.span = frame.place(instr.span)
        mixed.use(value, instr.arg)
    if addresses.is_addressed(ev, state):
        ev.b.span, slot = frame.place(instr.span), frame.slots.get(instr.arg)
        state.stack.append(addresses.address(ev, (frame.code, instr.arg), slot, state.locals, instr.arg))
    else:
        state.stack.append(variables.read(ev.b, value))


def _store_fast(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    value = state.stack.pop()
    if instr.arg in frame.cell_ids:  # the value of a cell variable that LOAD_FAST_AND_CLEAR saved
        ident = frame.cell_ids[instr.arg]
        if isinstance(value, Null):
            state.cells.pop(ident, None)
        else:
            state.cells[ident] = variables.assigned(ev.b, ev.slots.get(ident), value)
    elif isinstance(value, Null):
        state.locals.pop(instr.arg, None)
    else:
        state.locals[instr.arg] = variables.assigned(ev.b, frame.slots.get(instr.arg), value)


def _delete_fast(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    mixed.use(state.locals.get(instr.arg, UNASSIGNED), instr.arg)
    del state.locals[instr.arg]


def _load_and_clear(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    if instr.arg in frame.cell_ids:
        value = state.cells.pop(frame.cell_ids[instr.arg], NULL)
    else:
        value = state.locals.pop(instr.arg, NULL)
    state.stack.append(variables.read(ev.b, value))


def _make_cell(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    ident = frame.cell_ids.setdefault(instr.arg, (frame.path, instr.arg))
    ev.owners.setdefault(ident, frame.code)


def _load_global(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    name = instr.arg
    if name in frame.globals:
        state.stack.append(wrap(frame.globals[name]))
        return
    found = getattr(builtins, name, ev)
    if found is ev:
        near = hints.near(name, _visible(frame, state), "define it before compiling the function", functions.names())
        raise UnsupportedSyntax(0, f"the name {name!r} is not defined", hints=near)
    state.stack.append(Const(found))


def _visible(frame: Frame, state: State) -> list[str]:
    """The names that are visible in the function, nearest scope first."""
    own = [*state.locals, *frame.cell_ids, *frame.constants]
    return [str(name) for name in dict.fromkeys([*own, *frame.globals]) if name not in _HIDDEN]


def _store_global(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    raise UnsupportedSyntax(0, f"can't assign to the global {instr.arg!r}: globals are constants of a program",
                            hints=("keep changing values in a map",))  # fmt: skip


def _load_deref(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    ident = frame.cell_ids.get(instr.arg)
    if ident in ev.owners and addresses.is_addressed(ev, state):
        mixed.use(state.cells.get(ident, UNASSIGNED), instr.arg)
        ev.b.span, name, slot = frame.place(instr.span), (ev.owners[ident], ident[1]), ev.slots.get(ident)
        state.stack.append(addresses.address(ev, name, slot, state.cells, ident))
    else:
        state.stack.append(mixed.use(ev.cell(frame, state, instr.arg), instr.arg))


def _store_deref(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    _own_cell(frame, instr)
    ident = frame.cell_ids[instr.arg]
    state.cells[ident] = variables.assigned(ev.b, ev.slots.get(ident), state.stack.pop())


def _own_cell(frame: Frame, instr: Instr) -> None:
    """Refuses to change a variable that the program only captured."""
    if instr.arg not in frame.cell_ids:
        raise UnsupportedSyntax(
            0, f"can't change {instr.arg!r} of the enclosing function: closures are constants of a program",
            hints=("keep changing values in a map",),
        )  # fmt: skip


def _delete_deref(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    _own_cell(frame, instr)
    mixed.use(ev.cell(frame, state, instr.arg), instr.arg)
    state.cells.pop(frame.cell_ids[instr.arg], None)


def _load_closure(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    if instr.arg in frame.cell_ids:
        state.stack.append(ev.cell_ref(frame, instr.arg))
        return
    # A constant of the enclosing real function, passed inwards.
    ident = frame.cell_ids[instr.arg] = (frame.path, instr.arg)
    state.cells[ident] = mixed.use(_constant_cell(frame, instr.arg), instr.arg)
    state.stack.append(CellRef(ident))


def _constant_cell(frame: Frame, name: str) -> Abstract:
    """The contents of a real function's cell."""
    try:
        return wrap(frame.constants[name].cell_contents)
    except ValueError:
        return NoValue("the enclosing function has not assigned it yet")


def _copy(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    state.stack.append(state.stack[-instr.arg])


def _swap(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    stack = state.stack
    stack[-1], stack[-instr.arg] = stack[-instr.arg], stack[-1]


def _pop_top(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    state.stack.pop()


def _push_null(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    state.stack.append(NULL)


def _unpack_sequence(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    items = iteration.unpack(ev.b, state, state.stack.pop(), instr.arg)
    state.stack += items[::-1]


def _unpack_ex(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    before, after = instr.arg
    value = state.stack.pop()
    items = iteration.known_items(ev.b, state, value)
    if items is None or len(items) < before + after:
        raise TypeMismatch(0, f"can't unpack {value.describe()} into {count(before + after, 'name')} and a starred one",
                           hints=("tuples, lists and ctypes arrays unpack that are long enough",))  # fmt: skip
    end = len(items) - after
    middle = sequences.new_list(ev, state, items[before:end])
    state.stack += [*items[end:][::-1], middle, *items[:before][::-1]]


def _get_iter(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    state.stack.append(iteration.make_iterator(ev.b, state, state.stack.pop()))


def _with_enter(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    withs.enter(ev, state)


TABLE: Final[Table] = {
    Op.LOAD_CONST: _load_const,
    Op.LOAD_FAST: _load_fast,
    Op.STORE_FAST: _store_fast,
    Op.DELETE_FAST: _delete_fast,
    Op.LOAD_FAST_AND_CLEAR: _load_and_clear,
    Op.MAKE_CELL: _make_cell,
    Op.LOAD_GLOBAL: _load_global,
    Op.STORE_GLOBAL: _store_global,
    Op.LOAD_DEREF: _load_deref,
    Op.STORE_DEREF: _store_deref,
    Op.DELETE_DEREF: _delete_deref,
    Op.LOAD_CLOSURE: _load_closure,
    Op.COPY: _copy,
    Op.SWAP: _swap,
    Op.POP_TOP: _pop_top,
    Op.PUSH_NULL: _push_null,
    Op.UNPACK_SEQUENCE: _unpack_sequence,
    Op.UNPACK_EX: _unpack_ex,
    Op.GET_ITER: _get_iter,
    Op.WITH_ENTER: _with_enter,
}
