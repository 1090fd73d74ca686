"""What is known of pointers into the packet at one place of a function."""

from __future__ import annotations

from typing import Final, NamedTuple

from ...analysis.packet_epochs import Epoch
from ...ir.ops import Op
from ...ir.types import Ptr, Region
from ...ir.values import Value

ENTIRE: Final = 1 << 20
"""More than any packet: how far a null pointer may be used, which no path does."""


class Place(NamedTuple):
    """A pointer as the verifier tracks it: all constant offsets from one root share what it knows."""

    root: Value
    offset: int


class Meaning(NamedTuple):
    """What a comparison says: ``root`` can be followed for ``extent`` bytes (where it is 0, if not ``positive``)."""

    root: Value
    extent: int
    positive: bool


class Known:
    """How far pointers can be followed, where they point, and the epoch."""

    def __init__(self) -> None:
        self.covered: dict[Value, int] = {}
        self.places: dict[tuple[Value, Epoch], Place] = {}
        self.epoch: Epoch = None

    def copy(self) -> Known:
        """The same, to be changed by itself."""
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
    """A pointer as another one and a constant."""
    offset = 0
    while pointer.op is Op.PTRADD and pointer.args[1].op is Op.CONST:
        offset += pointer.args[1].attr
        pointer = pointer.args[0]
    return pointer, offset
