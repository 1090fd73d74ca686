"""The possible CPUs, as the kernel numbers them in per-CPU maps, and those that are online."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Final


@functools.cache
def possible_cpus() -> tuple[int, ...]:
    """The numbers of the CPUs that could ever be online: a per-CPU map has a value for each. Fixed at boot."""
    return parse_cpus(Path("/sys/devices/system/cpu/possible").read_bytes().decode())


_ONLINE: Final = Path("/sys/devices/system/cpu/online")


def online_list() -> str:
    """The kernel's list of the CPUs that are online now, to compare with an earlier one; "" if it can't be read."""
    try:
        return _ONLINE.read_bytes().decode()
    except OSError:  # no sysfs, for example in a container
        return ""


def online_cpus() -> tuple[int, ...]:
    """The CPUs that are online now; CPU 0 if the list can't be read."""
    return parse_cpus(online_list() or "0")


def parse_cpus(text: str) -> tuple[int, ...]:
    """The CPUs of a list such as ``0-3,8-11``."""
    cpus: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        cpus.extend(range(int(first), int(last or first) + 1))
    return tuple(cpus)
