"""Maps as programs see them: missing keys read as the default or None, structs are references, stores truncate."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import operator
import struct
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

from ..codec import codec_for
from ..exception import ClosedError, DataTypeError, KernelError
from ..uapi.map_types import Update, kind_of
from . import places, values
from .errors import SimulationError
from .overlay import Overlay
from .rings import RingView
from .running import Run
from .texts import Text
from .views import used

_MISSING: Final[Any] = object()


class MapView:
    """One map in one run of a program, on one CPU."""

    def __init__(self, map: Any, cpu: int, isolated: bool) -> None:
        if getattr(map, "closed", False):
            raise ClosedError(f"{map!r} is closed")
        self.map, self.spec = map, map.map_spec
        self.kind = kind_of(self.spec.kind)
        self.isolated = isolated
        self.indexed = self.kind.indexed
        self.ring = RingView(map, isolated) if self.kind.ring else None
        self.texts: list[Text] = []
        self.received = False  # from a user ring buffer
        if "receive" in self.kind.methods:
            self.numbers = values.is_number(self.spec.data_type)
        if self.kind.keyed:
            self.overlay = Overlay(map._storage, self.spec, isolated)
            self._encode_key = values.key_encoder(self.spec.key_type)
            self._encode_value = values.encoder(self.spec.value_type)
            self.numbers = values.is_number(self.spec.value_type)
            self._decode: Callable[..., Any] = codec_for(self.spec.value_type).decode
            self._size = self.spec.value_size
            self._stride = self._size + 7 & ~7 if self.spec.per_cpu else self._size
            self._at = cpu * self._stride if self.spec.per_cpu else 0

    @property
    def default(self) -> int:
        """The result of reading a missing number."""
        return self.spec.default or 0

    def emit(self, run: Run, data: bytes) -> int:
        """Writes a record to a queue or ring buffer: 0, or a negative error number."""
        if self.ring is not None:
            return self.ring.output(run, data)
        run.deliver(self.map, data)
        return 0

    def key(self, key: Any) -> bytes:
        """The key's bytes. For an LPM trie, the address with its full length as the prefix length."""
        if not self.kind.keyed:
            raise SimulationError(f"{self.map!r} has no items that a program can read or write")
        raw = self._encode_key(used(key))
        return struct.pack("=I", 8 * len(raw)) + raw if self.kind.prefixes else raw

    def encode_value(self, value: Any) -> bytes:
        """A value's bytes. Raises DataTypeError."""
        return self._encode_value(used(value))

    def number(self, raw: bytes) -> Any:
        """The number at a key; None if the key is missing."""
        data = self.overlay.lookup(raw) if self._inside(raw) else None
        return None if data is None else self._decode(data, self._at)

    def reference(self, raw: bytes) -> Any:
        """An object that lives in the map; None if the key is missing."""
        place = self.overlay.place(raw) if self._inside(raw) else None
        return None if place is None else values.view(self.spec.value_type, place, self._at)

    def find(self, raw: bytes) -> Any:
        """The result of reading a key; None if the key is missing."""
        if self.numbers:
            return self.number(raw)
        found = self.reference(raw)
        return found if found is None or not values.is_chars(self.spec.value_type) else Text(found, self.texts)

    def _inside(self, raw: bytes) -> bool:
        return not self.indexed or int.from_bytes(raw, sys.byteorder) < self.spec.max_entries

    def store(self, raw: bytes, value: bytes, flags: int = 0) -> int:
        """map_update_elem: 0 or a negative error number."""
        if not self._inside(raw):
            return -errno.E2BIG
        if self.indexed and flags == Update.NOEXIST:
            return -errno.EEXIST
        try:
            if self.overlay.update(raw, self._whole(raw, value), flags):
                return 0
        except KernelError as error:
            if not self.isolated and self.kind.inserts:
                self.map.add_lost()
            return -(error.errno or 0)
        return -errno.EEXIST if flags == Update.NOEXIST else -errno.ENOENT

    def _whole(self, raw: bytes, value: bytes) -> bytes:
        """The value to store. For a per-CPU map, the other CPUs keep their values, or get zeros."""
        if not self.spec.per_cpu:
            return value
        whole = bytearray(self.overlay.lookup(raw) or bytes(self.map._values.size))
        whole[self._at : self._at + self._size] = value
        return bytes(whole)

    def delete(self, raw: bytes) -> int:
        """map_delete_elem: 0 or a negative error number."""
        if self.indexed:
            return -errno.EINVAL
        return 0 if self.overlay.delete(raw) else -errno.ENOENT

    def flush(self) -> None:
        """Writes changes that were made through references to the map."""
        if self.kind.keyed:
            self.overlay.flush()

    def items(self) -> list[tuple[Any, Any]]:
        """(key, value) of all entries as the program left them, as the map's items() gives them."""
        if self.spec.is_global:  # its only key has no name
            only = bytes(4)
            return [(0, self._decode(bytes(self.overlay.lookup(only) or bytes(self._size))))]
        keys, content = self.map._keys, self.map._values
        found = self.overlay.entries(keys.size, content.size)
        return [(keys.decode(key), content.decode(value)) for key, value in found]


def view_of(run: Run, map: Any) -> MapView:
    """A map as this program sees it."""
    view = run.views.get(id(map))
    if view is None:
        if not hasattr(map, "map_spec"):
            raise SimulationError(f"{map!r} is no map")
        view = run.views[id(map)] = MapView(map, run.environment.cpu, run.isolated)
    return view


# What map methods mean in programs: (run, view, arguments) -> value


def _get_item(_: Run, view: MapView, key: Any) -> Any:
    found = view.find(view.key(key))
    return view.default if found is None and view.numbers else found


def _set_item(_: Run, view: MapView, key: Any, value: Any) -> None:
    view.store(view.key(key), view.encode_value(value))


def _del_item(_: Run, view: MapView, key: Any) -> None:
    _no_array(view, "assign 0 instead")
    view.delete(view.key(key))


def _contains(_: Run, view: MapView, key: Any) -> bool:
    return view.find(view.key(key)) is not None


def _get(_: Run, view: MapView, key: Any, default: Any = None) -> Any:
    found = view.find(view.key(key))
    return default if found is None else found


def _lookup(_: Run, view: MapView, key: Any) -> Any:
    return view.find(view.key(key))


def _setdefault(_: Run, view: MapView, key: Any, default: Any = None) -> Any:
    raw = view.key(key)
    chosen = view.default if default is None and view.numbers else default
    value = bytes(view.spec.value_size) if chosen is None else view.encode_value(chosen)
    if view.find(raw) is None:
        view.store(raw, value, Update.NOEXIST)
    found = view.find(raw)
    return view.default if found is None and view.numbers else found


def _pop(_: Run, view: MapView, key: Any, default: Any = _MISSING) -> Any:
    _no_array(view, "read it, then assign 0")
    raw = view.key(key)
    found = view.find(raw)
    if found is None:
        return (view.default if view.numbers else None) if default is _MISSING else default
    if not view.numbers:
        found = found.copied() if isinstance(found, Text) else type(found).from_buffer_copy(found)
    view.delete(raw)
    return found


def _add(_: Run, view: MapView, key: Any, value: Any) -> bool:
    return view.store(view.key(key), view.encode_value(value), Update.NOEXIST) == 0


def _no_array(view: MapView, instead: str) -> None:
    if view.indexed:
        raise SimulationError(f"items of an array map can't be deleted: {instead}")


@contextlib.contextmanager
def _locked(view: MapView, key: Any) -> Iterator[Any]:
    yield view.find(view.key(key))


def _lock(_: Run, view: MapView, key: Any) -> Any:
    """Needs no lock, since one program runs at a time."""
    return _locked(view, key)


def _value(_: Run, view: MapView, *new: Any) -> Any:
    """``g.value`` of a Global, or ``g.value = new``."""
    only = bytes(4)
    if new:
        view.store(only, view.encode_value(new[0]))
        return None
    return view.find(only)


def _output(run: Run, view: MapView, *args: Any, size: Any = None) -> int:
    """queue.output(context, record), ring.output(record), or ring.output(record, size=n)."""
    if view.spec.variable:
        return view.emit(run, _part(view, *args, *(() if size is None else (size,))))
    if size is not None:
        raise SimulationError(f"records of {view.map!r} all have one size: say variable=True when it is made")
    wanted = 1 if view.kind.ring else 2
    if len(args) != wanted:
        raise SimulationError(f"output() of {view.map!r} takes {'the context and ' if wanted == 2 else ''}a record")
    return view.emit(run, record_bytes(view, args[-1]))


def _part(view: MapView, record: Any, size: Any = None) -> bytes:
    """The bytes of a record of variable size: ``size`` bytes, or all bytes of a shorter array or constant text."""
    ctype, plain = view.spec.data_type, used(record)
    if isinstance(plain, bytes) and (found := places.argument(0)) is not None:
        plain = found  # a char array, which ctypes read as bytes
    items = getattr(ctype, "_type_", None)
    if isinstance(plain, bytes) and items is ctypes.c_char and 0 < len(plain) <= ctypes.sizeof(ctype):
        data = plain
    elif isinstance(plain, ctypes.Array) and plain._type_ is items:
        data = bytes(plain)
    else:
        data = record_bytes(view, record)
    if size is None:
        return data
    count = operator.index(values.plain(used(size)))
    if not 1 <= count <= len(data):
        raise ValueError(f"no record of {count} bytes can be made of an object of {len(data)}")
    return data[:count]


def _ring(view: MapView) -> RingView:
    if view.ring is None:
        raise SimulationError(f"{view.map!r} is no ring buffer")
    return view.ring


def _reserve(_: Run, view: MapView) -> Any:
    return _ring(view).reserve()


def _submit(run: Run, view: MapView, record: Any) -> None:
    _ring(view).end(run, record, True)


def _discard(run: Run, view: MapView, record: Any) -> None:
    _ring(view).end(run, record, False)


def _receive(_: Run, view: MapView) -> Any:
    """The next record that Python sent. An isolated run doesn't remove it, but remembers its position."""
    if "receive" not in view.kind.methods:
        raise SimulationError(f"programs receive nothing from {view.map!r}")
    data = view.map._ring.next(begin=not (view.isolated and view.received), take=not view.isolated)
    view.received = True
    if data is None:
        return None
    if view.numbers:
        return codec_for(view.spec.data_type).decode(data)
    return values.view(view.spec.data_type, bytearray(data))


def record_bytes(view: MapView, record: Any) -> bytes:
    """The bytes of a queue's record, made from a value."""
    if not view.kind.records:
        raise DataTypeError(f"{view.map!r} takes no records: output() is a method of queues and ring buffers")
    ctype = view.spec.data_type
    plain = used(record) if isinstance(record, ctype) else values.plain(record)
    return values.encoder(ctype)(plain)[: ctypes.sizeof(ctype)]


OPERATIONS: Final[dict[str, Callable[..., Any]]] = {
    "__getitem__": _get_item,
    "__setitem__": _set_item,
    "__delitem__": _del_item,
    "__contains__": _contains,
    "get": _get,
    "lookup": _lookup,
    "delete": _del_item,
    "setdefault": _setdefault,
    "pop": _pop,
    "add": _add,
    "lock": _lock,
    "value": _value,
    "output": _output,
    "reserve": _reserve,
    "submit": _submit,
    "discard": _discard,
    "receive": _receive,
    "waiting": lambda _, view: _ring(view).waiting(),
}
"""The methods that programs may use."""
