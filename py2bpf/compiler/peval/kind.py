"""Python's operations on one kind of abstract value: the protocol that the modules of kinds/ implement.

A kind implements the operations that it supports. The others are errors here, and never work by accident. A method
doesn't test the kind of ``value``, which is its own. It may test the kind of the other operand, and gives None to leave
the decision to that kind. Methods of a user's class come before any kind is asked (special.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final, Generic, TypeVar

from ...exception import InternalCompilerError, TypeMismatch, UnsupportedSyntax
from ..ir.ops import Op
from ..ir.values import Value, const
from . import arith, hints
from .builder import Builder
from .machine import Machine
from .state import State
from .values import Abstract, Const, Counter, Items, Ref

V = TypeVar("V", bound=Abstract)
Args = tuple[Abstract, ...]
Kwargs = dict[str, Abstract]


class NotConstant(Exception):  # noqa: N818 - control flow
    """The value is not a Python object at compile time."""


class Kind(Generic[V]):
    """The operations on values of one kind."""

    # what it is

    def truth(self, ev: Machine, state: State, value: V) -> Value:
        """``bool(value)`` as a branch condition: any number but 0 is true."""
        raise InternalCompilerError("peval", f"nothing says whether {value.describe()} is true")

    def is_none(self, ev: Machine, value: V) -> Value:
        """``value is None`` as 1 or 0."""
        asked = value.null_where_none()
        return const(0) if asked is None else ev.b.compare(Op.EQ, asked, const(0))

    def is_instance(self, ev: Machine, value: V, classes: Any) -> Abstract:
        """``isinstance(value, classes)``."""
        raise TypeMismatch(0, f"isinstance() can't tell the class of {value.describe()}",
                           hints=("it can of constants, integers, ctypes objects and maps",))  # fmt: skip

    def is_sequence(self, value: V) -> bool:
        """Whether a sequence pattern of ``match`` accepts the value."""
        return False

    def as_object(self, b: Builder, state: State, value: V) -> Any:
        """The value as a Python object; raises NotConstant if it is known at run time only."""
        raise NotConstant

    # comparisons and operators

    def precedence(self, b: Builder, value: V) -> int:
        """The side of == with the greater precedence decides. Values that may be None come first, since they must be
        tested for None before anything else."""
        return 0

    def equals(self, ev: Machine, state: State, value: V, other: Abstract) -> Value | None:
        """``value == other``, or the other way round, as 1 or 0; None to leave it to the other kind."""
        return None

    def identical(self, ev: Machine, value: V, other: Abstract) -> Value | None:
        """``value is other``, or the other way round; None to leave it to the other kind. Neither value is Python's
        None."""
        return None

    def contains(self, ev: Machine, state: State, value: V, item: Abstract) -> Value:
        """``item in value``."""
        raise TypeMismatch(0, f"can't search {value.describe()}", hints=(hints.for_search(value),))

    def binary(self, ev: Machine, state: State, op: str, value: V, other: Abstract, is_left: bool) -> Abstract | None:
        """``value op other``, or the other way round; None to leave it to the other kind, or to integer arithmetic."""
        return None

    # calls

    def call(self, ev: Machine, state: State, value: V, args: Args, kwargs: Kwargs, unit: int) -> Abstract:
        """``value(*args, **kwargs)``; ``unit`` numbers the calls within one function."""
        raise TypeMismatch(0, f"{value.describe()} can't be called", hints=("only functions and ctypes types can",))

    def method(self, ev: Machine, state: State, value: V, name: str, args: Args, kwargs: Kwargs) -> Abstract:
        """``value.name(*args, **kwargs)``."""
        raise TypeMismatch(0, f"{value.describe()} has no method {name}()",
                           hints=("maps, integers, char arrays, lists and dicts have some",))  # fmt: skip

    # its length, and its items in turn

    no_length: ClassVar[str] = "tuples, lists and ctypes arrays have one"
    """A hint: what to write instead of len()."""

    def known_length(self, state: State, value: V) -> int | None:
        """len() if it is known at compile time, else None."""
        return None

    def length(self, ev: Machine, state: State, value: V) -> Abstract:
        """``len(value)``."""
        known = self.known_length(state, value)
        if known is None:
            raise TypeMismatch(0, f"{value.describe()} has no length that a program knows", hints=(self.no_length,))
        return Const(known)

    no_items: ClassVar[tuple[str, ...]] = ("ranges, tuples, lists, dicts and ctypes arrays can be iterated over",)
    """Hints: what to write instead of a loop over the value."""
    is_iterator: ClassVar[bool] = False
    """Whether a loop takes items from the value itself."""

    def items(self, b: Builder, state: State, value: V) -> Iterator[Abstract] | None:
        """The items that iteration gives, if their number is known at compile time, else None. Each is loaded from
        memory when the caller takes it, so that code that uses one after the other doesn't need registers for all."""
        return None

    def stored(self, b: Builder, state: State, value: V) -> Iterator[Abstract] | None:
        """The items that operations of built-in types read directly, without ``__iter__`` of a user's class."""
        return self.items(b, state, value)

    def walked(self, state: State, value: V) -> Sequence[Abstract]:
        """The present items of a container that the program may change while it iterates over it."""
        raise InternalCompilerError("peval", f"nothing changes in {value.describe()}")

    def iterator(self, b: Builder, state: State, value: V) -> Abstract:
        """``iter(value)``. Containers that may change meanwhile are read item by item."""
        items = self.items(b, state, value)
        if items is None:
            raise TypeMismatch(0, f"can't iterate over {value.describe()}", hints=self.no_items)
        return Items(tuple(items))

    def backwards(self, b: Builder, state: State, value: V) -> Abstract | None:
        """The iterator of ``reversed(value)``; None if the value has no known length."""
        items = self.items(b, state, value)
        return None if items is None else Items(tuple(items)[::-1])

    def step(self, b: Builder, state: State, value: V) -> tuple[Abstract, Abstract | None]:
        """The iterator after one step, and the item, None at the end. Only for items that are known at compile time."""
        raise TypeMismatch(0, f"can't iterate over {value.describe()}", hints=self.no_items)

    def ends_at_run_time(self, state: State, value: V) -> bool:
        """Whether the number of items is known at run time only."""
        return False

    def beside(self, b: Builder, state: State, value: V) -> Counter | None:
        """A counter of the value's items, up from 0, for a run-time loop over several values side by side; None if the
        value can't take part in one."""
        return None

    # its attributes

    def attribute(self, ev: Machine, state: State, value: V, name: str) -> Abstract:
        """``value.name``."""
        raise TypeMismatch(0, f"{value.describe()} has no attribute {name!r}", hints=hints.for_attribute(value, name))

    def set_attribute(self, ev: Machine, state: State, value: V, name: str, given: Abstract) -> None:
        """``value.name = given``."""
        raise UnsupportedSyntax(
            0, f"can't assign to an attribute of {value.describe()}", hints=hints.for_number(value)
        )  # fmt: skip

    def has_attribute(self, b: Builder, value: V, name: str) -> bool:
        """``hasattr(value, name)``; for a value that may be None, the answer if it isn't."""
        raise TypeMismatch(0, f"{value.describe()} has no attributes", hints=("structs and the context have",))

    # its items by number or key

    numbered: ClassVar[bool] = True
    """Whether keys with ``__index__`` count as numbers; dicts use the key's hash and == instead."""

    def item(self, ev: Machine, state: State, value: V, key: Abstract) -> Abstract:
        """``value[key]``."""
        raise TypeMismatch(0, f"{value.describe()} can't be indexed with []",
                           hints=self.where_items_are(ev, value, key))  # fmt: skip

    def where_items_are(self, ev: Machine, value: V, key: Abstract) -> tuple[str, ...]:
        """Hints: which values have items instead."""
        return ("tuples, lists, ctypes arrays and maps have",)

    def set_item(self, ev: Machine, state: State, value: V, key: Abstract, given: Abstract) -> None:
        """``value[key] = given``."""
        hint = ("lists and dicts of a program take constant keys only: use a ctypes array or a map",)
        raise UnsupportedSyntax(0, f"can't assign to an item of {value.describe()}", hints=hint)

    def delete_item(self, ev: Machine, state: State, value: V, key: Abstract) -> None:
        """``del value[key]``."""
        raise TypeMismatch(
            0, f"can't delete items of {value.describe()}",
            hints=("items of maps can be deleted; lists have pop()",),
        )  # fmt: skip


    def result(self, ev: Machine, value: V, default: Value) -> Value:
        """The program's result if its function returns the value; ``default`` for None."""
        return arith.to_ir(ev.b, value, "a program returns an integer")

    # augmented assignment

    def inplace(self, ev: Machine, state: State, op: str, value: V, other: Abstract) -> Abstract | None:
        """``value op= other`` if the object itself changes; None if it means ``value = value op other``."""
        return None

    def attribute_is_shared(self, b: Builder, value: V, name: str) -> bool:
        """Whether ``value.name op= v`` must be one atomic operation."""
        return False

    def item_is_shared(self, b: Builder, value: V) -> bool:
        """Whether ``value[key] op= v`` must be one atomic operation."""
        return False

    def update_attribute(self, b: Builder, value: V, name: str, op: str, operand: Abstract) -> None:
        """``value.name op= operand`` as one atomic operation."""
        raise InternalCompilerError("peval", f"no attribute of {value.describe()} is shared")

    def update_item(self, b: Builder, value: V, key: Abstract, op: str, operand: Abstract) -> None:
        """``value[key] op= operand`` as one atomic operation."""
        raise InternalCompilerError("peval", f"no item of {value.describe()} is shared")

    # in memory, and printed

    def store_into(self, b: Builder, place: Ref, value: V, by_items: bool) -> bool:
        """Assigns to a ctypes object that is not a number. False if the object can't take such a value."""
        return False

    def fills(self, value: V, ctype: Any) -> bool:
        """Whether assigning the value writes all bytes of an object."""
        return True

    def address(self, ev: Machine, value: V) -> Ref:
        """``addrof(value)``."""
        raise TypeMismatch(
            0, f"{value.describe()} has no address in a program", hints=("helpers take constant strings as they are",)
        )  # fmt: skip

    def shown_as(self, ev: Machine, value: V, conversion: str, spec: str) -> tuple[Value, Any, Any] | None:
        """For a value that Python shows as one of two texts: the condition, the part to print if it holds, and the part
        to print otherwise."""
        return None

    def directive(self, ev: Machine, value: V, conversion: str, spec: str) -> tuple[str, Value | None]:
        """The kernel's directive that prints the value, and its argument; or a text, and None."""
        raise TypeMismatch(0, f"can't print {value.describe()}", hints=hints.for_print(value))


class Hidden(Kind[V]):
    """A kind that only the evaluator uses: no operation ever gets such a value."""


class Object(Kind[V]):
    """A kind whose values are always true."""

    def truth(self, ev: Machine, state: State, value: V) -> Value:
        return const(1)


Kinds = Mapping[type[Abstract], Kind[Any]]
_KINDS: Final[dict[type[Abstract], Kind[Any]]] = {}


def register(kinds: Kinds) -> None:
    """Adds kinds to the table that ``of()`` reads."""
    _KINDS.update(kinds)


def of(value: Abstract) -> Kind[Any]:
    """The kind of a value."""
    return _KINDS[type(value)]
