"""Global variables: single values, without a key, that programs and user space share."""

from __future__ import annotations

import ctypes
import sys
from ctypes import c_uint64
from typing import Any, Final

from ..backend import Backend, current
from ..codec import codec_for, type_name
from ..exception import ClosedError
from ..spec import MapSpec
from ..uapi.map_types import variable
from ..worlds import in_programs
from .lifetime import OnStorage
from .names import checked_name

_KEY: Final = bytes(4)


class Global(OnStorage):
    """``Global(ctype, initial=None, *, name="")``: a single value, ``g.value``, zero unless ``initial`` is given.

    Programs and Python read and write the value at any time, with the same source. In programs, reading or writing
    costs one load or store, and ``g.value += 1`` is atomic (as are ``-= &= |= ^=``, also of fields and items). In
    Python, ``+=`` is a read followed by a write. Numbers, bool and char arrays are read as Python objects. A structure,
    union or array is not copied: ``g.value.field = 5`` and ``g.value[i] += 1`` change it in place. Storing a whole
    structure changes it part by part, so others may see some parts new and some old. (In the embedded VM a whole value
    is stored while no program runs. A field that Python stores while a program of another thread adds to it may get
    lost there.)

    Raises DataTypeError or DataRangeError for values that don't fit, ClosedError after close(). A context manager.
    """

    __slots__ = ("__weakref__", "_codec", "_memory", "_storage", "map_spec")  # so that g.valeu = 5 is an error

    map_spec: MapSpec

    def __init__(self, ctype: Any, initial: Any = None, *, name: str = "") -> None:
        self._make(current(), ctype, initial, name)

    def _make(self, where: Backend, ctype: Any, initial: Any = None, name: str = "") -> None:
        self._codec = codec_for(ctype)
        first = None if initial is None else self._codec.encode(initial)
        self.map_spec = variable(ctype, checked_name(name))
        self._storage = where.create_map(self.map_spec, len(_KEY), self._codec.size)
        try:
            self._memory = self._storage.memory()
            if first is not None:
                self._write(first)
        except BaseException:
            self._storage.close()
            raise

    @property
    @in_programs
    def value(self) -> Any:
        """The current value."""
        self._check_open()
        ctype = self._codec.ctype
        parts = issubclass(ctype, (ctypes.Structure, ctypes.Union, ctypes.Array))
        if not parts or getattr(ctype, "_type_", None) is ctypes.c_char:
            return self._codec.decode(self._read())
        memory = self._memory
        if memory is None:  # another thread closes this
            raise ClosedError(f"the Global of {type_name(ctype)} is closed")
        return ctype.from_buffer(memory)

    @value.setter
    @in_programs
    def value(self, value: Any) -> None:
        self._write(self._codec.encode(value))

    def _read(self) -> bytes:
        memory = self._memory  # another thread may close this
        if memory is not None:
            return bytes(memory[: self._codec.size])
        return self._storage.lookup(_KEY) or bytes(self._codec.size)

    def _write(self, data: bytes) -> None:
        self._check_open()
        memory = self._memory
        if memory is not None and self._storage.memory_is_atomic:
            memory[: self._codec.size] = data
        else:  # in the VM, not while a program runs: its atomic operations are atomic only for other programs
            self._storage.update(_KEY, data)

    def close(self) -> None:
        """Releases the variable; programs that use it keep it alive. Idempotent."""
        self._memory = None  # structures that .value gave keep the memory
        self._storage.close()

    def __repr__(self) -> str:
        name = f" {self.map_spec.name!r}" if self.map_spec.name else ""
        return f"<Global{name} {type_name(self._codec.ctype)}{', closed' if self.closed else f' = {self.value!r}'}>"


class LossCounter(Global):
    """The hidden companion of a map or ring buffer, in which programs count failed insertions or lost records."""

    def __init__(self, where: Backend) -> None:
        self._make(where, c_uint64)

    def read(self) -> int:
        """The count, even while a simulated program runs."""
        return int.from_bytes(self._read(), sys.byteorder)

    def add(self) -> None:
        """Counts one loss of a simulated program."""
        self._write((self.read() + 1).to_bytes(self._codec.size, sys.byteorder))
