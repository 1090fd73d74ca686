"""The C core's scans of BTF, with types: vmlinux has about 100,000 types, and Python takes 50 ms to go over them."""

from __future__ import annotations

import errno
from array import array
from typing import Final

from .._ffi import ffi, lib

_TYPE: Final = 12
"""The least bytes that a type takes."""


def offsets(data: bytes) -> array[int] | None:
    """The offsets of all types in a BTF blob of this machine's byte order, beginning with that of void; None if the C
    core doesn't understand the blob."""
    room = len(data) // _TYPE
    found = array("I", bytes(4 * (room + 1)))
    count = lib.p2b_btf_offsets(ffi.from_buffer(data), len(data), ffi.from_buffer("uint32_t[]", found) + 1, room)
    if count < 0:
        return None
    del found[count + 1 :]
    return found


def find(data: bytes, kind: int, name: str) -> int | None:
    """The number of the first type of that kind and name, or None, in a blob that offsets() understands."""
    number: int = lib.p2b_btf_find(ffi.from_buffer(data), len(data), kind, name.encode())
    if number < 0 and number != -errno.ENOENT:
        raise OSError(-number, "cannot search BTF")
    return None if number < 0 else number
