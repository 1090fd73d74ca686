"""Structs, maps, queues, packets and helpers as a program sees them, for its run in CPython.

Memory is ctypes' own, so that layouts, truncation, bit fields and byte orders are CPython's; a View gives its integers
their 64-bit type on the way out. What a program holds of a struct in a map is the struct there.
"""

from __future__ import annotations

import ctypes
import types
from collections.abc import Iterator
from functools import cache
from typing import Any

from oracle import Int, is_signed, typed
from shared import MapRow


class EndOfProgram(Exception):
    """The kernel ends a program where Python has no exception: a packet load outside of the packet."""


@cache
def _record(kind: Any) -> dict[str, tuple[Any, int | None]]:
    """The fields of a struct: their types, and their offset where they are no bit fields."""
    return {name: (of, None if bits else getattr(kind, name).offset) for name, of, *bits in kind._fields_}


@cache
def _is_integer(kind: Any) -> bool:
    return issubclass(kind, ctypes._SimpleCData)


def view(raw: Any) -> Any:
    """A program's view of a ctypes object."""
    kind = type(raw)
    if issubclass(kind, ctypes.Array):
        return Chars(raw) if kind._type_ is ctypes.c_char else Items(raw)
    return Struct(raw)


def raw_of(value: Any, kind: Any) -> Any:
    """What ctypes takes for a value that a program assigns to a place of type ``kind``."""
    if isinstance(value, (Struct, Items)):
        return value.raw
    if isinstance(value, tuple):
        return kind(*(raw_of(item, None) for item in value))
    if isinstance(value, Chars):
        return bytes(value.raw)
    return int(value) if isinstance(value, int) else value


class Struct:
    """A view of a structure or union."""

    __slots__ = ("raw",)

    def __init__(self, raw: Any) -> None:
        object.__setattr__(self, "raw", raw)

    def __getattr__(self, name: str) -> Any:
        raw = self.raw
        fields = _record(type(raw))
        if name not in fields:
            found = getattr(type(raw), name)
            if isinstance(found, property):
                return found.fget(self)
            return types.MethodType(found, self)
        kind, offset = fields[name]
        if _is_integer(kind):
            return Int(getattr(raw, name), is_signed(kind))
        return view(kind.from_buffer(raw, offset))

    def __setattr__(self, name: str, value: Any) -> None:
        kind, offset = _record(type(self.raw))[name]
        _assign(self.raw, name, kind, offset, value)


def _assign(raw: Any, name: str, kind: Any, offset: int | None, value: Any) -> None:
    if _is_integer(kind):
        setattr(raw, name, bool(value) if kind is ctypes.c_bool else int(value))
    else:
        copy(kind.from_buffer(raw, offset), value)


def copy(target: Any, value: Any) -> None:
    """``target = value`` for arrays and structs; reads all of the value before it writes."""
    if value is None:
        raise TypeError(f"a {type(target).__name__} is needed here, not None")
    if isinstance(value, tuple):
        made = type(target)()  # ctypes makes such a value of the tuple first: what it has no item for becomes 0
        copy_items(made, value)
        value = view(made)
    if isinstance(value, bytes):
        data = value + b"\0" if len(value) < ctypes.sizeof(target) else value
    else:
        data = bytes(value.raw)
    ctypes.memmove(ctypes.addressof(target), data, len(data))


def copy_items(target: Any, value: Any) -> None:
    """The assignment to a slice: of a tuple's items one after the other."""
    if isinstance(value, tuple):
        for i, item in enumerate(value):
            _set(target, i, item)
    else:
        copy(target, value)


def _set(target: Any, index: int, value: Any) -> None:
    if isinstance(target, ctypes.Array):
        if _is_integer(target._type_):
            target[index] = int(value)
        else:
            copy(target[index], value)
    else:
        name = target._fields_[index][0]
        _assign(target, name, *_record(type(target))[name], value)


class Items:
    """A view of an array."""

    __slots__ = ("raw",)

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    def __len__(self) -> int:
        return len(self.raw)

    def _part(self, index: slice) -> Any:
        chosen = range(len(self.raw))[index]
        kind = type(self.raw)._type_
        return (kind * len(chosen)).from_buffer(self.raw, chosen.start * ctypes.sizeof(kind))

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            part = self._part(_plain(index))  # a slice of numbers is a copy, one of objects has the objects
            return view(type(part).from_buffer_copy(part) if _is_integer(type(part)._type_) else part)
        found = self.raw[int(index)]
        return Int(found, is_signed(type(self.raw)._type_)) if isinstance(found, int) else view(found)

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, slice):
            copy_items(self._part(_plain(index)), value)
        elif _is_integer(type(self.raw)._type_):
            self.raw[int(index)]  # an IndexError comes before the value is looked at
            self.raw[int(index)] = int(value)
        else:
            copy(self.raw[int(index)], value)

    def __iter__(self) -> Iterator[Any]:
        for i in range(len(self.raw)):
            yield self[i]


def _plain(index: slice) -> slice:
    return slice(*(None if part is None else int(part) for part in (index.start, index.stop, index.step)))


class Chars(Items):
    """A view of an array of chars: the array itself with its whole length, compared by its text up to the NUL."""

    __slots__ = ()
    __hash__ = None

    def _bytes(self) -> Any:
        return (ctypes.c_uint8 * len(self.raw)).from_buffer(self.raw)

    def text(self) -> bytes:
        return bytes(self._bytes()).split(b"\0")[0]

    def __eq__(self, other: object) -> bool:
        return self.text() == other

    def __bool__(self) -> bool:
        return bool(self.text())

    def startswith(self, prefix: bytes) -> bool:
        return self.text().startswith(prefix)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return view(self._part(_plain(index)))
        return Int(self._bytes()[int(index)], True)

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, slice):
            copy_items(self._part(_plain(index)), value)
        else:
            self._bytes()[int(index)]
            self._bytes()[int(index)] = int(value)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self.raw)))


class Type:
    """A ctypes type that programs call."""

    def __init__(self, kind: Any) -> None:
        self.kind = kind

    def __call__(self, *args: Any, **values: Any) -> Any:
        made = self.kind()
        for i, value in enumerate(args):
            _set(made, i, value)
        made_view = view(made)
        for name, value in values.items():
            setattr(made_view, name, value)
        return made_view

    def __mul__(self, count: int) -> Type:
        return Type(self.kind * int(count))


class SimulatedMap:
    """A map of any kind. Entries are ctypes objects under their keys' bytes."""

    def __init__(self, row: MapRow) -> None:
        self.row = row
        self.scalar = _is_integer(row.value)
        self.entries: dict[bytes, Any] = {}
        if row.is_array:
            self.entries = {bytes(row.key(i)): row.value() for i in range(row.entries)}

    def contents(self) -> dict[bytes, bytes]:
        """The entries as bytes."""
        return {key: bytes(value) for key, value in self.entries.items()}

    def _key(self, key: Any) -> bytes:
        if _is_integer(self.row.key):
            return bytes(self.row.key(int(key)))
        if isinstance(key, tuple):
            made = self.row.key()
            copy(made, key)
            return bytes(made)
        if key is None:
            raise TypeError("None is no key")
        return bytes(key.raw)

    def _value(self, value: Any) -> Any:
        if self.scalar:
            return self.row.value(int(value))
        made = self.row.value()
        copy(made, value)
        return made

    def _load(self, entry: Any) -> Any:
        return Int(entry.value, is_signed(self.row.value)) if self.scalar else view(entry)

    def _default(self) -> Any:
        return Int(self.row.default or 0, is_signed(self.row.value)) if self.scalar else None

    def __getitem__(self, key: Any) -> Any:
        entry = self.entries.get(self._key(key))
        return self._default() if entry is None else self._load(entry)

    def __setitem__(self, key: Any, value: Any) -> None:
        where, entry = self._key(key), self._value(value)
        if not self.row.is_array:
            self.entries[where] = entry
        elif where in self.entries:
            ctypes.memmove(ctypes.addressof(self.entries[where]), bytes(entry), ctypes.sizeof(entry))

    def __contains__(self, key: Any) -> bool:
        return self._key(key) in self.entries

    def __delitem__(self, key: Any) -> None:
        self.entries.pop(self._key(key), None)

    def get(self, key: Any, default: Any = None) -> Any:
        entry = self.entries.get(self._key(key))
        return default if entry is None else self._load(entry)

    def add(self, key: Any, value: Any) -> bool:
        where, entry = self._key(key), self._value(value)
        if where in self.entries or self.row.is_array:
            return False
        self.entries[where] = entry
        return True

    def setdefault(self, key: Any, value: Any = None) -> Any:
        if value is None:
            self._key(key)
            value = self._default() if self.scalar else view(self.row.value())
        self.add(key, value)
        entry = self.entries.get(self._key(key))
        return self._default() if entry is None else self._load(entry)

    def lock(self, key: Any) -> Held:
        """``with m.lock(key)``."""
        return Held(self.get(key))

    def pop(self, key: Any, *default: Any) -> Any:
        entry = self.entries.pop(self._key(key), None)
        if entry is None:
            return default[0] if default else self._default()
        return self._load(entry)


class Held:
    """What a with statement makes of a lock: the entry, or None."""

    def __init__(self, entry: Any) -> None:
        self.entry = entry

    def __enter__(self) -> Any:
        return self.entry

    def __exit__(self, *exc: object) -> None:
        """No more is done at the end: nobody else changes the entry."""


class SimulatedQueue:
    """A queue's records, as their bytes."""

    def __init__(self, record: Any) -> None:
        self.record = record
        self.records: list[bytes] = []

    def output(self, context: Any, value: Any) -> Int:
        if _is_integer(self.record):
            made = self.record(int(value))
        else:
            made = self.record()
            copy(made, value)
        self.records.append(bytes(made))
        return Int(0, True)


class SimulatedGlobal:
    """A global variable."""

    def __init__(self, kind: Any, initial: bytes) -> None:
        object.__setattr__(self, "raw", kind.from_buffer_copy(initial))

    def __getattr__(self, name: str) -> Any:
        kind = type(self.raw)
        return Int(self.raw.value, is_signed(kind)) if _is_integer(kind) else view(self.raw)

    def __setattr__(self, name: str, value: Any) -> None:
        if _is_integer(type(self.raw)):
            self.raw.value = int(value)
        else:
            copy(self.raw, value)


class PacketContext:
    """A network program's context: the packet from ``start`` on."""

    def __init__(self, packet: bytes, start: int) -> None:
        self.bytes = bytearray(packet)
        self.start = start
        self.len = Int(len(packet) - start, True)
        self.mark = Int(0, True)
        self.priority = Int(0, True)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("mark", "priority"):
            value = Int(int(value) & 0xFFFFFFFF, True)
        object.__setattr__(self, name, value)

    def packet(self, kind: Type, offset: int = 0) -> Any:
        """ctx.packet()."""
        at, size = self.start + int(offset), ctypes.sizeof(kind.kind)
        if offset < 0 or at + size > len(self.bytes):
            return None
        found = kind.kind.from_buffer(self.bytes, at)
        return Int(found.value, is_signed(kind.kind)) if _is_integer(kind.kind) else view(found)

    def load(self, offset: int, size: int) -> Int:
        """A load of the packet as BPF_LD_ABS and BPF_LD_IND do it: the offset has 32 bits, outside is the end."""
        at = ctypes.c_int32(int(offset)).value + self.start
        if at < self.start or at + size > len(self.bytes):
            raise EndOfProgram
        return Int(int.from_bytes(self.bytes[at : at + size], "big"), True)


class Funcs:
    """py2bpf.funcs, as far as the random programs call it."""

    @staticmethod
    def bswap16(number: int) -> Int:
        return Int(_swapped(number, 2), True)

    @staticmethod
    def bswap32(number: int) -> Int:
        return Int(_swapped(number, 4), True)

    @staticmethod
    def bswap64(number: int) -> Int:
        return Int(_swapped(number, 8), False)

    @staticmethod
    def memcpy(source: Any, target: Any, size: int) -> None:
        data = bytes(_raw(source))
        ctypes.memmove(ctypes.addressof(_raw(target)), data, int(size))

    @staticmethod
    def mem_eq(left: Any, right: Any, size: int | None = None) -> bool:
        first, second = (value if isinstance(value, bytes) else bytes(_raw(value)) for value in (left, right))
        count = len(second) if size is None else int(size)
        return first[:count] == second[:count]

    @staticmethod
    def packet_copy(skb: PacketContext, offset: int, target: Any) -> bool:
        at, size = int(offset) + skb.start, ctypes.sizeof(_raw(target))
        if not 0 <= int(offset) <= 0xFFFF or at + size > len(skb.bytes):
            ctypes.memset(ctypes.addressof(target.raw), 0, size)
            return False
        ctypes.memmove(ctypes.addressof(target.raw), bytes(skb.bytes[at : at + size]), size)
        return True

    @staticmethod
    def load_skb_byte(skb: PacketContext, offset: int) -> Int:
        return skb.load(offset, 1)

    @staticmethod
    def load_skb_short(skb: PacketContext, offset: int) -> Int:
        return skb.load(offset, 2)

    @staticmethod
    def load_skb_word(skb: PacketContext, offset: int) -> Int:
        return skb.load(offset, 4)


def _raw(value: Any) -> Any:
    """The memory behind a helper's argument."""
    if value is None:
        raise TypeError("a helper takes an object, not None")
    return value.raw


def _swapped(number: int, size: int) -> int:
    low = int(typed(number)) & ((1 << (8 * size)) - 1)
    return int.from_bytes(low.to_bytes(size, "little"), "big")
