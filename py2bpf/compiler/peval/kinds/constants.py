"""Python objects that are known at compile time: their operations run at compile time if possible."""

from __future__ import annotations

import ctypes
import enum
import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ....exception import TypeMismatch, UnsupportedSyntax
from ...ir.ops import Op
from ...ir.values import Value, const
from .. import (
    addresses,
    arith,
    callables,
    captured,
    classes,
    constant_walks,
    constants,
    contents,
    counters,
    equality,
    giants,
    host,
    iteration,
    iterators,
    kind,
    ranges,
    searches,
    sequence_items,
    storage,
    stores,
    text,
)
from ..builder import Builder
from ..kind import Args, Kind, Kinds, Kwargs
from ..layout import is_chars
from ..machine import Machine
from ..naming import short
from ..state import State
from ..values import Abstract, Const, Counter, Items, Ref, RuntimeInt, wrap


class ConstKind(Kind[Const]):
    numbered = False

    def truth(self, ev: Machine, state: State, value: Const) -> Value:
        return arith.to_ir(ev.b, constants.operation(ev, "bool()", bool, value.obj))

    def is_none(self, ev: Machine, value: Const) -> Value:
        return const(int(value.obj is None))

    def is_instance(self, ev: Machine, value: Const, classes: Any) -> Abstract:
        return Const(isinstance(value.obj, classes))

    def as_object(self, b: Builder, state: State, value: Const) -> Any:
        return value.obj

    def precedence(self, b: Builder, value: Const) -> int:
        return 4 if value.obj is None else 0

    def equals(self, ev: Machine, state: State, value: Const, other: Abstract) -> Value | None:
        if value.obj is None:
            return kind.of(other).is_none(ev, other)
        if isinstance(other, Const):
            return const(int(value.obj == other.obj))
        return equality.of_integers(ev.b, value, other) if value.is_int() and isinstance(other, RuntimeInt) else None

    def identical(self, ev: Machine, value: Const, other: Abstract) -> Value | None:
        return const(int(value.obj is other.obj)) if isinstance(other, Const) else None

    def contains(self, ev: Machine, state: State, value: Const, item: Abstract) -> Value:
        if isinstance(item, Const):
            giants.check_search(value.obj, item.obj)
            return arith.to_ir(ev.b, constants.operation(ev, "in", operator.contains, value.obj, item.obj))
        if isinstance(value.obj, range):
            return ranges.contains(ev.b, ranges.of_constant(value.obj), arith.to_ir(ev.b, item))
        if isinstance(value.obj, bytes) and item.is_int():
            return _among_bytes(ev, state, value.obj, item)
        if isinstance(value.obj, (bytes, str)):
            raise TypeMismatch(0, f"can't search {value.describe()} for a run-time value",
                               hints=("search a tuple of what it may be",))  # fmt: skip
        return searches.through(ev, state, value, item, hashed=isinstance(value.obj, (dict, set, frozenset)))

    def binary(
        self, ev: Machine, state: State, op: str, value: Const, other: Abstract, is_left: bool
    ) -> Abstract | None:
        if isinstance(other, Const):
            giants.check(op, value.obj, other.obj)
            return constants.operation(ev, f"the operator {op}", arith.PYTHON[op], value.obj, other.obj)
        if op == "%" and is_left and isinstance(value.obj, (str, bytes)):
            raise constants.no_string(op)
        return None

    def inplace(self, ev: Machine, state: State, op: str, value: Const, other: Abstract) -> Abstract | None:
        if not hasattr(type(value.obj), f"__i{classes.BINARY[op]}__"):
            return None
        raise UnsupportedSyntax(
            0,
            f"can't change {value.describe()}: what a program captures is constant",
            hints=("keep changing values in a map, or make the object inside the function",),
        )

    def item_is_shared(self, b: Builder, value: Const) -> bool:
        raise captured.no_change(value.obj)  # before the read, which may end the program

    def is_sequence(self, value: Const) -> bool:
        return storage.is_sequence(value.obj)

    def store_into(self, b: Builder, place: Ref, value: Const, by_items: bool) -> bool:
        if is_chars(place.ctype) and isinstance(value.obj, bytes):
            contents.store_text(b, place, value)
        elif isinstance(value.obj, tuple):
            stores.store_tuple(b, place, value, by_items)
        elif isinstance(value.obj, place.ctype):
            stores.store_constant(b, place, value.obj)
        else:
            return False
        return True

    def fills(self, value: Const, ctype: Any) -> bool:
        return isinstance(value.obj, bytes) and len(value.obj) + 1 >= ctypes.sizeof(ctype)

    def address(self, ev: Machine, value: Const) -> Ref:
        return addresses.of_number(ev.b, value) if isinstance(value.obj, int) else super().address(ev, value)

    def directive(self, ev: Machine, value: Const, conversion: str, spec: str) -> tuple[str, Value | None]:
        return text.shown(ev, value.obj, conversion, spec).replace("%", "%%"), None

    def result(self, ev: Machine, value: Const, default: Value) -> Value:
        return default if value.obj is None else super().result(ev, value, default)

    def call(self, ev: Machine, state: State, value: Const, args: Args, kwargs: Kwargs, unit: int) -> Abstract:
        return callables.constant(ev, state, value.obj, args, kwargs, unit)

    def attribute(self, ev: Machine, state: State, value: Const, name: str) -> Abstract:
        return captured.attribute(ev, state, value.obj, name)

    def set_attribute(self, ev: Machine, state: State, value: Const, name: str, given: Abstract) -> None:
        if value.obj is None:
            ev.b.exit("AttributeError")
        captured.set_attribute(ev, state, value.obj, name, given)

    def has_attribute(self, b: Builder, value: Const, name: str) -> bool:
        return bool(host.run(b, f"reading .{name}", hasattr, value.obj, name))

    def item(self, ev: Machine, state: State, value: Const, key: Abstract) -> Abstract:
        if isinstance(key, Const):
            return captured.constant_item(ev, state, value.obj, key.obj)
        if isinstance(value.obj, Mapping):
            return captured.item(ev, state, value.obj, key)
        if type(value.obj) is range:
            return sequence_items.of_range(ev, ranges.of_constant(value.obj), key)
        items = iteration.stored(ev.b, state, value) if isinstance(value.obj, Sequence) else None
        if items is None:
            return super().item(ev, state, value, key)
        return sequence_items.item(ev, tuple(items), key, value.describe(), _as_bytes(value.obj))

    def items(self, b: Builder, state: State, value: Const) -> Iterator[Abstract] | None:
        if type(value.obj) is enum.EnumMeta:
            members: list[Any] = list(value.obj)
            return iter([wrap(member) for member in members])
        return iter(constant_walks.forwards(b, value.obj)) if constant_walks.is_iterable(value.obj) else None

    def stored(self, b: Builder, state: State, value: Const) -> Iterator[Abstract] | None:
        items = constant_walks.stored(value.obj)
        return self.items(b, state, value) if items is None else iter(items)

    def iterator(self, b: Builder, state: State, value: Const) -> Abstract:
        return counters.of_constants(value.obj) if isinstance(value.obj, range) else super().iterator(b, state, value)

    def backwards(self, b: Builder, state: State, value: Const) -> Abstract | None:
        if iterators.is_used_up(value.obj):
            return super().backwards(b, state, value)
        return Items(constant_walks.backwards(b, value.obj))

    def beside(self, b: Builder, state: State, value: Const) -> Counter | None:
        return counters.counted(b, value)

    def set_item(self, ev: Machine, state: State, value: Const, key: Abstract, given: Abstract) -> None:
        raise captured.no_change(value.obj)


def _among_bytes(ev: Machine, state: State, data: bytes, item: Abstract) -> Value:
    """``number in data``. Python raises ValueError for numbers outside the range of a byte."""
    number = arith.to_ir(ev.b, item)
    low, high = ev.b.compare(Op.GE, number, const(0)), ev.b.compare(Op.LE, number, const(255))
    ev.b.guard(arith.both(ev.b, low, high), "ValueError")
    return searches.through(ev, state, Const(tuple(sorted(set(bytes.__iter__(data))))), item)


def _as_bytes(obj: Any) -> str:
    """A hint for a run-time index of a str, whose items are not numbers."""
    return f"bytes have numbers as items, and take others: b{short(obj)}[i]" if _is_ascii(obj) else ""


def _is_ascii(obj: Any) -> bool:
    return isinstance(obj, str) and obj.isascii()


KINDS: Final[Kinds] = {Const: ConstKind()}
