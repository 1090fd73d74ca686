"""Samples: the input of a program's run, and the entries that maps have at its beginning."""

from __future__ import annotations

import ctypes
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared import GLOBALS, MAPS, Input, Label, Padded, Traffic

_TEXTS = (b"ab", b"packet", b"", b"xyz1")
_NETWORKS = ("0.0.0.0/6", "1.0.0.0/8", "4.0.0.0/7", "5.0.0.0/32")
_IP, _IP_SIZE = (b"\x08\0", b"\x86\xdd"), 54  # Ethernet types, and headers of Ethernet and IPv6


@dataclass(frozen=True)
class Sample:
    """One run's beginning: the fields of Input, the packet, whether the maps have entries; a seed for the context."""

    values: Mapping[str, int]
    packet: bytes
    filled: bool
    seed: int


_EDGES = {
    "a": (-(1 << 63), (1 << 63) - 1, -1), "b": ((1 << 64) - 1, 1 << 63), "c": (-(1 << 31), (1 << 31) - 1, -1),
    "e": ((1 << 32) - 1, 1 << 31), "f": (-(1 << 15), (1 << 15) - 1, -1), "d": (255, 128),
}  # fmt: skip
_BITS = {"a": 64, "b": 64, "c": 32, "e": 32, "f": 16, "d": 8}
_TYPES = dict(Input._fields_)


def samples(seed: int | str, count: int) -> list[Sample]:
    """Inputs near the boundaries and anywhere, the same for the same seed."""
    numbers = random.Random(f"sample {seed}")
    found = []
    for i in range(count):
        size = (1, 3, 8, 16, 33, 64)[i % 6]
        values = {}
        for name, bits in _BITS.items():
            number = numbers.getrandbits(min(size, bits)) * numbers.choice((1, 1, -1))
            if numbers.random() < 0.08:
                number = numbers.choice(_EDGES[name])
            values[name] = _TYPES[name](number).value
        packet = numbers.randbytes(numbers.choice((14, 20, 64, 64, 64, 100)))
        if packet[12:14] in _IP and len(packet) < _IP_SIZE:  # of which the kernel makes no test run
            packet = packet[:12] + b"\x88\xb5" + packet[14:]
        found.append(Sample(values, packet, i % 3 == 1, numbers.getrandbits(16)))
    return found


def filling(name: str) -> dict[Any, Any]:
    """The entries that a map has at the beginning of a filled sample."""
    row = MAPS[name]
    numbers = random.Random(f"filling of {name}")
    count = row.entries if row.is_array else 4
    entries = {}
    for i in range(count):
        value = row.value.from_buffer_copy(numbers.randbytes(ctypes.sizeof(row.value)))
        if _is_text(row.value):
            value = row.value.from_buffer_copy(_TEXTS[i].ljust(ctypes.sizeof(value), b"\0"))
        elif isinstance(value, ctypes._SimpleCData):
            value = row.value(numbers.choice((1, 3, 200, -5, 70000))).value
        elif isinstance(value, ctypes.Structure):
            value = row.value(*(_small(numbers, kind) for _, kind, *_ in row.value._fields_))
        entries[_NETWORKS[i] if row.is_trie else _key(row.key, i)] = value
    return entries


def _key(kind: Any, number: int) -> Any:
    """Some key of a map."""
    if kind is Label:
        return number, _TEXTS[number]
    if kind is Padded:
        return number, 1, 0, 0
    if issubclass(kind, ctypes.Structure):
        return number, number & 1, number >> 1
    return _TEXTS[number] if _is_text(kind) else number


def _is_text(kind: Any) -> bool:
    return issubclass(kind, ctypes.Array) and kind._type_ is ctypes.c_char


def _small(numbers: random.Random, kind: Any) -> Any:
    if issubclass(kind, ctypes._SimpleCData):
        return numbers.choice((0, 1, 2, 100, 7))
    return numbers.choice((b"ab", b"xyz1", b"")) if _is_text(kind) else kind()


FILLINGS = {name: filling(name) for name in MAPS if name not in ("IN", "OUT")}


def initial(name: str, sample: Sample) -> Any:
    """A global variable's value before a run."""
    if GLOBALS[name] is Traffic:
        return Traffic(7, -5, 3, 2, 1, b"ab") if sample.filled else Traffic()
    return 12345 if sample.filled else 0


def _entries(name: str, entries: Mapping[Any, Any]) -> list[tuple[Any, Any]]:
    """Entries in the form in which maps of the library take them."""
    key = MAPS[name].key
    return [(key(*k) if isinstance(k, tuple) else k, v) for k, v in entries.items()]


FILLED = {name: _entries(name, entries) for name, entries in FILLINGS.items()}
EMPTY = {
    name: [(i, row.value() if issubclass(row.value, ctypes.Structure) else 0) for i in range(row.entries)]
    for name, row in MAPS.items()
    if row.is_array
}
