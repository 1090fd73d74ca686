"""The kernel's facts about a program: struct bpf_prog_info."""

from __future__ import annotations

import struct
from typing import Final

from ..core.handles import Handle
from ..programs import ProgInfo
from . import syscalls

LAYOUT: Final = struct.Struct("=II8s48x16s112xQQQI4x")
"""type, id, tag, name, run_time_ns, run_cnt, recursion_misses, verified_insns."""


def prog_info(program: Handle) -> ProgInfo:
    """Facts about a program. Raises KernelError, ClosedError."""
    raw = syscalls.get_info(program, LAYOUT.size).ljust(LAYOUT.size, b"\0")
    kind, number, tag, name, run_time_ns, run_cnt, recursion_misses, verified_insns = LAYOUT.unpack(raw)
    told = name.split(b"\0")[0].decode()
    return ProgInfo(number, told, tag.hex(), kind, run_cnt, run_time_ns, verified_insns, recursion_misses)
