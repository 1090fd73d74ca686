"""Types of IR values: two integers and pointers that know their region."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from ...spec import MapSpec


class Region(Enum):
    """The memory that a pointer points into; it decides who may load, store and add atomically."""

    STACK = "stack"
    CTX = "ctx"
    MAP = "map"
    VALUE = "value"
    MEM = "mem"
    PACKET = "packet"
    RECORD = "record"


@dataclass(frozen=True)
class Int:
    """A 64-bit integer, signed or unsigned."""

    signed: bool

    @property
    def lo(self) -> int:
        return -(1 << 63) if self.signed else 0

    @property
    def hi(self) -> int:
        return (1 << 63) - 1 if self.signed else (1 << 64) - 1

    def __str__(self) -> str:
        return "i64" if self.signed else "u64"


@dataclass(frozen=True)
class Ptr:
    """A pointer into a region. ``spec`` is the map that a VALUE, RECORD or MAP pointer belongs to."""

    region: Region
    nullable: bool = False
    spec: MapSpec | None = None

    def __str__(self) -> str:
        return f"{self.region.value}*{'?' if self.nullable else ''}"


@dataclass(frozen=True)
class Void:
    """The type of an instruction that has no value."""

    def __str__(self) -> str:
        return "void"


Type = Int | Ptr | Void
I64: Final = Int(True)
U64: Final = Int(False)
VOID: Final = Void()
STACK: Final = Ptr(Region.STACK)
CTX: Final = Ptr(Region.CTX)
VIEW: Final = Ptr(Region.PACKET, nullable=True)
PLACE: Final = Ptr(Region.PACKET)
PACKET_REACH: Final = 0xFFFF
"""The verifier's MAX_PACKET_OFF: an access to a packet ends at most this many bytes behind the packet's start."""


def join_ints(a: Int, b: Int) -> Int:
    """The type of an operation on two integers: u64 with anything is u64."""
    return I64 if a.signed and b.signed else U64
