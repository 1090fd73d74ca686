"""Adds up the values of all CPUs, for many entries at once."""

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
    """``struct p2b_field``: ``length`` consecutive numbers within a value."""

    offset: int
    length: int
    kind: int
    size: int
    swapped: bool


def sum_cpus(values: Buffer, n: int, cpus: int, stride: int, fields: Sequence[NumberField]) -> bytearray | int:
    """The sums of ``n`` entries that have a value for each CPU: 8 bytes for each number, entry by entry.

    If a sum doesn't fit 64 bits, returns the index of the first such entry instead. Raises ValueError if ``values`` is
    too short.
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
