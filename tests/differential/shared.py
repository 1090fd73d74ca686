"""Everything outside of the random programs that they may use: struct types, maps, queues, constants. Facts only."""

from __future__ import annotations

import ctypes
from collections import namedtuple
from ctypes import BigEndianStructure, Structure, Union
from dataclasses import dataclass
from typing import Any

from py2bpf import Struct
from py2bpf.datastructures import (
    ArrayMap,
    BpfQueue,
    HashMap,
    LpmTrieMap,
    LruHashMap,
    LruPerCpuHashMap,
    PerCpuArrayMap,
    PerCpuHashMap,
    RingBuffer,
    SpinLock,
)

i8, i16, i32, i64 = ctypes.c_int8, ctypes.c_int16, ctypes.c_int32, ctypes.c_int64
u8, u16, u32, u64 = ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32, ctypes.c_uint64


class Inner(Structure):
    _fields_ = [("x", i16), ("flag", ctypes.c_bool), ("y", u32)]

    def total(self, factor=1):
        return self.x * factor + self.y


class Wire(BigEndianStructure):
    _fields_ = [("port", u16), ("kind", u8), ("rest", u8), ("addr", u32), ("delta", i32), ("less", i16), ("wide", u64)]


class Packed(Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = [("a", u8), ("b", u64), ("c", i32), ("d", u16), ("e", i64)]


class Bits(Structure):
    _fields_ = [("lo", u32, 3), ("mid", u32, 12), ("top", u32, 17), ("s", i32, 5), ("t", i32, 20), ("n", i32, 7)]


class Nibbles(BigEndianStructure):
    _fields_ = [("version", u8, 4), ("length", u8, 4), ("tos", u8), ("fragment", u16, 13), ("flags", u16, 3)]


class Words(Union):
    _fields_ = [("word", u32), ("half", u16 * 2), ("sign", i32), ("bytes", u8 * 4)]


class Rec(Structure):
    _fields_ = [
        ("i8", i8), ("u16", u16), ("i32", i32), ("u64", u64), ("b3", u32, 3), ("s5", i32, 5), ("i64", i64), ("u8", u8),
        ("i16", i16), ("row", u16 * 4), ("u32", u32), ("inner", Inner), ("name", ctypes.c_char * 8),
    ]  # fmt: skip

    @property
    def sum(self):
        return self.i8 + self.u16


class Cells(Structure):
    _fields_ = [("cells", Inner * 3), ("grid", (u8 * 3) * 2), ("wide", i64 * 3), ("big", u64 * 2)]


class Traffic(Structure):
    _fields_ = [
        ("packets", u64), ("bytes", i64), ("last", u32), ("small", u16), ("level", i8), ("name", ctypes.c_char * 5),
    ]  # fmt: skip


class Flow(Structure):
    _fields_ = [("source", u32), ("port", u16), ("kind", u8)]


class Padded(Structure):
    """Gaps between its fields and behind them."""

    _fields_ = [("a", u8), ("b", u64), ("c", i8), ("d", u16)]


class Tight(Structure):
    """A structure with gaps at an odd place."""

    _pack_ = 1
    _layout_ = "ms"
    _fields_ = [("kind", u8), ("inside", Padded), ("rest", i16)]


class Nest(Structure):
    _fields_ = [("first", i8), ("tight", Tight), ("list", Padded * 2), ("last", u8)]


class Label(Structure):
    """A key with a text in it."""

    _fields_ = [("kind", u16), ("name", ctypes.c_char * 6)]


class Event(Struct):
    """The short form of a Structure."""

    pid: u32
    delta: i64
    kind: u8
    row: u16 * 3
    inner: Inner

    def change(self, by=3):
        self.delta = (self.delta & 0xffff) + by
        return self.delta ^ self.pid


class Locked(Structure):
    """The values of a map whose entries have a lock."""

    _fields_ = [("count", u32), ("lock", SpinLock), ("size", i64), ("total", u64), ("level", i8)]


class Input(Structure):
    """A sample: what every program starts from."""

    _fields_ = [("b", u64), ("a", i64), ("c", i32), ("e", u32), ("f", i16), ("d", u8)]


STRUCTS: dict[str, Any] = {
    cls.__name__: cls
    for cls in (
        Inner, Wire, Packed, Bits, Nibbles, Words, Rec, Cells, Traffic, Flow, Padded, Tight, Nest, Label, Event,
        Locked, Input,
    )
}  # fmt: skip
ON_STACK = (
    "Rec", "Inner", "Wire", "Packed", "Bits", "Nibbles", "Words", "Cells", "Flow", "Traffic", "Event", "Padded",
    "Tight", "Nest",
)  # fmt: skip
"""The types whose instances programs make."""
OUTPUTS = 6


@dataclass(frozen=True)
class MapRow:
    """A map that programs may use; its name there is the key of MAPS. An array's key is u32."""

    make: Any
    key: Any
    value: Any
    entries: int
    default: int | None = None

    @property
    def is_array(self) -> bool:
        return self.make in (ArrayMap, PerCpuArrayMap)

    @property
    def per_cpu(self) -> bool:
        return self.make in (PerCpuArrayMap, PerCpuHashMap, LruPerCpuHashMap)

    @property
    def is_trie(self) -> bool:
        return self.make is LpmTrieMap

    def create(self) -> Any:
        if self.is_array:
            return self.make(self.value, self.entries)
        return self.make(self.key, self.value, self.entries, self.default)


MAPS: dict[str, MapRow] = {
    "IN": MapRow(ArrayMap, u32, Input, 1),
    "OUT": MapRow(ArrayMap, u32, u64, OUTPUTS),
    "H": MapRow(HashMap, u32, i64, 64),
    "U": MapRow(HashMap, i64, u64, 64),
    "W": MapRow(HashMap, u16, i32, 64, 7),
    "L": MapRow(LruHashMap, u32, i64, 1024),
    "P": MapRow(PerCpuHashMap, u8, i16, 64),
    "A": MapRow(ArrayMap, u32, u32, 8),
    "B": MapRow(PerCpuArrayMap, u32, i64, 4),
    "S": MapRow(HashMap, u32, Traffic, 64),
    "T": MapRow(ArrayMap, u32, Traffic, 4),
    "K": MapRow(HashMap, Flow, i64, 64),
    "R": MapRow(HashMap, u32, u32 * 4, 64),
    "C": MapRow(PerCpuArrayMap, u32, Rec, 1),
    "F": MapRow(HashMap, u32, Locked, 64),
    "X": MapRow(HashMap, u32, ctypes.c_char * 16, 64),
    "Y": MapRow(HashMap, ctypes.c_char * 8, i64, 64),
    "Z": MapRow(HashMap, Label, u32, 64),
    "E": MapRow(LruPerCpuHashMap, u32, i32, 1024),
    "M": MapRow(LpmTrieMap, u32, i64, 64),
    "D": MapRow(HashMap, Padded, Padded, 64),
}
QUEUES: dict[str, Any] = {"Q": Traffic, "N": i64, "O": ctypes.c_char * 16, "RING": Traffic}
"""Queues and their records' types; of O and RING a program can fill records in place."""
RINGS = ("O", "RING")


GLOBALS: dict[str, Any] = {"G": i64, "V": Traffic}
"""Global variables and their types."""


def create_queue(name: str) -> Any:
    return RingBuffer(QUEUES[name], 4096) if name in RINGS else BpfQueue(QUEUES[name], 2, latency=0)


CONSTANTS: dict[str, Any] = {
    "TABLE": (3, -1, 40, 1 << 33, 0, 7, 100, -5000),
    "WEIGHTS": [2, 3, 5],
    "NAMES": {"small": 40, "medium": 900, "large": 65000},
    "MODE": "fast",
    "CODES": {1: 10, 2: -3, 5: 1 << 33, 7: 0},
    "Pair": namedtuple("Pair", "first second kind", defaults=(7,)),
    "LIMITS": ((10, 1), (100, 2), (1000, 3)),
}
"""What programs capture besides."""
