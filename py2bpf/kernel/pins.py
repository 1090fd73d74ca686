"""Pins programs and links in a bpf file system, together with the program arrays that they need."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator, Sequence

from ..core.handles import Handle
from ..given import path_bytes
from . import reached, syscalls


def pin(path: str | os.PathLike[str], handle: Handle, arrays: Sequence[Handle]) -> None:
    """Gives a program or a link a name. The program arrays that its tail calls lead to, which the kernel would empty
    when this process ends, get the same name followed by ``_array0``, ``_array1`` ... Pins all of them, or none."""
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
    """Removes a name that pin() gave, and the names of the arrays. False if there was no such name."""
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
    """The name of a program or link, and then the names for its arrays."""
    yield path
    own = os.fsdecode(path_bytes(path, "a path to pin at"))
    for number in itertools.count():
        yield f"{own}_array{number}"
