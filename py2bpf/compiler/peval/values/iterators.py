"""Ranges with run-time bounds, and iterators."""

from __future__ import annotations

from dataclasses import dataclass, field

from .base import Abstract
from .constant import Const
from .memory import Ref


@dataclass(slots=True, eq=False)
class RangeOf(Abstract):
    """A range() with a run-time bound. ``turns``, if not None, is the count of its numbers and replaces ``stop``, which
    may not fit 64 bits."""

    words = "a range"
    by_fields = True

    start: Abstract
    stop: Abstract
    step: int
    turns: Abstract = field(default_factory=lambda: Const(None))


@dataclass(slots=True, eq=False)
class Items(Abstract):
    """An iterator over items that can't change, of constants and tuples."""

    words = "an iterator"
    by_fields = True

    items: tuple[Abstract, ...]
    position: int = 0


@dataclass(slots=True, eq=False)
class Walk(Abstract):
    """An iterator over a list or dict made in the program. It reads the items that the container holds at each step.
    ``size`` is the length of the dict when the iteration began."""

    words = "an iterator"
    by_fields = True

    source: Abstract
    position: int
    step: int = 1
    size: int | None = None


@dataclass(slots=True, eq=False)
class Numbered(Abstract):
    """The iterator of enumerate(); ``number`` is its next number."""

    words = "an iterator"
    by_fields = True

    inner: Abstract
    number: Abstract


@dataclass(slots=True, eq=False)
class Zipped(Abstract):
    """The iterator of zip(); ``strict``: raises ValueError if the inner iterators have different lengths."""

    words = "an iterator"
    by_fields = True

    inners: tuple[Abstract, ...]
    strict: bool = False


@dataclass(slots=True, eq=False)
class Ended(Abstract):
    """An exhausted iterator."""

    words = "an iterator"


@dataclass(slots=True, eq=False)
class IteratorRef(Abstract):
    """An iterator that a program can name, and take items from in several places. Its position is in the state's
    heap."""

    words = "an iterator"
    one_object = True

    ident: int


@dataclass(slots=True, eq=False)
class Counter(Abstract):
    """An iterator over a range at run time: the next number, the bound, a constant step. Its item is ``base`` plus
    ``scale`` times the number, or the item of ``array`` with the number as its index, or a tuple with the item of each
    of ``parts``. ``wraps``: the number after the last one may not fit 64 bits."""

    words = "an iterator"
    by_fields = True

    current: Abstract
    stop: Abstract
    step: int
    base: Abstract = field(default_factory=lambda: Const(0))
    scale: int = 1
    array: Ref | None = None
    wraps: bool = False
    parts: tuple[Abstract, ...] = ()
