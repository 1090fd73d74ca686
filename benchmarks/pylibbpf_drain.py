"""Reads events with pylibbpf's callbacks, see peer_drain.py; OBJECT is c/drain.bpf.c. It reads no ring buffers."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

from peer_drain import PeerDrain, Totals, loaded_programs, lookup_totals
from pylibbpf import BpfObject, PerfEventArray

PAGES = 16384


class Event(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("number", "value", "time", "zero")]


class PylibbpfDrain(PeerDrain):
    """Events come as instances of a structure that pylibbpf makes."""

    def __init__(self, path: str) -> None:
        super().__init__()
        wrapper = BpfObject(path, structs={"event": Event})
        wrapper.load()
        self._object = wrapper._obj
        self._perf = PerfEventArray(self._object.get_map("perf"), PAGES, self._on_event, "event", lambda cpu, n: None)
        self._programs = loaded_programs()

    def _on_event(self, cpu: int, event: Any) -> None:
        self.events += 1
        self.sum += event.value

    def program(self, name: str) -> int:
        return self._programs[name]

    def totals(self) -> Totals:
        return lookup_totals(self._object.get_map(".bss").get_fd())

    def take(self, program: str) -> None:
        self._perf.consume()


if __name__ == "__main__":
    PylibbpfDrain(sys.argv[1]).serve()
