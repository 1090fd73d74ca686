"""The programs that are measured, in Python; ../c has the same in C."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from typing import Any

Table = dict[str, str]
"""The entries of a map: bytes of the key to bytes of the value, in hex."""


@dataclass
class Case:
    """One program, with the expected results of a run.

    ``hook`` is the loaded hook object. ``frame`` is what it runs on, ``retval`` and ``tables`` (by map name) what one
    run leaves. ``entries`` are put into the C program's maps beforehand, as (map, key, value) in hex; our own maps
    are filled already. A tracepoint program has no frame: it is attached, and ``queue`` gets its events.
    """

    name: str
    hook: Any
    frame: bytes = b""
    retval: int = 0
    maps: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)
    entries: tuple[tuple[str, str, str], ...] = ()
    baseline: str = "empty_socket"
    queue: Any = None

    def close(self) -> None:
        """Closes the program and its maps."""
        for thing in (self.hook, self.queue, *self.maps.values()):
            if thing is not None:
                thing.close()


def raw_table(bpf_map: Any) -> Table:
    """A map's entries in hex."""
    spec = bpf_map.map_spec
    return {_hex(spec.key_type, key): _hex(spec.value_type, value) for key, value in bpf_map.items()}


def _hex(ctype: Any, value: Any) -> str:
    return bytes(value if isinstance(value, ctypes.Structure) else ctype(value)).hex()


def pack(*fields: Any) -> str:
    """ctypes values one after the other, in hex."""
    return b"".join(map(bytes, fields)).hex()
