"""The kernel as a backend: creates maps and loads programs by bpf(2)."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Any, Final, Literal

from ..backend import Backend, LoadedProgram, MapStorage, apart, storage_of
from ..core.handles import Handle
from ..exception import KernelError
from ..spec import MapSpec, ProgramSpec, Target
from ..uapi.map_types import Holds, MapType, kind_of


class KernelBackend:
    """See py2bpf.backend.Backend. The modules for maps and programs are imported when the first one is made."""

    name: Final[Literal["kernel"]] = "kernel"
    can_attach: Final = True
    takes_privileges: Final = True

    def create_map(self, spec: MapSpec, key_size: int, value_size: int) -> MapStorage:
        from . import features
        from .kernel_map import KernelMap
        from .kernel_prog_array import KernelProgArray

        made = {Holds.VALUES: KernelMap, Holds.PROGRAMS: KernelProgArray}[kind_of(spec.kind).holds]
        try:
            return made(spec, key_size, value_size)
        except KernelError as error:
            if error.errno == errno.EINVAL:  # perhaps because the kernel doesn't know the kind
                features.require(features.of_map(MapType(spec.kind)))
            raise

    def load(self, spec: ProgramSpec, maps: Sequence[Any]) -> LoadedProgram:
        from .kernel_program import load

        return load(spec, [self._handle(spec, each) for each in maps])

    def _handle(self, spec: ProgramSpec, map_: Any) -> Handle:
        """A map's handle. For an object that only has a descriptor, a handle of a copy."""
        storage = storage_of(map_)
        if getattr(storage, "backend", self) is not self:
            raise apart(f"{spec.name} is loaded into the kernel, and its map {map_!r} lives in the embedded VM",
                        "program and maps")
        handle = getattr(storage, "handle", None)
        return handle if isinstance(handle, Handle) else Handle.of(map_.fd, repr(map_))

    def target(self) -> Target:
        from .features import target

        return target()


BACKEND: Final[Backend] = KernelBackend()
