"""Records of the VM's event queues."""

from __future__ import annotations

from collections.abc import Callable
from mmap import PAGESIZE

from .._ffi import ffi, lib
from ..codec import Codec
from ..core.failures import checked
from ..core.handles import Handle
from ..core.queue_records import Records
from .map_calls import queue_reader


def perf_source(
    map: Handle, n_cpus: int, pages: int, codec: Codec, ordered: bool, refused: Callable[[], int]
) -> Records:
    """The records that programs write to a perf event array, with ``pages`` pages for each CPU. ``refused`` gives how
    many records were refused for other reasons than lack of room. Raises KernelError."""
    return Records(queue_reader(map, pages, ordered), codec, 0.0, pages * PAGESIZE * n_cpus,
                   refused=refused)  # fmt: skip


def ring_source(map: Handle, size: int, codec: Codec, lost: Callable[[], int] | None = None) -> Records:
    """The records of a ring buffer of ``size`` bytes. ``lost`` gives how many records programs could not write."""
    return Records(queue_reader(map), codec, 0.0, size, lost)


def ring_positions(map: Handle) -> tuple[int, int]:
    """How many bytes of a ring buffer were consumed and produced."""
    found = ffi.new("uint64_t[2]")
    checked(lib.p2b_vm_ring_positions(map.cell, found), "cannot look at a ring buffer", map)
    return int(found[0]), int(found[1])
