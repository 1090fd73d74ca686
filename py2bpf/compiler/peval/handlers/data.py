"""Instructions on attributes, items and collections."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from ....exception import TypeMismatch, UnsupportedSyntax
from ...bytecode.canonical import Instr, Op
from .. import access, addresses, augmented, captured, host, indices, iterators, memory, methods, sequences
from ..frames import Frame
from ..machine import Machine
from ..state import State
from ..values import (
    NONE,
    NULL,
    Abstract,
    AugmentedAttr,
    AugmentedItem,
    Const,
    DictRef,
    ListRef,
    Ref,
    SliceOf,
    Update,
)
from .table import Table

_NO_TABLE: Final = (
    "use a map: m = create_map(c_uint32, c_uint64, 1024)",
    "a table of at most 256 keys may be made outside of the function; a larger one fills a map: m.update(table)",
)


def _load_attr(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    owner = state.stack.pop()
    place = access.attr_place(ev, owner, instr.arg) if addresses.is_addressed(ev, state) else None
    state.stack.append(place or access.load_attr(ev, state, owner, instr.arg))


def _load_method(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    owner = state.stack.pop()
    state.stack += [NULL, access.load_attr(ev, state, owner, instr.arg)]


def _aug_attr(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    owner = state.stack[-1]
    if augmented.updates_in_place(ev.b, owner, instr.arg):
        if isinstance(owner, Ref):  # not a Global
            ev.b.guard_not_null(owner.base)  # Python reads the attribute before it computes the operand
        state.stack.append(AugmentedAttr(owner, instr.arg))
    else:
        state.stack.append(access.load_attr(ev, state, owner, instr.arg))


@contextmanager
def _blamed(frame: Frame, instr: Instr, value: Abstract) -> Iterator[None]:
    """Makes an error about the stored value point at the value's source text."""
    try:
        yield
    except TypeMismatch as error:
        place = instr.value_span if error.about is value and error.span is None else None
        if place is not None and frame.shown is None:
            error.span, error.line = place, place.line
        raise


def _store_attr(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    owner, value = state.stack.pop(), state.stack.pop()
    if isinstance(value, Update):
        augmented.update(ev, value)
    else:
        with _blamed(frame, instr, value := augmented.settled(ev, state, value)):
            access.store_attr(ev, state, owner, instr.arg, value)


def _delete_attr(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    raise UnsupportedSyntax(0, "attributes can't be deleted in compiled functions", hints=("assign 0 instead",))


def _load_subscr(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    key, container = state.stack.pop(), state.stack.pop()
    place = access.item_place(ev, container, key) if addresses.is_addressed(ev, state) else None
    state.stack.append(place or access.get_item(ev, state, container, key))


def _aug_subscr(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    container, key = state.stack[-2:]
    if augmented.item_updates_in_place(ev.b, container):
        if isinstance(container, Ref):
            # Python reads the item before it computes the operand, so the item's exceptions come first.
            memory.index(ev.b, container, indices.number(ev.b, key))
        state.stack.append(AugmentedItem(container, key))
    else:
        state.stack.append(access.get_item(ev, state, container, key))


def _store_subscr(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    key, container, value = state.stack.pop(), state.stack.pop(), state.stack.pop()
    if isinstance(value, Update):
        augmented.update(ev, value)
    else:
        with _blamed(frame, instr, value := augmented.settled(ev, state, value)):
            access.set_item(ev, state, container, key, value)


def _delete_subscr(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    key, container = state.stack.pop(), state.stack.pop()
    access.delete_item(ev, state, container, key)


def _build_tuple(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    state.stack.append(sequences.tuple_of(state.pop(instr.arg)))


def _build_list(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    state.stack.append(sequences.new_list(ev, state, state.pop(instr.arg)))


def _build_set(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    items = state.pop(instr.arg)
    if not all(isinstance(item, Const) for item in items):
        raise UnsupportedSyntax(0, "a set in a compiled function holds constants only", hints=("use a tuple",))
    state.stack.append(Const({host.key(ev.b, item) for item in items if isinstance(item, Const)}))


def _new_dict(ev: Machine, state: State, keys: list[Abstract], values: list[Abstract]) -> None:
    ref = DictRef(ev.ident())
    state.heap[ref.ident] = {_key(ev, key): value for key, value in zip(keys, values, strict=True)}
    state.stack.append(ref)


def _key(ev: Machine, key: Abstract) -> Any:
    if not isinstance(key, Const):
        raise UnsupportedSyntax(
            0, "a dict in a compiled function has constant keys only, and this one is computed at run time",
            hints=_NO_TABLE,
        )  # fmt: skip
    return host.key(ev.b, key)


def _build_map(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    items = state.pop(2 * instr.arg)
    _new_dict(ev, state, items[::2], items[1::2])


def _build_const_key_map(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    keys = state.stack.pop()
    assert isinstance(keys, Const)
    _new_dict(ev, state, [Const(key) for key in keys.obj], state.pop(instr.arg))


def _build_slice(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    parts = state.pop(instr.arg)
    if all(isinstance(part, Const) for part in parts):
        state.stack.append(Const(slice(*(part.obj for part in parts if isinstance(part, Const)))))
    else:
        state.stack.append(SliceOf(parts[0], parts[1], parts[2] if len(parts) > 2 else NONE))


def _list_extend(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    iterable = state.stack.pop()
    target = state.stack[-instr.arg]
    methods.extend(ev, state, target, iterable)


def _list_append(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    value = state.stack.pop()
    target = state.stack[-instr.arg]
    assert isinstance(target, ListRef)
    state.heap[target.ident] = (*iterators.heap_object(state, target), value)


def _set_add(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    value = state.stack.pop()
    target = state.stack[-instr.arg]
    if not isinstance(value, Const) or not isinstance(target, Const):
        raise UnsupportedSyntax(0, "a set in a compiled function holds constants only", hints=("use a tuple",))
    state.stack[-instr.arg] = Const(target.obj | {host.key(ev.b, value)})


def _set_update(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    value = state.stack.pop()
    target = state.stack[-instr.arg]
    if not isinstance(value, Const) or not isinstance(target, Const):
        raise UnsupportedSyntax(0, "a set in a compiled function holds constants only", hints=("use a tuple",))
    state.stack[-instr.arg] = Const(target.obj | host.run(ev.b, "the iteration", set, value.obj))


def _map_add(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    value, key = state.stack.pop(), state.stack.pop()
    target = state.stack[-instr.arg]
    assert isinstance(target, DictRef)
    state.heap[target.ident] = {**iterators.heap_object(state, target), _key(ev, key): value}


def _dict_update(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    other = state.stack.pop()
    target = state.stack[-instr.arg]
    assert isinstance(target, DictRef)
    if isinstance(other, DictRef):
        items = iterators.heap_object(state, other)
    elif isinstance(other, Const) and hasattr(type(other.obj), "keys"):
        items = captured.merged(ev, other.obj)
    else:
        raise TypeMismatch(
            0, f"a dict is needed here, but this is {other.describe()}", hints=("name its keys and values: {'a': 1}",)
        )
    state.heap[target.ident] = {**iterators.heap_object(state, target), **items}


def _list_to_tuple(ev: Machine, frame: Frame, state: State, instr: Instr) -> None:
    value = state.stack.pop()
    assert isinstance(value, ListRef)
    state.stack.append(sequences.tuple_of(iterators.heap_object(state, value)))


TABLE: Final[Table] = {
    Op.LOAD_ATTR: _load_attr,
    Op.LOAD_METHOD: _load_method,
    Op.AUG_ATTR: _aug_attr,
    Op.STORE_ATTR: _store_attr,
    Op.DELETE_ATTR: _delete_attr,
    Op.LOAD_SUBSCR: _load_subscr,
    Op.AUG_SUBSCR: _aug_subscr,
    Op.STORE_SUBSCR: _store_subscr,
    Op.DELETE_SUBSCR: _delete_subscr,
    Op.BUILD_TUPLE: _build_tuple,
    Op.BUILD_LIST: _build_list,
    Op.BUILD_SET: _build_set,
    Op.BUILD_MAP: _build_map,
    Op.BUILD_CONST_KEY_MAP: _build_const_key_map,
    Op.BUILD_SLICE: _build_slice,
    Op.LIST_EXTEND: _list_extend,
    Op.LIST_APPEND: _list_append,
    Op.SET_ADD: _set_add,
    Op.SET_UPDATE: _set_update,
    Op.MAP_ADD: _map_add,
    Op.DICT_UPDATE: _dict_update,
    Op.DICT_MERGE: _dict_update,
    Op.LIST_TO_TUPLE: _list_to_tuple,
}
