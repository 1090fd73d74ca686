"""Ranges with run-time bounds, and iterators."""

from __future__ import annotations

from dataclasses import dataclass, field

from .base import Abstract
from .constant import Const
from .memory import Ref


@dataclass(slots=True, eq=False)
class RangeOf(Abstract):
    """A range() with a run-time bound. ``turns``, where it is no None, says how many numbers it has instead of
    ``stop``, which no integer of 64 bits may be able to."""

    words = "a range"
    by_fields = True

    start: Abstract
    stop: Abstract
    step: int
    turns: Abstract = field(default_factory=lambda: Const(None))


@dataclass(slots=True, eq=False)
class Items(Abstract):
    """An iterator over what can't change: constants and tuples."""

    words = "an iterator"
    by_fields = True

    items: tuple[Abstract, ...]
    position: int = 0


@dataclass(slots=True, eq=False)
class Walk(Abstract):
    """An iterator over a list or dict made in the program, whose items are those of the moment. ``size`` is what the
    dict had at the beginning."""

    words = "an iterator"
    by_fields = True

    source: Abstract
    position: int
    step: int = 1
    size: int | None = None


@dataclass(slots=True, eq=False)
class Numbered(Abstract):
    """The iterator of enumerate(): its next number."""

    words = "an iterator"
    by_fields = True

    inner: Abstract
    number: Abstract


@dataclass(slots=True, eq=False)
class Zipped(Abstract):
    """The iterator of zip(); ``strict``: a ValueError where the inner ones have different lengths."""

    words = "an iterator"
    by_fields = True

    inners: tuple[Abstract, ...]
    strict: bool = False


@dataclass(slots=True, eq=False)
class Ended(Abstract):
    """An iterator that has come to its end, and stays there."""

    words = "an iterator"


@dataclass(slots=True, eq=False)
class IteratorRef(Abstract):
    """An iterator that a program can name, and take items from in several places: how far it is, the state's heap
    knows."""

    words = "an iterator"
    one_object = True

    ident: int


@dataclass(slots=True, eq=False)
class Counter(Abstract):
    """An iterator over a range at run time: the next number, the bound, a constant step. The item is ``base`` plus
    ``scale`` times the number, or the item of that number of an ``array``, or a tuple of what each of the ``parts`` has
    for that number. ``wraps``: the number after the last one may not fit 64 bits."""

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
