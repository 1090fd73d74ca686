"""Records of BPF ring buffers."""

from __future__ import annotations

import mmap
import sys
from collections.abc import Callable

from .._ffi import lib
from ..codec import Codec
from ..core.handles import Handle
from ..core.queue_records import Records
from ..core.readers import CoreReader
from ..exception import KernelError


def ring_source(map: Handle, size: int, codec: Codec, lost: Callable[[], int], latency: float = 0.0) -> Records:
    """The records of a ring buffer of ``size`` bytes. ``lost`` gives how many records programs could not write."""
    return Records(ring_reader(map, size), codec, latency, size, lost)


def positions(map: Handle) -> tuple[int, int]:
    """How many bytes were consumed and produced: the first numbers of a ring buffer's first two pages."""
    try:
        with map.copy() as own, mmap.mmap(own.fd, 2 * mmap.PAGESIZE, mmap.MAP_SHARED, mmap.PROT_READ) as pages:
            consumed = int.from_bytes(pages[:8], sys.byteorder)  # read first, so that it is not above produced
            return consumed, int.from_bytes(pages[mmap.PAGESIZE : mmap.PAGESIZE + 8], sys.byteorder)
    except OSError as error:
        raise KernelError(error.errno or 0, "cannot map a ring buffer's positions") from error


def ring_reader(map: Handle, size: int) -> CoreReader:
    """A reader of a ring buffer of ``size`` bytes. Only programs can count lost records. Raises KernelError."""
    return CoreReader(lambda ret: lib.p2b_ringbuf_make(map.cell, size, ret),
                      f"cannot map a ring buffer of {size} bytes", map)
