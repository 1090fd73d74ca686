"""Records of BPF ring buffers. See datastructures.reader.RecordSource."""

from __future__ import annotations

from collections.abc import Callable

from .codec import Codec
from .perfbuf import FrameSource
from .readers import ring_reader


def ring_source(
    map_fd: int, size: int, codec: Codec, lost: Callable[[], int], latency: float = 0.0
) -> FrameSource:
    """The records of a ring buffer of size bytes. ``lost`` tells how many programs could not write."""
    return FrameSource(ring_reader(map_fd, size), codec, latency, size, lost)
