"""Array maps: the indices 0 to max_entries - 1 are always there."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from ctypes import c_uint32
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from ..codec import Buffer
from ..exception import DataRangeError, DataTypeError, IndexOutOfRange
from ..given import shown
from ..spec import lock_offset
from ..uapi.map_types import MapFlags, MapType
from . import columns
from .base import Map
from .one_entry import MISSING
from .sums import PerCpuMap
from .views import KeysSnapshot

if TYPE_CHECKING:
    from .columns import Array


class _Indexed(Map):
    """A map with indices. An index that is no integer raises DataTypeError; one past the end or below zero raises
    IndexOutOfRange."""

    _absent = (IndexOutOfRange,)

    def _key(self, key: Any) -> bytes:
        try:
            index = operator.index(key)
        except TypeError:
            return super()._key(key)
        if not 0 <= index < self.map_spec.max_entries:
            raise IndexOutOfRange(f"index {shown(index)} of {self!r}: it has 0 to {self.map_spec.max_entries - 1}")
        return super()._key(index)

    def _pack_keys(self, keys: Any) -> Buffer:
        try:
            packed = columns.packed(self._keys, keys)
        except (DataTypeError, DataRangeError):
            packed = b""
        if packed and max(memoryview(packed).cast("I")) < self.map_spec.max_entries:
            return packed
        return b"".join(map(self._key, columns.objects(keys)))  # raises, and names the index


class ArrayMap(_Indexed):
    """``ArrayMap(value_type, max_entries, *, name="", mmap=False)``: BPF_MAP_TYPE_ARRAY.

    A mapping from the indices 0 to max_entries - 1. Iterating gives the indices, values() the values, and len()
    max_entries. Values begin as zeros. Any other index raises IndexOutOfRange, which is both an IndexError and a
    KeyError; negative indices don't count from the end. Entries can't be deleted: del, pop(), popitem(), pop_all() and
    clear() raise DataTypeError (a TypeError).

    With ``mmap=True`` (BPF_F_MMAPABLE, Linux 5.5), view() gives the values as memory. Everything else works as without.
    Raises DataTypeError if the values of such a map have a spin lock.
    """

    kind: ClassVar[MapType] = MapType.ARRAY

    def __init__(
        self, value_type: Any, max_entries: int, default: int | None = None, *, name: str = "", mmap: bool = False
    ) -> None:
        self._mapped = mmap
        self._memory: Any = None
        if mmap and lock_offset(value_type) is not None:
            raise DataTypeError("values with a spin lock can't be mapped into memory: leave out mmap=True")
        super().__init__(c_uint32, value_type, max_entries, default, name=name)

    def _creation_flags(self) -> int:
        return int(MapFlags.MMAPABLE) if self._mapped else 0

    def view(self) -> Array:
        """The values of a map that was made with ``mmap=True``, as a numpy array of max_entries rows. Reading and
        writing the array needs no system call, and programs see at once what Python writes.

        Numbers of up to 8 bytes are read and written in one piece. Structures are not, and ``view[i] += 1`` is a read
        and a write: what a program stores in between is lost. The array may be kept after close(), and keeps the
        memory. Raises DataTypeError without ``mmap=True`` and for bit fields, ImportError without numpy, ClosedError,
        KernelError.
        """
        numpy = columns.numpy_for("view()")
        self._storage.check_open()
        if not self._mapped:
            raise DataTypeError(f"the values of {self!r} aren't mapped into memory: make it with mmap=True")
        memory = self._memory
        if memory is None:
            memory = self._memory = self._storage.memory()
            if self._storage.closed:  # meanwhile: close() may have come before this assignment
                self._memory = None
        stride = self._storage.memory_stride
        cell = {"names": ["value"], "formats": [self._values.dtype], "offsets": [0], "itemsize": stride}
        rows: Array = numpy.frombuffer(memory, numpy.dtype(cell), self.map_spec.max_entries)["value"]
        return rows

    def close(self) -> None:
        super().close()
        self._memory = None  # views keep it

    def __len__(self) -> int:
        self._storage.check_open()
        return self.map_spec.max_entries

    def __bool__(self) -> bool:
        return len(self) > 0

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self)))

    def keys(self) -> KeysSnapshot:
        return KeysSnapshot(list(self))

    def __delitem__(self, key: Any) -> None:
        self._no_deletion()

    def pop(self, key: Any, default: Any = MISSING) -> Any:
        self._no_deletion()

    def popitem(self) -> tuple[Any, Any]:
        self._no_deletion()

    def clear(self) -> None:
        self._no_deletion()

    def _check_pop(self) -> None:
        self._no_deletion()

    def _no_deletion(self) -> NoReturn:
        raise DataTypeError(f"{self!r} is an array, its entries can't be deleted; store a zero instead")


class PerCpuArrayMap(PerCpuMap, ArrayMap):
    """An ArrayMap in which every CPU has its own values, read and stored like those of a PerCpuHashMap."""

    kind: ClassVar[MapType] = MapType.PERCPU_ARRAY

    def __init__(self, value_type: Any, max_entries: int, default: int | None = None, *, name: str = "") -> None:
        super().__init__(value_type, max_entries, default, name=name)


class ProgArray(_Indexed):
    """``ProgArray(max_entries, *, name="")``: programs for tail calls, BPF_MAP_TYPE_PROG_ARRAY.

    ``m[i] = program`` takes an object with a ``fd``, or a descriptor. Reading a slot gives the kernel's id of the
    program, which bpftool shows. Empty slots raise KeyError, and iteration skips them. ``del m[i]`` empties a slot.

    The kernel empties the whole array when its last descriptor is closed, even while programs use it. This object has a
    descriptor, and so has each open program that uses the array. For programs that tc installs, a pin in bpffs keeps
    the array. In the embedded VM the array takes programs of the VM (no descriptors), and reading gives their numbers
    there.
    """

    kind: ClassVar[MapType] = MapType.PROG_ARRAY

    def __init__(self, max_entries: int, *, name: str = "") -> None:
        super().__init__(c_uint32, c_uint32, max_entries, name=name)

    def __bool__(self) -> bool:
        return len(self) > 0

    def _value(self, value: Any) -> bytes:
        return super()._value(self._storage.program_value(value))

    def _pack_values(self, keys: Any, values: Any) -> Buffer:
        return b"".join(map(self._value, values))

    def add(self, key: Any, value: Any) -> bool:
        self._unsupported("add() (the kernel always replaces a program)")

    def setdefault(self, key: Any, default: Any = None) -> Any:
        self._unsupported("setdefault() (what is stored is a descriptor, what is read an id)")

    def popitem(self) -> tuple[Any, Any]:
        for index, program in self.items():
            if self._storage.delete(self._key(index)):
                return index, program
        raise KeyError(f"popitem(): {self!r} is empty")

    def _check_pop(self) -> None:
        self._unsupported("pop_all() (the kernel can't read and empty a slot in one step)")

    def _unsupported(self, what: str) -> NoReturn:
        raise DataTypeError(f"{self!r} has no {what}")
