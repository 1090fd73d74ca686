"""Which CPUs there can be, as the kernel counts them for per-CPU maps."""

from __future__ import annotations

import functools
from pathlib import Path


@functools.cache
def possible_cpus() -> tuple[int, ...]:
    """The numbers of the CPUs that could ever be online: a per-CPU map has a value for each. Fixed at boot."""
    return parse_cpus(Path("/sys/devices/system/cpu/possible").read_text(encoding="ascii"))


def parse_cpus(text: str) -> tuple[int, ...]:
    """The CPUs of a list such as ``0-3,8-11``."""
    cpus: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        cpus.extend(range(int(first), int(last or first) + 1))
    return tuple(cpus)
