"""Tuples, lists and slices made in the program."""

from __future__ import annotations

import inspect
import numbers
import types
from collections.abc import Iterator, Sequence
from typing import Any, Final

from ....exception import TypeMismatch, UnsupportedSyntax
from ...ir.values import Value, const
from .. import (
    addresses,
    class_attributes,
    equality,
    hints,
    identity,
    indices,
    iteration,
    iterators,
    kind,
    methods,
    namedtuples,
    overrides,
    searches,
    sequence_items,
    sequences,
    slices,
    special,
    stores,
)
from ..builder import Builder
from ..kind import Args, Kind, Kinds, Kwargs, Object
from ..machine import Machine
from ..state import State
from ..values import NONE, Abstract, Bound, Const, ListRef, Method, Ref, RuntimeInt, SliceOf, TupleOf
from .walked import WalkedKind


class TupleKind(Kind[TupleOf]):
    def truth(self, ev: Machine, state: State, value: TupleOf) -> Value:
        return const(int(bool(value.items)))

    def known_length(self, state: State, value: TupleOf) -> int | None:
        return len(value.items)

    def is_instance(self, ev: Machine, value: TupleOf, classes: Any) -> Abstract:
        return Const(issubclass(value.cls, classes))

    def as_object(self, b: Builder, state: State, value: TupleOf) -> Any:
        items = tuple(kind.of(item).as_object(b, state, item) for item in value.items)
        return items if value.cls is tuple else value.cls._make(items)

    def items(self, b: Builder, state: State, value: TupleOf) -> Iterator[Abstract] | None:
        special.refuse_iteration(value)
        return iter(value.items)

    def stored(self, b: Builder, state: State, value: TupleOf) -> Iterator[Abstract] | None:
        return iter(value.items)

    def attribute(self, ev: Machine, state: State, value: TupleOf, name: str) -> Abstract:
        if value.cls is tuple:
            return super().attribute(ev, state, value, name)
        return _named_item(ev, state, value, name)

    def equals(self, ev: Machine, state: State, value: TupleOf, other: Abstract) -> Value | None:
        if isinstance(other, TupleOf) or (isinstance(other, Const) and isinstance(other.obj, tuple)):
            return equality.of_tuples(ev, state, value.items, tuple(iteration.stored(ev.b, state, other) or ()))
        return _equals_constant(value, other.obj) if isinstance(other, Const) else None

    def identical(self, ev: Machine, value: TupleOf, other: Abstract) -> Value | None:
        return identity.made_anew(value, other, tuple)

    def contains(self, ev: Machine, state: State, value: TupleOf, item: Abstract) -> Value:
        return searches.through(ev, state, value, item)

    def binary(
        self, ev: Machine, state: State, op: str, value: TupleOf, other: Abstract, is_left: bool
    ) -> Abstract | None:
        if op == "+" and (isinstance(other, TupleOf) or (isinstance(other, Const) and isinstance(other.obj, tuple))):
            sides = (value, other) if is_left else (other, value)
            return sequences.tuple_of(sequences.joined(ev, state, *sides))
        if op == "*" and (items := sequences.repeated(ev.b, value.items, other)) is not None:
            return sequences.tuple_of(items)
        return None

    def is_sequence(self, value: TupleOf) -> bool:
        return True

    def store_into(self, b: Builder, place: Ref, value: TupleOf, by_items: bool) -> bool:
        stores.store_tuple(b, place, value, by_items)
        return True

    def fills(self, value: TupleOf, ctype: Any) -> bool:
        return False

    def address(self, ev: Machine, value: TupleOf) -> Ref:
        raise addresses.given_whole(value, *hints.for_number(value))

    def method(self, ev: Machine, state: State, value: TupleOf, name: str, args: Args, kwargs: Kwargs) -> Abstract:
        return namedtuples.call(ev, state, name, value, args, kwargs)

    def item(self, ev: Machine, state: State, value: TupleOf, key: Abstract) -> Abstract:
        if isinstance(key, Const) and isinstance(key.obj, slice):
            return sequences.tuple_of([value.items[at] for at in slices.chosen(ev.b, key.obj, len(value.items))])
        return sequence_items.item(ev, value.items, key, value.describe())


def _equals_constant(value: TupleOf, other: Any) -> Value:
    """Whether a run-time tuple equals a constant that is not a tuple."""
    return const(0) if isinstance(other, numbers.Number) else equality.with_object(value, other)


def _named_item(ev: Machine, state: State, owner: TupleOf, name: str) -> Abstract:
    """A namedtuple's item by its name, or another attribute of its class."""
    if overrides.own(owner, "__getattribute__") is not None:
        raise UnsupportedSyntax(0, f"{owner.cls.__name__} reads its attributes by a method, which programs don't call",
                                hints=("index the items: pair[0]",))  # fmt: skip
    fields = getattr(owner.cls, "_fields", ())
    found = inspect.getattr_static(owner.cls, name, None)
    if name in fields and not isinstance(found, (types.FunctionType, property)):
        item: Abstract = owner.items[fields.index(name)]
        return item
    if namedtuples.is_given(found):
        return Method(owner, name)
    if name == "_fields":
        return Const(fields)
    if isinstance(found, types.FunctionType) and not name.startswith("_"):
        return Bound(Const(found), (owner,))
    if isinstance(found, property):
        return class_attributes.of_property(ev, state, found, owner)
    near = hints.near(name, fields, f"it has {', '.join(fields)}")
    raise TypeMismatch(0, f"a {owner.cls.__name__} has no attribute {name!r}", hints=near)


_LIST_METHODS: Final = {"append": (1, 1), "extend": (1, 1), "pop": (0, 1)}
"""Methods, with the fewest and the most arguments that they take."""


class ListKind(WalkedKind[ListRef]):
    def contents(self, state: State, value: ListRef) -> tuple[Abstract, ...]:
        contents: tuple[Abstract, ...] = iterators.heap_object(state, value)
        return contents

    def is_instance(self, ev: Machine, value: ListRef, classes: Any) -> Abstract:
        return Const(issubclass(list, classes))

    def attribute(self, ev: Machine, state: State, value: ListRef, name: str) -> Abstract:
        return Method(value, name)

    def equals(self, ev: Machine, state: State, value: ListRef, other: Abstract) -> Value | None:
        if isinstance(other, (RuntimeInt, TupleOf)):
            return const(0)
        if not sequences.is_list(other):
            return None
        items = (tuple(iteration.stored(ev.b, state, each) or ()) for each in (value, other))
        return equality.of_tuples(ev, state, *items)

    def binary(
        self, ev: Machine, state: State, op: str, value: ListRef, other: Abstract, is_left: bool
    ) -> Abstract | None:
        if op == "+" and sequences.is_list(other):
            sides = (value, other) if is_left else (other, value)
            return sequences.new_list(ev, state, sequences.joined(ev, state, *sides))
        if op != "*":
            return None
        items = sequences.repeated(ev.b, self.contents(state, value), other)
        return None if items is None else sequences.new_list(ev, state, items)

    def is_sequence(self, value: ListRef) -> bool:
        return True

    def inplace(self, ev: Machine, state: State, op: str, value: ListRef, other: Abstract) -> Abstract | None:
        if op != "+":
            return None
        methods.extend(ev, state, value, other)
        return value

    def method(self, ev: Machine, state: State, value: ListRef, name: str, args: Args, kwargs: Kwargs) -> Abstract:
        methods.check_arguments("list", _LIST_METHODS, name, args, kwargs)
        items = self.contents(state, value)
        if name == "append":
            state.heap[value.ident] = (*items, args[0])
            return NONE
        if name == "extend":
            methods.extend(ev, state, value, args[0])
            return NONE
        args = tuple(indices.number(ev.b, arg) for arg in args) if name == "pop" else args
        if name == "pop" and items and (not args or (isinstance(args[0], Const) and isinstance(args[0].obj, int))):
            remaining, at = list(items), args[0].obj if args and isinstance(args[0], Const) else -1
            if not -len(items) <= at < len(items):
                ev.b.exit("IndexError")
            popped = iterators.arrived(ev.b, remaining.pop(at))
            state.heap[value.ident] = tuple(remaining)
            return popped
        raise UnsupportedSyntax(0, f"list.{name}() is not supported in compiled functions",
                                hints=("append, extend and pop are",))  # fmt: skip

    def item(self, ev: Machine, state: State, value: ListRef, key: Abstract) -> Abstract:
        items = tuple(iteration.stored(ev.b, state, value) or ())
        if isinstance(key, Const) and isinstance(key.obj, slice):
            return sequences.new_list(ev, state, [items[at] for at in slices.chosen(ev.b, key.obj, len(items))])
        return sequence_items.item(ev, items, key, value.describe())

    def as_object(self, b: Builder, state: State, value: ListRef) -> Any:
        return [kind.of(item).as_object(b, state, item) for item in self.contents(state, value)]

    def walked(self, state: State, value: ListRef) -> Sequence[Abstract]:
        return self.contents(state, value)

    def items(self, b: Builder, state: State, value: ListRef) -> Iterator[Abstract] | None:
        return (iterators.arrived(b, item) for item in self.walked(state, value))

    def set_item(self, ev: Machine, state: State, value: ListRef, key: Abstract, given: Abstract) -> None:
        slices.check_bounds(key, slices.WRITE_ONE_BY_ONE)
        if isinstance(key, Const) and isinstance(key.obj, slice):
            slices.replace(ev, state, value, key.obj, given)
        elif isinstance(key, Const) and isinstance(key.obj, int):
            items = list(self.contents(state, value))
            if not -len(items) <= key.obj < len(items):
                ev.b.exit("IndexError")
            items[key.obj] = given
            state.heap[value.ident] = tuple(items)
        else:
            super().set_item(ev, state, value, key, given)


KINDS: Final[Kinds] = {TupleOf: TupleKind(), ListRef: ListKind(), SliceOf: Object()}
