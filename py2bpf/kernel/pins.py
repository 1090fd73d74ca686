"""Names in a bpf file system for what outlives the process, with the program arrays that it needs."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator, Sequence

from ..core.handles import Handle
from ..given import path_bytes
from . import reached, syscalls


def pin(path: str | os.PathLike[str], handle: Handle, arrays: Sequence[Handle]) -> None:
    """Gives a program or a link a name, and the program arrays that its tail calls lead to the same name with
    ``_array0``, ``_array1`` ... behind it: the kernel would empty them with this process. All of them, or none."""
    names: list[str | os.PathLike[str]] = []
    try:
        for name, each in zip(_names(path), [handle, *reached.all_of(arrays)], strict=False):
            syscalls.obj_pin(name, each)
            names.append(name)
    except BaseException:
        for name in names:
            with contextlib.suppress(OSError):
                os.unlink(name)
        raise


def unpin(path: str | os.PathLike[str]) -> bool:
    """Removes a name that pin() gave, and those of the arrays; whether it was there."""
    found = False
    for number, name in enumerate(_names(path)):
        try:
            os.unlink(path_bytes(name))
        except FileNotFoundError:
            if number:
                break
        else:
            found = found or not number
    return found


def _names(path: str | os.PathLike[str]) -> Iterator[str | os.PathLike[str]]:
    """The name of a program or link, and those of the arrays that it leads to."""
    yield path
    own = os.fsdecode(path_bytes(path, "a path to pin at"))
    for number in itertools.count():
        yield f"{own}_array{number}"
