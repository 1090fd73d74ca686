"""What maps, global variables and user ring buffers have in common: they live as long as their storage is open."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from ..exception import ClosedError
from .storage import MapStorage


class OnStorage:
    """A context manager around ``_storage``; close() may be called again, any use after it raises ClosedError."""

    __slots__ = ()
    _storage: MapStorage

    @property
    def fd(self) -> int:
        """The map's file descriptor. Raises ClosedError after close(), NotInVm for what lives in the embedded VM."""
        return self._storage.fd

    @property
    def closed(self) -> bool:
        return self._storage.closed

    def close(self) -> None:
        """Gives it back; programs that use it keep it. Calling it again does nothing."""
        self._storage.close()

    def _check_open(self) -> None:
        if self.closed:
            raise ClosedError(f"{self!r} is closed")

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
