"""Slices of ctypes arrays: reading a slice copies its items, as in CPython, and assigning to one changes the array.

A list made by a slice remembers its array, so that ``a.x[:4] = b.x[:4]`` copies memory instead of single items.
"""

from __future__ import annotations

from typing import Final

from ...exception import TypeMismatch, UnsupportedSyntax
from . import contents, hints, host, iteration, iterators, memory, overlap, sequences, special, stores
from .builder import Builder
from .layout import is_aggregate, is_array, is_chars
from .machine import Machine, Taken
from .naming import type_name
from .state import State
from .values import Abstract, Const, ListRef, Ref, SliceOf, Stored

IN_REGISTERS: Final = 8
"""A copy of more items is made in memory, since they may not fit the registers."""


READ_ONE_BY_ONE: Final = ("read the items one by one, in a loop over a constant range: for k in range(2): a[i + k]",)
WRITE_ONE_BY_ONE: Final = ("assign the items one by one: a[i] = x, then a[i + 1] = y",)


def is_slice(key: Abstract) -> bool:
    return isinstance(key, SliceOf) or (isinstance(key, Const) and isinstance(key.obj, slice))


def check_bounds(key: Abstract, instead: tuple[str, ...]) -> None:
    """Refuses a slice whose bounds are known at run time only."""
    if isinstance(key, SliceOf):
        raise TypeMismatch(0, "the bounds of a slice must be constants", hints=instead)


def chosen(b: Builder, key: slice, length: int) -> range:
    """The indices of a slice among ``length`` items. The bounds may be any objects; Python raises for most of them."""
    return host.run(b, "the slice", _among, key, length)


def _among(key: slice, length: int) -> range:
    return range(length)[key]


def read(ev: Machine, state: State, ref: Ref, key: slice) -> Abstract:
    """``array[key]``: a list; for a char array, the part itself."""
    ev.b.guard_not_null(ref.base, "TypeError")
    places = chosen(ev.b, key, ref.ctype._length_)
    if is_chars(ref.ctype):
        return _part(ref, places)
    if places.step == 1:
        return copied(ev, state, _part(ref, places))
    return sequences.new_list(ev, state, [memory.load(ev.b, memory.element(ref, i)) for i in places])


def copied(ev: Machine, state: State, source: Ref) -> ListRef:
    """``list(array)``."""
    special.refuse_iteration(source)
    kept = source
    if source.ctype._length_ > IN_REGISTERS and not is_aggregate(source.ctype._type_):
        kept = memory.new(ev.b, source.ctype, zero=False)
        stores.store(ev.b, kept, source)
    places = [memory.element(kept, i) for i in range(source.ctype._length_)]
    items = [memory.load(ev.b, place) if kept is source else Stored(place) for place in places]
    found = ListRef(ev.ident())
    ev.taken[found.ident] = Taken(tuple(items), source, kept, ev.b.writes)
    state.heap[found.ident] = ev.taken[found.ident].items
    return found


def _part(ref: Ref, places: range) -> Ref:
    if places.step != 1:
        raise UnsupportedSyntax(0, "a slice of a char array must have step 1", hints=("copy the items in a loop",))
    return Ref(ref.base, memory.element(ref, places.start).offset, ref.ctype._type_ * len(places), ref.text)


def write(ev: Machine, state: State, ref: Ref, key: slice, value: Abstract) -> None:
    """``array[key] = value``."""
    ev.b.guard_not_null(ref.base, "TypeError")
    places = chosen(ev.b, key, ref.ctype._length_)
    if is_chars(ref.ctype):
        part = _part(ref, places)
        if texts := contents.texts(value):
            for data in texts:
                _check_count(ref, len(places), len(data))
            contents.store_text(ev.b, part, value, whole=True)
        else:
            stores.store(ev.b, part, value)
        return
    special.refuse_iteration(value)
    source = value if isinstance(value, Ref) and is_array(value.ctype) and not is_chars(value.ctype) else None
    source = _unchanged(ev, state, ref, value) or source
    if source is not None and places.step == 1 and source.ctype._type_ is ref.ctype._type_:
        _check_count(ref, len(places), source.ctype._length_)
        stores.store(ev.b, _part(ref, places), source)
        return
    if source is not None:  # CPython reads and writes item by item
        _check_count(ref, len(places), source.ctype._length_)
        for i, place in enumerate(places):
            stores.store(ev.b, memory.element(ref, place), memory.load(ev.b, memory.element(source, i)))
        return
    items = iteration.known_items(ev.b, state, value)
    if items is None:
        raise TypeMismatch(0, f"a slice of an array takes items, but this is {value.describe()}",
                           hints=("give a tuple, a list, an array or a slice of one",))  # fmt: skip
    _check_count(ref, len(places), len(items))
    for place, item in zip(places, items, strict=True):
        stores.store(ev.b, memory.element(ref, place), item)


def replace(ev: Machine, state: State, target: ListRef, key: slice, value: Abstract) -> None:
    """``list[key] = value``, which may change the list's length."""
    items = list(iterators.heap_object(state, target))
    chosen(ev.b, key, len(items))
    given = iteration.known_items(ev.b, state, value)
    if given is None:
        raise TypeMismatch(0, f"a slice of a list takes items, but this is {value.describe()}",
                           hints=("give a tuple, a list, an array or a slice of one",))  # fmt: skip
    try:
        items[key] = given
    except ValueError:
        ev.b.exit("ValueError")  # with a step, the number of items must stay the same
    state.heap[target.ident] = tuple(items)


def _check_count(ref: Ref, wanted: int, given: int) -> None:
    if wanted != given:
        raise TypeMismatch(
            0, f"{hints.count(given, 'item')} can't be assigned to {wanted} of a {type_name(ref.ctype)}",
            hints=("a slice of an array keeps its length: give as many items as it has",),
        )  # fmt: skip


def _unchanged(ev: Machine, state: State, target: Ref, value: Abstract) -> Ref | None:
    """An array with the list's items: the array that the list was copied from, if nothing was written since and the
    target is elsewhere; else the copy in memory, if there is one."""
    taken = ev.taken.get(value.ident) if isinstance(value, ListRef) else None
    if taken is None or not isinstance(value, ListRef) or state.heap.get(value.ident) is not taken.items:
        return None
    if taken.writes == ev.b.writes and overlap.apart(target, taken.source):
        return taken.source
    return taken.kept if taken.kept is not taken.source else None
