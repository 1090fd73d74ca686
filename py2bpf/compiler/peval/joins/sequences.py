"""Joins tuples of one length, item by item."""

from __future__ import annotations

from typing import Any

from ..plans import Slot
from ..values import Abstract, Const, TupleOf, wrap
from .join import Header, Join, Meeting


def _items(value: Abstract) -> tuple[Abstract, ...] | None:
    if isinstance(value, TupleOf):
        return value.items
    if isinstance(value, Const) and isinstance(value.obj, tuple):
        return tuple(map(Const, tuple.__iter__(value.obj)))
    return None


def _class(value: Abstract) -> Any:
    return value.cls if isinstance(value, TupleOf) else type(value.obj) if isinstance(value, Const) else None


def _wrapped(value: Abstract) -> tuple[Abstract, ...]:
    """The items; constant ones are wrapped, since a map is not a Const."""
    items = _items(value) or ()
    return items if isinstance(value, TupleOf) else tuple(wrap(item.obj) for item in items if isinstance(item, Const))


def _are_alike(mine: Abstract, back: Abstract) -> bool:
    """Whether both are tuples of one class and length."""
    items = _items(mine)
    return bool(items) and _class(mine) is _class(back) and len(items or ()) == len(_items(back) or ())


class Sequences(Join):
    def merge(self, meeting: Meeting, values: list[Abstract]) -> Abstract | None:
        sequences = [_items(value) for value in values]
        if any(items is None or len(items) != len(sequences[0] or ()) for items in sequences):
            return None
        classes = {_class(value) for value in values}
        items = [meeting.values([items[i] for items in sequences if items]) for i in range(len(sequences[0] or ()))]
        return TupleOf(tuple(items), classes.pop() if len(classes) == 1 else tuple)

    def open(self, loop: Header, slot: Slot, value: Abstract) -> Abstract | None:
        if isinstance(value, Const) and not isinstance(loop.wanted(slot), TupleOf):
            return None
        if _items(value) is None:
            return None
        items = tuple(loop.open((*slot, i), item) for i, item in enumerate(_wrapped(value)))
        return TupleOf(items, _class(value))

    def close(self, loop: Header, slot: Slot, mine: Abstract, back: Abstract) -> bool:
        if not _are_alike(mine, back):
            return False
        if isinstance(mine, TupleOf):
            for i, (item, other) in enumerate(zip(mine.items, _wrapped(back), strict=True)):
                loop.close((*slot, i), item, other)
            return True
        if not mine.same(back):
            loop.replan(slot, TupleOf(()))
        return False
