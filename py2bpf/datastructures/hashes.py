"""Hash maps: up to max_entries entries with any keys."""

from __future__ import annotations

from typing import Any, ClassVar

from ..borders import public
from ..uapi.map_types import MapType
from .base import Map
from .sums import PerCpuMap


class HashMap(Map):
    """``HashMap(key_type, value_type, max_entries, default=None, *, name="")``: BPF_MAP_TYPE_HASH.

    ``default`` is what a program reads for a missing key (zero if None). In user space a missing key raises KeyError,
    and storing a new key in a full map raises KernelError with errno E2BIG.
    """

    kind: ClassVar[MapType] = MapType.HASH


class LruHashMap(Map):
    """A HashMap that removes the least recently used entries when it is full.

    It may remove entries before it holds max_entries, since the kernel keeps up to 128 free entries in a list for each
    CPU. If n keys must stay in the map, set max_entries to n + 128 for every possible CPU.
    """

    kind: ClassVar[MapType] = MapType.LRU_HASH


class PerCpuHashMap(PerCpuMap):
    """A HashMap in which every CPU has its own value for a key, so that programs update it without atomic operations.

    User space reads a list with one value per possible CPU, which has a sum(). It stores such a list, or one value
    (anything but a list), which every CPU gets.
    """

    kind: ClassVar[MapType] = MapType.PERCPU_HASH


class LruPerCpuHashMap(PerCpuMap):
    """A PerCpuHashMap that removes entries when it is full, as LruHashMap does."""

    kind: ClassVar[MapType] = MapType.LRU_PERCPU_HASH


@public
def create_map(
    key_type: Any, value_type: Any, max_entries: int, default: int | None = None, *, name: str = ""
) -> HashMap:
    """A HashMap."""
    return HashMap(key_type, value_type, max_entries, default, name=name)
