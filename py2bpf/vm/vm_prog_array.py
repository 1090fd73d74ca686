"""A program array in the VM: user space stores and reads the numbers of registry.py."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from typing import Any

from ..core.entries import Buffer, Buffers, Entries
from ..exception import DataTypeError, KernelError
from ..given import shown
from ..uapi.map_types import Update
from . import map_calls
from .registry import number_of, program_of
from .vm_map import VmMap

_SIZE = 4
"""Bytes of an index, and of a program's number."""


class VmProgArray(VmMap):
    """A program array. Each program is stored and removed by its own call; the machine holds the stored programs."""

    def program_value(self, value: Any) -> int:
        """The number to store for a program of the VM. Raises DataTypeError, or NotInVm for the kernel's programs."""
        if isinstance(value, int):
            raise DataTypeError(f"{self._title} lives in the embedded VM: it takes programs that were made in the VM, "
                                f"not {shown(value)}")
        return number_of(value, self._title)

    def _store(self, key: bytes, value: bytes, flags: int) -> None:
        if flags != Update.ANY:
            raise KernelError(errno.EINVAL, f"{self._title} takes programs without flags")
        number = _number(value)
        map_calls.map_set_prog(self.handle, _number(key), program_of(number).handle, number)

    def update_many(self, keys: Buffer, values: Buffer, count: int) -> None:
        for at in range(0, _SIZE * count, _SIZE):
            self.update(bytes(keys[at : at + _SIZE]), bytes(values[at : at + _SIZE]))

    def _explained(self, error: KernelError, extent: str = "") -> KernelError:
        if error.errno == errno.EINVAL:
            return KernelError(errno.EINVAL, f"cannot put that into the {self._kind.title}: it takes programs of the "
                                             "VM, all of the same type")
        return super()._explained(error, extent)

    def delete(self, key: bytes) -> bool:
        return map_calls.map_set_prog(self.handle, _number(key), None, 0)

    def take(self, key: bytes) -> bytes | None:
        value = self.lookup(key)
        return value if value is not None and self.delete(key) else None

    def walk(self, delete: bool = False, buffers: Buffers | None = None) -> Iterator[Entries]:
        for found in super().walk(buffers=buffers):
            if delete:
                for at in range(0, _SIZE * found.n, _SIZE):
                    self.delete(bytes(found.keys[at : at + _SIZE]))
            yield found


def _number(data: bytes) -> int:
    return int.from_bytes(data, sys.byteorder)
