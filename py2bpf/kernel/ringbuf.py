"""Records of BPF ring buffers."""

from __future__ import annotations

from collections.abc import Callable

from .codec import Codec
from .readers import ring_reader
from .records import Records


def ring_source(map_fd: int, size: int, codec: Codec, lost: Callable[[], int], latency: float = 0.0) -> Records:
    """The records of a ring buffer of size bytes. ``lost`` tells how many programs could not write."""
    return Records(ring_reader(map_fd, size), codec, latency, size, lost)
