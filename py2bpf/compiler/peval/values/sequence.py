"""Tuples, lists and slices made in the program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...ir.values import Block, Value, const
from .base import Abstract


@dataclass(slots=True, eq=False)
class TupleOf(Abstract):
    """A tuple with run-time items; ``cls`` is its class, which may be a namedtuple."""

    words = "a tuple"
    instead = ("name one of its items",)

    may_shrink = True

    items: tuple[Abstract, ...]
    cls: Any = tuple

    def python_class(self) -> Any:
        return self.cls

    def truth_at(self, block: Block) -> Value | None:
        return const(int(bool(self.items))) if self.cls is tuple else None


@dataclass(slots=True, eq=False)
class ListRef(Abstract):
    """A list made in the program. Its items are in the state's heap, since they change."""

    words = "a list"
    instead = ("name one of its items",)

    one_object = True
    may_shrink = True

    ident: int


@dataclass(slots=True, eq=False)
class SliceOf(Abstract):
    """A slice."""

    words = "a slice"

    start: Abstract
    stop: Abstract
    step: Abstract
