"""The life of maps, global variables and user ring buffers: as long as their storage is open."""

from __future__ import annotations

from types import TracebackType
from typing import NoReturn, Self

from ..backend import MapStorage
from ..borders import Public
from ..exception import ClosedError, DataTypeError


class OnStorage(Public):
    """A context manager around ``_storage``. close() is idempotent, and any later use raises ClosedError."""

    __slots__ = ()
    _storage: MapStorage

    @property
    def fd(self) -> int:
        """The map's file descriptor. Raises ClosedError after close(), NotInVm for an object in the embedded VM."""
        return self._storage.fd

    @property
    def closed(self) -> bool:
        return self._storage.closed

    def close(self) -> None:
        """Releases the object; programs that use it keep it alive. Idempotent."""
        self._storage.close()

    def _check_open(self) -> None:
        if self.closed:
            raise ClosedError(f"{self!r} is closed")

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        """Raises DataTypeError: the object can't be copied or pickled."""
        raise DataTypeError(f"{self!r} can't be copied or pickled: it is a handle of what programs use. Pass it on as "
                            "it is, or copy what is in it")

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
