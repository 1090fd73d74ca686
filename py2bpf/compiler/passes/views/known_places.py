"""Facts about pointers into the packet at one place of a function."""

from __future__ import annotations

from typing import Final, NamedTuple

from ...analysis.packet_epochs import Epoch
from ...ir.ops import Op
from ...ir.types import Ptr, Region
from ...ir.values import Value

ENTIRE: Final = 1 << 20
"""More than any packet: the accessible bytes behind a null pointer, which no path uses."""


class Place(NamedTuple):
    """A pointer as the verifier tracks it: its facts about a root apply to all constant offsets from the root."""

    root: Value
    offset: int


class Meaning(NamedTuple):
    """The meaning of a comparison: ``extent`` bytes behind ``root`` are accessible if the comparison holds (or, if not
    ``positive``, if it doesn't)."""

    root: Value
    extent: int
    positive: bool


class Known:
    """How many bytes behind pointers are accessible, where they point, and the epoch."""

    def __init__(self) -> None:
        self.covered: dict[Value, int] = {}
        self.places: dict[tuple[Value, Epoch], Place] = {}
        self.epoch: Epoch = None

    def copy(self) -> Known:
        """A copy that can be changed independently."""
        other = Known()
        other.covered, other.places, other.epoch = self.covered.copy(), self.places.copy(), self.epoch
        return other


def is_place(value: Value) -> bool:
    """Whether a value is a pointer into the packet."""
    return isinstance(value.type, Ptr) and value.type.region is Region.PACKET


def is_null(value: Value) -> bool:
    """Whether a pointer is the null pointer: the only constant among pointers."""
    return value.op is Op.CONST


def strip(pointer: Value) -> tuple[Value, int]:
    """A pointer as a base pointer and a constant offset."""
    offset = 0
    while pointer.op is Op.PTRADD and pointer.args[1].op is Op.CONST:
        offset += pointer.args[1].attr
        pointer = pointer.args[0]
    return pointer, offset
