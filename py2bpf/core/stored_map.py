"""What the maps of the kernel and of the embedded VM have in common: see backend.MapStorage."""

from __future__ import annotations

import errno
from typing import Any, ClassVar, Final

from ..exception import DataTypeError, KernelError
from ..given import shown
from ..spec import MapSpec
from ..uapi.map_types import KINDS, MapType, Update
from ..uapi.operations import Operation, full
from .entries import Buffer, Stored
from .failures import failure
from .handles import Handle


class StoredMap:
    """A map that a handle owns: bytes in, bytes out.

    ``key_size`` and ``value_size`` are the sizes in user space. For a per-CPU map, ``value_size`` is more than the
    map's own value size.
    """

    handle: Handle
    _using: ClassVar[Operation | None] = None
    """The operation that storing takes privileges for, if any."""

    def __init__(self, spec: MapSpec, key_size: int, value_size: int) -> None:
        self.key_size = key_size
        self.value_size = value_size
        self._spec = spec
        self._kind: Final = KINDS[MapType(spec.kind)]

    @property
    def _title(self) -> str:
        name = f" {self._spec.name!r}" if self._spec.name else ""
        return f"the {self._kind.title}{name}"

    @property
    def closed(self) -> bool:
        return self.handle.closed

    def check_open(self) -> None:
        self.handle.check_open()

    def close(self) -> None:
        """Releases the map, which lives on as long as a call, a queue or a program uses it."""
        self.handle.close()

    def update(self, key: bytes, value: bytes, flags: int = 0) -> bool:
        try:
            self._store(key, value, flags)
        except KernelError as error:
            if (flags, error.errno) in ((Update.NOEXIST, errno.EEXIST), (Update.EXIST, errno.ENOENT)):
                return False
            raise self._explained(error) from None
        return True

    def _store(self, key: bytes, value: bytes, flags: int) -> None:
        """Stores one entry. Raises KernelError."""
        raise NotImplementedError

    def update_many(self, keys: Buffer, values: Buffer, count: int) -> None:
        stored = self._store_many(keys, values, count)
        if stored.error:
            extent = f"{stored.done} of {count} entries were stored"
            raise self._explained(failure(stored.error, f"cannot fill the map ({extent})", self._using), f"; {extent}")

    def _store_many(self, keys: Buffer, values: Buffer, count: int) -> Stored:
        """Stores entries until one fails."""
        raise NotImplementedError

    def _explained(self, error: KernelError, extent: str = "") -> KernelError:
        return full(self._title, self._spec, extent) if error.errno in (errno.E2BIG, errno.ENOSPC) else error

    def program_value(self, value: Any) -> int:
        """Raises DataTypeError: only program arrays hold programs, and have a class of their own."""
        raise DataTypeError(f"{self._title} takes no programs, as {shown(value)}")
