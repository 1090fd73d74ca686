"""Kernel functions that programs call, by their numbers in the BTF of vmlinux: Documentation/bpf/kfuncs.rst."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import Final

from ..btf import Kind, scans
from ..btf.reader import VMLINUX
from ..exception import NotSupported

SINCE: Final = {"bpf_iter_num_new": "6.4", "bpf_iter_num_next": "6.4", "bpf_iter_num_destroy": "6.4"}
"""The Linux version that brought a function, for messages."""

_numbers: dict[str, int | None] = {}


def find(names: Iterable[str]) -> dict[str, int | None]:
    """The functions' numbers, None for those that this kernel lacks. Answers are remembered.

    Reads a file of several megabytes if an answer isn't known yet. Raises OSError if reading isn't permitted.
    """
    missing = [name for name in names if name not in _numbers]
    if missing:
        try:
            btf = VMLINUX.read_bytes()
        except FileNotFoundError:
            _numbers.update(dict.fromkeys(missing))
        else:
            _numbers.update({name: scans.find(btf, Kind.FUNC, name) for name in missing})
    return {name: _numbers[name] for name in names}


def numbers(names: tuple[str, ...]) -> tuple[int, ...]:
    """The functions' numbers. Raises NotSupported for one that this kernel lacks."""
    found = find(names)
    result = []
    for name in names:
        number = found[name]
        if number is None:
            raise NotSupported(errno.EOPNOTSUPP, f"the kernel function {name}()", SINCE.get(name, ""))
        result.append(number)
    return tuple(result)
