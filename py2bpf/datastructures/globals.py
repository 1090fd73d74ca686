"""A value that programs and user space share without a key: BPF's global variables."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from ctypes import c_uint64
from typing import Any, Final

from ..borders import Public, all_errors
from ..codec import codec_for, type_name
from ..spec import MapSpec
from ..uapi.map_types import variable
from ..worlds import in_programs
from .lifetime import OnStorage
from .names import checked_name
from .storage import Mappable, open_storage

_KEY: Final = bytes(4)


class Global(OnStorage):
    """``Global(ctype, initial=None, *, name="")``: one value, ``g.value``, zero unless it is given.

    Programs and Python read and write it while either runs, by the same source. In programs it costs a load or a
    store, and ``g.value += 1`` is atomic (as are ``-= &= |= ^=``, also of fields and items); in Python it is a
    read and a write. Numbers, bool and char arrays are read as Python objects. A structure, union or array
    is no copy: ``g.value.field = 5`` and ``g.value[i] += 1`` change it in place; as whole it is changed part by part,
    so that others may see some of it new and some old. (In the embedded VM a whole value is stored while no program
    runs; a field that Python stores while a program of another thread adds to it may get lost there.)

    What doesn't fit raises DataTypeError or DataRangeError, use after close() ClosedError. A context manager.
    """

    __slots__ = ("__weakref__", "_codec", "_memory", "_storage", "map_spec")  # so that g.valeu = 5 is an error

    map_spec: Final[MapSpec]

    def __init__(self, ctype: Any, initial: Any = None, *, name: str = "") -> None:
        self._codec = codec_for(ctype)
        first = None if initial is None else self._codec.encode(initial)
        self.map_spec = variable(ctype, checked_name(name))
        self._storage = open_storage(self.map_spec, len(_KEY), self._codec.size)
        try:
            self._memory = self._storage.memory() if isinstance(self._storage, Mappable) else None
            if first is not None:
                self._write(first)
        except BaseException:
            self._storage.close()
            raise

    @property
    @in_programs
    def value(self) -> Any:
        """What it is now."""
        self._check_open()
        ctype = self._codec.ctype
        parts = issubclass(ctype, (ctypes.Structure, ctypes.Union, ctypes.Array))
        if not parts or getattr(ctype, "_type_", None) is ctypes.c_char:
            return self._codec.decode(self._read())
        memory = self._memory
        return Place(self._copy, self._write, ()) if memory is None else ctype.from_buffer(memory)

    @value.setter
    @in_programs
    def value(self, value: Any) -> None:
        self._write(self._codec.encode(value.whole() if isinstance(value, Place) else value))

    def _read(self) -> bytes:
        memory = self._memory  # another thread may close this
        if memory is not None:
            return bytes(memory[: self._codec.size])
        return self._storage.lookup(_KEY) or bytes(self._codec.size)

    def _write(self, data: bytes) -> None:
        self._check_open()
        memory = self._memory
        if memory is not None and self._storage.backend == "kernel":
            memory[: self._codec.size] = data
        else:  # in the VM not while a program runs, whose atomic operations know of other programs only
            self._storage.update(_KEY, data)

    def _copy(self) -> Any:
        self._check_open()
        return self._codec.ctype.from_buffer_copy(self._read())

    def close(self) -> None:
        """Gives it back; programs that use it keep it. Calling it again does nothing."""
        self._memory = None  # structures that were taken from .value keep it
        self._storage.close()

    def __repr__(self) -> str:
        name = f" {self.map_spec.name!r}" if self.map_spec.name else ""
        return f"<Global{name} {type_name(self._codec.ctype)}{', closed' if self.closed else f' = {self.value!r}'}>"


class LossCounter(Global):
    """What programs count in what the map or ring buffer beside it could not take."""

    def __init__(self) -> None:
        super().__init__(c_uint64)

    def read(self) -> int:
        """The number, also while a simulated program runs."""
        return int.from_bytes(self._read(), sys.byteorder)

    def add(self) -> None:
        """Counts one more, of a simulated program."""
        self._write((self.read() + 1).to_bytes(self._codec.size, sys.byteorder))


class Place(Public):
    """A structure, union or array in a storage that is no memory: every access reads or writes the whole there."""

    def __init__(self, read: Callable[[], Any], write: Callable[[bytes], None], path: tuple[Any, ...]) -> None:
        vars(self).update(_read=read, _write=write, _path=path)

    def whole(self) -> Any:
        """A copy."""
        return self._part(self._read())

    def _part(self, found: Any) -> Any:
        for step in self._path:
            found = getattr(found, step) if isinstance(step, str) else found[step]
        return found

    def _get(self, step: Any, found: Any) -> Any:
        if isinstance(found, (ctypes.Structure, ctypes.Union, ctypes.Array)):
            return Place(self._read, self._write, (*self._path, step))
        return found

    @all_errors
    def __getattr__(self, name: str) -> Any:
        return self._get(name, getattr(self.whole(), name))

    @all_errors
    def __setattr__(self, name: str, value: Any) -> None:
        everything = self._read()
        if not hasattr(self._part(everything), name):
            raise AttributeError(f"{type_name(type(self.whole()))} has no field {name!r}")
        setattr(self._part(everything), name, value.whole() if isinstance(value, Place) else value)
        self._write(bytes(everything))

    @all_errors
    def __getitem__(self, index: Any) -> Any:
        return self._get(index, self.whole()[index])

    @all_errors
    def __setitem__(self, index: Any, value: Any) -> None:
        everything = self._read()
        self._part(everything)[index] = value.whole() if isinstance(value, Place) else value
        self._write(bytes(everything))

    def __len__(self) -> int:
        return len(self.whole())

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return repr(self.whole())
