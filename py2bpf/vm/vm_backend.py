"""The embedded VM as a backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

from ..backend import Backend, LoadedProgram, MapStorage, apart, storage_of
from ..exception import NotInVm
from ..spec import MapSpec, ProgramSpec, Target
from ..uapi.map_types import Holds, kind_of


class VmBackend:
    """See py2bpf.backend.Backend. All programs and maps belong to the process's machine."""

    name: Final[Literal["vm"]] = "vm"
    can_attach: Final = False
    takes_privileges: Final = False

    def create_map(self, spec: MapSpec, key_size: int, value_size: int) -> MapStorage:
        from .vm_map import VmMap
        from .vm_prog_array import VmProgArray

        row = kind_of(spec.kind)
        if row.not_in_vm:
            raise NotInVm(f"the embedded VM has no map of the kind {row.title}: {row.not_in_vm}")
        made = {Holds.VALUES: VmMap, Holds.PROGRAMS: VmProgArray}[row.holds]
        return made(spec, key_size, value_size)

    def load(self, spec: ProgramSpec, maps: Sequence[Any]) -> LoadedProgram:
        from .machine import machine
        from .vm_program import load

        return load(spec, [self._storage(spec, each) for each in maps], machine().handle)

    def _storage(self, spec: ProgramSpec, map_: Any) -> MapStorage:
        storage: Any = storage_of(map_)
        if getattr(storage, "backend", None) is not self:
            raise apart(f"{spec.name} runs in the embedded VM, and its map {map_!r} lives in the kernel",
                        "program and maps")
        found: MapStorage = storage
        return found

    def target(self) -> Target:
        """The VM has every feature that a kernel may lack."""
        return Target()


BACKEND: Final[Backend] = VmBackend()
