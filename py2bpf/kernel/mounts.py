"""The mounted file systems, see proc_pid_mounts(5)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

_MOUNTS: Final = Path("/proc/self/mounts")


class Mount(NamedTuple):
    """The place of a mounted file system, and its kind, for example ``"bpf"``."""

    place: Path
    kind: str


def mounts() -> Iterator[Mount]:
    """All mounts that this process sees."""
    for line in _MOUNTS.read_bytes().splitlines():
        _device, place, kind = line.split(b" ")[:3]
        yield Mount(Path(os.fsdecode(re.sub(rb"\\(\d{3})", _character, place))), os.fsdecode(kind))


def _character(code: re.Match[bytes]) -> bytes:
    """The character, such as a space, for an octal escape."""
    return bytes([int(code[1], 8)])
