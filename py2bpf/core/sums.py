"""The values of all CPUs added up, many entries at once."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Final, NamedTuple

from .._ffi import ffi, lib
from .entries import Buffer
from .failures import checked


class NumberKind:
    """``enum p2b_number``."""

    UNSIGNED: Final[int] = lib.P2B_UNSIGNED
    SIGNED: Final[int] = lib.P2B_SIGNED
    FLOAT: Final[int] = lib.P2B_FLOAT
    BOOL: Final[int] = lib.P2B_BOOL


class NumberField(NamedTuple):
    """``struct p2b_field``: numbers in a row within a value."""

    offset: int
    length: int
    kind: int
    size: int
    swapped: bool


def sum_cpus(values: Buffer, n: int, cpus: int, stride: int, fields: Sequence[NumberField]) -> bytearray | int:
    """The sums of n entries that have a value for each CPU: 8 bytes for each number, entry by entry.

    Gives the number of the first entry that has a sum which 64 bits can't hold.
    """
    described, failed = ffi.new("struct p2b_field[]", [tuple(field) for field in fields]), ffi.new("uint64_t *")
    sums, source = bytearray(8 * n * sum(field.length for field in fields)), ffi.from_buffer(values)
    if len(source) < n * cpus * stride:
        raise ValueError(f"{n} entries of {cpus} CPUs need more than {len(source)} bytes")
    result: int = lib.p2b_sum(source, n, cpus, stride, described, len(fields), ffi.from_buffer(sums), failed)
    if result == -errno.EOVERFLOW:
        return int(failed[0])
    checked(result, "cannot add up the CPUs' values")
    return sums
