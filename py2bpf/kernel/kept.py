"""Keeps the program arrays of installed programs alive beyond the end of the process.

The kernel empties a program array when its last descriptor and pin are gone (bpf_map_put_uref() in
kernel/bpf/syscall.c), even if programs use it. Each tail call then fails, and a filter would let all packets pass. So
the arrays of an installed program are pinned in a bpf file system until the program is removed.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from ..core.handles import Handle
from ..exception import KernelError
from . import links, reached, syscalls

FOLDER: Final = Path("/sys/fs/bpf/py2bpf")
_numbers: Final = itertools.count()


def keep(place: str, prog_id: int, arrays: Sequence[Handle]) -> None:
    """Pins the arrays of a program that is about to be installed at a place, and all arrays that they lead to. Arrays
    that are pinned there already are skipped. Raises KernelError."""
    arrays = [each for each in reached.all_of(arrays) if each.reach and (place, prog_id) not in each.reach.places]
    if not arrays:
        return
    try:
        FOLDER.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise KernelError(
            error.errno or errno.EIO,
            "the program stays installed when this process ends, so its program array must stay too: this needs a bpf "
            f"file system at {FOLDER.parent} (call py2bpf.util.ensure_resources()), and {FOLDER} can't be made there",
        ) from error
    names = [FOLDER / f"{place}_{prog_id}_{next(_numbers)}" for _ in arrays]
    try:
        for name, array in zip(names, arrays, strict=True):
            syscalls.obj_pin(name, array)
        reached.pinned((place, prog_id), arrays)
    except BaseException:  # earlier pins stay, since the program may already be installed
        for name in names:
            with contextlib.suppress(OSError):
                name.unlink()
        raise


def let_go(place: str, prog_id: int) -> None:
    """Removes the pins of a program that is no longer at a place."""
    reached.let_go((place, prog_id))
    _unpin(lambda found, number: (found, number) == (place, prog_id))


def sweep() -> None:
    """Removes the pins of programs that no longer exist, for example because their device is gone. Asks the kernel for
    the programs, since a device that moved to another namespace keeps its programs. Only CAP_SYS_ADMIN may ask for
    programs of others; without it their pins stay."""
    owners = {number for _place, number in map(_owner, _names()) if number is not None}
    gone = set(filter(links.is_gone, owners))
    reached.let_go_all(gone)
    _unpin(lambda _place, number: number in gone)


def _unpin(wanted: Callable[[str, int], bool]) -> None:
    for name in _names():
        place, number = _owner(name)
        if number is not None and wanted(place, number):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(FOLDER / name)


def _names() -> list[str]:
    try:
        return os.listdir(FOLDER)
    except OSError:  # there is no folder, or this user may not read it
        return []


def _owner(name: str) -> tuple[str, int | None]:
    """The place and the program's id in a pin's name; None as the id if the pin isn't py2bpf's."""
    place, _, rest = name.partition("_")
    number = rest.partition("_")[0]
    return place, int(number) if number.isdecimal() else None
