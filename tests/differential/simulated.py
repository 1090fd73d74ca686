"""Structs, maps, queues, packets and helpers as a program sees them, for its run in CPython.

Memory is ctypes' own, so that layouts, truncation, bit fields and byte orders are CPython's; a View gives its integers
their 64-bit type on the way out. What a program holds of a struct in a map is the struct there.
"""

from __future__ import annotations

import ctypes
import ipaddress
import re
import types
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from oracle import Int, number, typed
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


def view(raw: Any, text: bool = False) -> Any:
    """A program's view of a ctypes object. ``text``: it is a field or a map's value, which Python has as bytes if it is
    an array of chars."""
    kind = type(raw)
    if issubclass(kind, ctypes.Array):
        return Chars(raw, text) if kind._type_ is ctypes.c_char else Items(raw)
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
            return number(getattr(raw, name), kind)
        return view(kind.from_buffer(raw, offset), text=True)

    def place(self, name: str) -> Place:
        """Where a field is that holds a number."""
        kind, offset = _record(type(self.raw))[name]
        return Place(kind.from_buffer(self.raw, offset))

    def __setattr__(self, name: str, value: Any) -> None:
        kind, offset = _record(type(self.raw))[name]
        _assign(self.raw, name, kind, offset, value)


def _assign(raw: Any, name: str, kind: Any, offset: int | None, value: Any) -> None:
    if _is_integer(kind):
        setattr(raw, name, bool(value) if kind is ctypes.c_bool else kind(int(value)).value)  # a program truncates
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
    data = value if isinstance(value, bytes) else bytes(value.raw)
    if getattr(target, "_type_", None) is ctypes.c_char:
        data = text_in(target, constant(value) if isinstance(value, bytes) else data)
    ctypes.memmove(ctypes.addressof(target), data, len(data))


def constant(text: bytes) -> bytes:
    """What a constant with a NUL inside has as its text."""
    return text.split(b"\0")[0]


def text_in(target: Any, data: bytes) -> bytes:
    """Nothing stays behind a text."""
    return data.ljust(ctypes.sizeof(target), b"\0")


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
        return number(found, type(self.raw)._type_) if isinstance(found, int) else view(found)

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, slice):
            copy_items(self._part(_plain(index)), value)
        elif _is_integer(type(self.raw)._type_):
            self.raw[int(index)]  # an IndexError comes before the value is looked at
            self.raw[int(index)] = int(value)
        else:
            copy(self.raw[int(index)], value)

    def place(self, index: int) -> Place:
        """Where an item is that holds a number."""
        kind = type(self.raw)._type_
        return Place(kind.from_buffer(self.raw, range(len(self.raw))[int(index)] * ctypes.sizeof(kind)))

    def __iter__(self) -> Iterator[Any]:
        for i in range(len(self.raw)):
            yield self[i]


class Place:
    """The place of a number in memory: what addrof() gives."""

    __slots__ = ("raw",)

    def __init__(self, raw: Any) -> None:
        self.raw = raw


def variable_place(value: Any) -> Any:
    """The place of a variable that is a number; any other is the object itself."""
    if not isinstance(value, int):
        return value
    return Place((ctypes.c_int64 if typed(value).signed else ctypes.c_uint64)(int(value)))


def placed(value: Any) -> Any:
    """What a variable is after its place was lent out."""
    return number(value.raw.value, type(value.raw)) if isinstance(value, Place) else value


def field_place(owner: Any, name: str) -> Any:
    """What the address of ``owner.name`` is of."""
    if owner is None:
        raise AttributeError(name)
    value = getattr(owner, name)
    return owner.place(name) if isinstance(owner, Struct) and isinstance(value, int) else value


def item_place(owner: Any, index: Any) -> Any:
    """What the address of ``owner[index]`` is of."""
    value = owner[index]
    return owner.place(index) if isinstance(owner, Items) and isinstance(value, int) else value


PLACES: dict[str, Any] = {
    "_variable_place": variable_place, "_placed": placed, "_field_place": field_place, "_item_place": item_place,
}  # fmt: skip
"""What oracle.py has typed sources call where they take addresses."""


def _plain(index: slice) -> slice:
    return slice(*(None if part is None else int(part) for part in (index.start, index.stop, index.step)))


class Chars(Items):
    """A view of an array of chars: the array itself with its whole length, compared by its text up to the NUL.

    ``is_text``: where it is a field or a map's value, and so false when empty. Others are objects, always true.
    """

    __slots__ = ("is_text",)
    __hash__ = None

    def __init__(self, raw: Any, is_text: bool) -> None:
        super().__init__(raw)
        self.is_text = is_text

    def _bytes(self) -> Any:
        return (ctypes.c_uint8 * len(self.raw)).from_buffer(self.raw)

    def text(self) -> bytes:
        return bytes(self._bytes()).split(b"\0")[0]

    def __eq__(self, other: object) -> bool:
        return self.text() == (other.text() if isinstance(other, Chars) else other)

    def __bool__(self) -> bool:
        return not self.is_text or bool(self.text())

    def startswith(self, prefix: bytes) -> bool:
        return self.text().startswith(prefix)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return view(self._part(_plain(index)), self.is_text)
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
        if isinstance(key, bytes):
            return text_in(self.row.key, key)  # all its bytes count
        return bytes(key.raw)

    def _value(self, value: Any) -> Any:
        if self.scalar:
            return self.row.value(int(value))
        made = self.row.value()
        copy(made, value)
        return made

    def _load(self, entry: Any) -> Any:
        return number(entry.value, self.row.value) if self.scalar else view(entry, text=True)

    def _default(self) -> Any:
        return number(self.row.default or 0, self.row.value) if self.scalar else None

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
            value = self._default() if self.scalar else view(self.row.value(), text=True)
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


class SimulatedTrie(SimulatedMap):
    """An LPM trie: keys are addresses, entries networks, and reading finds the longest prefix."""

    def _find(self, key: Any) -> Any:
        address = int.from_bytes(bytes(self.row.key(int(key))), "big")
        bits = 8 * ctypes.sizeof(self.row.key)
        found = None, -1
        for raw, entry in self.entries.items():
            length, network = int.from_bytes(raw[:4], "little"), int.from_bytes(raw[4:], "big")
            if length > found[1] and (address ^ network) >> (bits - length) == 0:
                found = entry, length
        return found[0]

    def _key(self, key: Any) -> bytes:
        if isinstance(key, str):
            network = ipaddress.ip_network(key)
            return bytes(ctypes.c_uint32(network.prefixlen)) + network.network_address.packed
        address = bytes(self.row.key(int(key)))
        return bytes(ctypes.c_uint32(8 * len(address))) + address

    def __getitem__(self, key: Any) -> Any:
        entry = self._find(key)
        return self._default() if entry is None else self._load(entry)

    def __contains__(self, key: Any) -> bool:
        return self._find(key) is not None

    def get(self, key: Any, default: Any = None) -> Any:
        entry = self._find(key)
        return default if entry is None else self._load(entry)


class SimulatedTails:
    """A program array: what a tail call goes to."""

    def __init__(self, programs: Mapping[int, Callable[[], int]]) -> None:
        self.programs = programs


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
        self.keep(bytes(made))
        return Int(0, True)

    def keep(self, data: bytes) -> None:
        """Of a char array Python reads its text."""
        if getattr(self.record, "_type_", None) is ctypes.c_char:
            data = data.split(b"\0")[0].ljust(len(data), b"\0")
        self.records.append(data)


class SimulatedRing(SimulatedQueue):
    """A ring, whose records a program can fill in place."""

    def reserve(self) -> Any:
        return view(self.record())

    def submit(self, record: Any) -> None:
        self.keep(bytes(_raw(record)))

    def discard(self, record: Any) -> None:
        """Nobody sees it."""
        _raw(record)

    def output(self, value: Any) -> Int:  # type: ignore[override]
        return super().output(None, value)


class SimulatedGlobal:
    """A global variable."""

    def __init__(self, kind: Any, initial: bytes) -> None:
        object.__setattr__(self, "raw", kind.from_buffer_copy(initial))

    def __getattr__(self, name: str) -> Any:
        kind = type(self.raw)
        return number(self.raw.value, kind) if _is_integer(kind) else view(self.raw)

    def __setattr__(self, name: str, value: Any) -> None:
        if _is_integer(type(self.raw)):
            self.raw.value = int(value)
        else:
            copy(self.raw, value)


_STORED_AS = {"mark": ctypes.c_uint32, "priority": ctypes.c_uint32, "tstamp": ctypes.c_uint64}


class PacketContext:
    """A network program's context: the packet from ``start`` on, and the context's own ``fields``."""

    def __init__(self, packet: bytes, start: int, fields: Mapping[str, Any]) -> None:
        self.bytes = bytearray(packet)
        self.start = start
        for name, value in fields.items():
            object.__setattr__(self, name, self._field(name, value))
        self.len = Int(len(packet) - start, True)
        self.data_meta, self.data, self.data_end = 0, Int(start, True), Int(len(packet), True)
        self.keeps_meta = "rx_queue_index" in fields

    def packet_after(self) -> bytes:
        """The packet from where the program saw it, with an XDP packet's metadata."""
        return bytes(self.bytes[0 if self.keeps_meta else self.start :])

    @staticmethod
    def _field(name: str, value: Any) -> Any:
        return Words(value) if isinstance(value, list) else Int(value, name not in ("tstamp", "hwtstamp"))

    def __setattr__(self, name: str, value: Any) -> None:
        kind = _STORED_AS.get(name)
        if kind is not None:
            value = self._field(name, kind(int(value)).value)
        object.__setattr__(self, name, value)

    def packet(self, kind: Type, offset: int = 0) -> Any:
        """ctx.packet()."""
        at, size = self.start + int(offset), ctypes.sizeof(kind.kind)
        if offset < 0 or at + size > len(self.bytes):
            return None
        found = kind.kind.from_buffer(self.bytes, at)
        return number(found.value, kind.kind) if _is_integer(kind.kind) else view(found)

    def cut(self, offset: int, size: int) -> bytes | None:
        """Bytes of the packet; None where it has not so many."""
        at = self.start + offset
        return bytes(self.bytes[at : at + size]) if offset >= 0 and at + size <= len(self.bytes) else None

    def load(self, offset: int, size: int) -> Int:
        """A load of the packet as BPF_LD_ABS and BPF_LD_IND do it: the offset has 32 bits, outside is the end."""
        at = ctypes.c_int32(int(offset)).value + self.start
        if at < self.start or at + size > len(self.bytes):
            raise EndOfProgram
        return Int(int.from_bytes(self.bytes[at : at + size], "big"), True)


class Words:
    """The words that a context keeps for programs."""

    def __init__(self, values: list[int]) -> None:
        self.values = values

    def __getitem__(self, index: int) -> Int:
        return Int(self.values[index], True)

    def __setitem__(self, index: int, value: int) -> None:
        self.values[index] = int(value) & 0xFFFFFFFF


class TailCalled(Exception):
    """Another program has taken this one's place: its result."""


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
    def tail_call(ctx: Any, tails: SimulatedTails, index: int) -> None:
        program = tails.programs.get(int(index))
        if program is not None:
            raise TailCalled(program())

    @staticmethod
    def addrof(value: Any) -> Any:
        return variable_place(value)

    @staticmethod
    def skb_load_bytes(skb: PacketContext, offset: int, target: Any, size: int | None = None) -> Int:
        return _fill(target, size, skb.cut(int(offset), _size(target, size)), b"", -14)

    @staticmethod
    def xdp_load_bytes(xdp: PacketContext, offset: int, target: Any, size: int | None = None) -> Int:
        return _fill(target, size, xdp.cut(int(offset), _size(target, size)), None, -22)

    @staticmethod
    def skb_store_bytes(skb: PacketContext, offset: int, source: Any, flags: int) -> Int:
        data = source.encode() + b"\0" if isinstance(source, str) else bytes(_raw(source))
        if skb.cut(int(offset), len(data)) is None:
            return Int(-14, True)
        at = skb.start + int(offset)
        skb.bytes[at : at + len(data)] = data
        return Int(0, True)

    @staticmethod
    def probe_read_kernel(target: Any, size: int, source: Any) -> Int:
        return _fill(target, size, bytes(_raw(source))[: int(size)], b"", -14)

    @staticmethod
    def probe_read_kernel_str(target: Any, *arguments: Any) -> Int:
        """With the size or without. What lies behind the NUL is zeros."""
        room = ctypes.sizeof(_raw(target))
        size = room if len(arguments) == 1 else int(arguments[0])
        text = bytes(_raw(arguments[-1])).split(b"\0")[0][: size - 1] + b"\0"
        ctypes.memmove(ctypes.addressof(_raw(target)), text.ljust(room, b"\0"), room)
        return Int(len(text), True)

    @staticmethod
    def get_current_comm(target: Any, size: int | None = None) -> Int:
        count = _size(target, size)
        return _fill(target, size, COMM[: count - 1].ljust(count, b"\0"), b"", -22)

    @staticmethod
    def strtol(text: str, base: int, target: Any) -> Int:
        found = re.match(r"\s*-?\d+", text)
        if not found:
            return Int(-22, True)
        _raw(target).value = int(found[0])
        return Int(len(found[0]), True)

    @staticmethod
    def load_skb_byte(skb: PacketContext, offset: int) -> Int:
        return skb.load(offset, 1)

    @staticmethod
    def load_skb_short(skb: PacketContext, offset: int) -> Int:
        return skb.load(offset, 2)

    @staticmethod
    def load_skb_word(skb: PacketContext, offset: int) -> Int:
        return skb.load(offset, 4)


COMM = b"random program"
"""The thread's name, which runs have."""


def _size(target: Any, size: int | None) -> int:
    return ctypes.sizeof(_raw(target)) if size is None else int(size)


def _fill(target: Any, size: int | None, data: bytes | None, failed: bytes | None, error: int) -> Int:
    """Writes what a helper found. Where that is nothing: zeros, or if ``failed`` is None nothing at all."""
    if data is not None or failed is not None:
        found = (data or b"").ljust(_size(target, size), b"\0")
        ctypes.memmove(ctypes.addressof(_raw(target)), found, len(found))
    return Int(error if data is None else 0, True)


def _raw(value: Any) -> Any:
    """The memory behind a helper's argument."""
    if value is None:
        raise TypeError("a helper takes an object, not None")
    return value.raw


def _swapped(number: int, size: int) -> int:
    low = int(typed(number)) & ((1 << (8 * size)) - 1)
    return int.from_bytes(low.to_bytes(size, "little"), "big")
