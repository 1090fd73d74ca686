"""The base class of abstract values, which local variables and stack slots hold at compile time."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from ...ir.ops import Op
from ...ir.values import Block, Value, const
from .. import block_ends
from ..builder import Builder

CellId = tuple[Any, str]
"""Identifies a variable that functions share: the path of calls to the function that owns it, and its name. The same
in every attempt."""


class Abstract:
    """The base of all abstract values. They are immutable. Compare them with ``same()``: ``==`` compares identities."""

    __slots__ = ()
    words: ClassVar[str]
    """The kind as the object of a sentence. Classes whose values differ override describe()."""

    instead: ClassVar[tuple[str, ...]] = ("only integers can be computed with at run time",)
    """Hints for places where a number is needed. Classes whose values differ override number_hint()."""

    def describe(self) -> str:
        """The value as the object of a sentence: "the str 'abc'", "an integer known at run time only"."""
        return self.words

    def number_hint(self) -> tuple[str, ...]:
        """Hints for places where a number is needed."""
        return self.instead

    one_object: ClassVar[bool] = False
    """Whether two abstract values that are the same stand for one and the same Python object."""

    by_fields: ClassVar[bool] = False
    """Whether values of several paths can be joined by joining each of their fields."""

    def fields(self) -> tuple[str, ...]:
        """The names of the value's fields."""
        names: tuple[str, ...] = type(self).__slots__
        return names

    def same(self, other: Abstract) -> bool:
        """Whether two values are certainly the same."""
        return self is other or (type(self) is type(other) and self.is_like(other))

    def is_like(self, other: Any) -> bool:
        """``same()`` for two values of one class."""
        return all(is_same_field(getattr(self, name), getattr(other, name)) for name in self.fields())

    may_shrink: ClassVar[bool] = False
    """Whether recursion with such an argument may end: the next argument may be smaller, or another constant."""

    def python_class(self) -> Any:
        """The class of the object in Python; None if users can't define methods for it."""
        return None

    @property
    def boolean(self) -> bool | None:
        """Whether the value is a bool in Python; None if that depends on the path. For an integer or None: whether the
        integer is a bool."""
        return False

    def is_int(self) -> bool:
        """Whether the value can be an integer operand."""
        return False

    def integer(self, b: Builder) -> Value | None:
        """The value as an IR integer; None if it is not an integer."""
        return None

    def null_where_none(self) -> Value | None:
        """An IR value that is 0, or null, exactly if the value is None. Gives None for constants, and for values that
        are never None."""
        return None

    def subprogram_key(self) -> tuple[Any, ...] | None:
        """The properties of an argument on which a subprogram's code depends; None if subprograms can't take it."""
        return None

    def none_at(self, block: Block) -> Value:
        """``value is None`` at the end of a block."""
        asked = self.null_where_none()
        return const(0) if asked is None else block_ends.is_zero(block, asked)

    def truth_at(self, block: Block) -> Value | None:
        """``bool(value)`` at the end of a block; None if it takes more than an operation or two."""
        return None


SIMPLE: Final = (int, str, bytes, bool, float, type(None))
"""Types whose equal objects are interchangeable."""


def is_same_field(a: Any, b: Any) -> bool:
    """Whether a field of two values is certainly the same."""
    if isinstance(a, Abstract):
        return isinstance(b, Abstract) and a.same(b)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(is_same_field(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, Value) and isinstance(b, Value):
        return a is b or (a.op is Op.CONST and b.op is Op.CONST and a.attr == b.attr and a.type == b.type)
    return a is b or (isinstance(a, SIMPLE) and type(a) is type(b) and bool(a == b))
