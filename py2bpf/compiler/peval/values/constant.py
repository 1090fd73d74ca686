"""Python objects that are known at compile time."""

from __future__ import annotations

import types
from dataclasses import dataclass
from typing import Any, Final

from ...ir.values import Block, Value, const
from .. import integers
from ..builder import Builder
from ..naming import short
from .base import SIMPLE, Abstract

_PLAIN: Final = (int, bool, float, str, bytes, tuple, type(None))

_SIMPLE: Final = (int, str, bytes, type(None))


@dataclass(slots=True, eq=False)
class Const(Abstract):
    """A Python object that is known at compile time."""

    may_shrink = True

    obj: Any

    def describe(self) -> str:
        if self.obj is None:
            return "None"
        if isinstance(self.obj, type):
            return f"the type {self.obj.__name__}"
        if isinstance(self.obj, types.ModuleType):
            return f"the module {self.obj.__name__}"
        if isinstance(self.obj, types.FunctionType):
            return f"the function {self.obj.__name__}()"
        if " at 0x" in short(self.obj):  # says nothing to users
            return f"a captured {type(self.obj).__name__}"
        return f"the {type(self.obj).__name__} {short(self.obj)}"

    def is_like(self, other: Const) -> bool:
        return _are_one(self.obj, other.obj)

    def python_class(self) -> Any:
        return type(self.obj)

    @property
    def boolean(self) -> bool | None:
        return isinstance(self.obj, bool)

    def is_int(self) -> bool:
        return integers.is_plain_int(self.obj)

    def integer(self, b: Builder) -> Value | None:
        return integers.constant(self.obj) if isinstance(self.obj, int) else None

    def subprogram_key(self) -> tuple[Any, ...] | None:
        return (type(self.obj), self.obj if type(self.obj) in _SIMPLE else id(self.obj))

    def none_at(self, block: Block) -> Value:
        return const(int(self.obj is None))

    def truth_at(self, block: Block) -> Value | None:
        return const(int(bool(self.obj))) if type(self.obj) in _PLAIN else None


def _are_one(a: Any, b: Any) -> bool:
    """Whether two objects are identical, or equal and of one simple type."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, tuple):
        return len(a) == len(b) and all(_are_one(x, y) for x, y in zip(a, b, strict=True))
    return type(a) in SIMPLE and bool(a == b)


def is_none(value: Abstract) -> bool:
    """Whether the value is certainly None."""
    return isinstance(value, Const) and value.obj is None


NONE: Final = Const(None)


TRUE: Final = Const(True)


FALSE: Final = Const(False)
