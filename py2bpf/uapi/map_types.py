"""Map types and their flags, as in include/uapi/linux/bpf.h, and what differs between kinds in user space."""

from __future__ import annotations

from ctypes import c_uint32, c_uint64
from enum import IntEnum, IntFlag
from typing import Any, Final, NamedTuple

from ..spec import MapSpec


class MapType(IntEnum):
    """enum bpf_map_type."""

    UNSPEC = 0
    HASH = 1
    ARRAY = 2
    PROG_ARRAY = 3
    PERF_EVENT_ARRAY = 4
    PERCPU_HASH = 5
    PERCPU_ARRAY = 6
    STACK_TRACE = 7
    CGROUP_ARRAY = 8
    LRU_HASH = 9
    LRU_PERCPU_HASH = 10
    LPM_TRIE = 11
    ARRAY_OF_MAPS = 12
    HASH_OF_MAPS = 13
    DEVMAP = 14
    SOCKMAP = 15
    CPUMAP = 16
    XSKMAP = 17
    SOCKHASH = 18
    CGROUP_STORAGE = 19
    REUSEPORT_SOCKARRAY = 20
    PERCPU_CGROUP_STORAGE = 21
    QUEUE = 22
    STACK = 23
    SK_STORAGE = 24
    DEVMAP_HASH = 25
    STRUCT_OPS = 26
    RINGBUF = 27
    INODE_STORAGE = 28
    TASK_STORAGE = 29
    BLOOM_FILTER = 30
    USER_RINGBUF = 31
    CGRP_STORAGE = 32
    ARENA = 33


class Update(IntEnum):
    """Flags of BPF_MAP_UPDATE_ELEM."""

    ANY = 0
    NOEXIST = 1
    EXIST = 2
    LOCK = 4


class MapFlags(IntFlag):
    """Flags of BPF_MAP_CREATE."""

    NO_PREALLOC = 1 << 0
    NO_COMMON_LRU = 1 << 1
    NUMA_NODE = 1 << 2
    RDONLY = 1 << 3
    WRONLY = 1 << 4
    RDONLY_PROG = 1 << 7
    WRONLY_PROG = 1 << 8
    MMAPABLE = 1 << 10


class MapKind(NamedTuple):
    """What user space must know of a map type."""

    title: str
    since: str
    made_by: str
    """The class of py2bpf.datastructures."""
    per_cpu: bool = False
    indexed: bool = False  # keys are 0 ... max_entries - 1, always there
    batch: bool = True  # BPF_MAP_LOOKUP_BATCH gives each stable key once


KINDS: Final = {
    MapType.HASH: MapKind("hash map", "3.19", "HashMap"),
    MapType.ARRAY: MapKind("array map", "3.19", "ArrayMap", indexed=True),
    MapType.PROG_ARRAY: MapKind("program array", "4.2", "ProgArray", batch=False),
    MapType.PERF_EVENT_ARRAY: MapKind("perf event array", "4.3", "BpfQueue", batch=False),
    MapType.PERCPU_HASH: MapKind("per-CPU hash map", "4.6", "PerCpuHashMap", per_cpu=True),
    MapType.PERCPU_ARRAY: MapKind("per-CPU array map", "4.6", "PerCpuArrayMap", per_cpu=True, indexed=True),
    MapType.STACK_TRACE: MapKind("stack trace map", "4.6", "StackTraceMap", batch=False),
    MapType.LRU_HASH: MapKind("LRU hash map", "4.10", "LruHashMap"),
    MapType.LRU_PERCPU_HASH: MapKind("per-CPU LRU hash map", "4.10", "LruPerCpuHashMap", per_cpu=True),
    MapType.LPM_TRIE: MapKind("LPM trie", "4.11", "LpmTrieMap", batch=False),
    MapType.RINGBUF: MapKind("ring buffer", "5.8", "RingBuffer", batch=False),
    MapType.USER_RINGBUF: MapKind("user ring buffer", "6.1", "UserRingBuffer", batch=False),
}
"""The map types that py2bpf creates."""


def title(kind: int) -> str:
    """A kind of map by the class that makes it, or by the kernel's name."""
    found = KINDS.get(MapType(kind))
    return f"a {found.made_by}" if found else f"a BPF_MAP_TYPE_{MapType(kind).name}"

MAX_KEY_SIZE: Final = 512
"""MAX_BPF_STACK: keys live on a program's stack."""

MAX_PER_CPU_VALUE_SIZE: Final = 32 << 10
"""PCPU_MIN_UNIT_SIZE."""

MAX_PREFIX_BYTES: Final = 256
"""LPM_DATA_SIZE_MAX."""

MAX_STACK_DEPTH: Final = 127
"""PERF_MAX_STACK_DEPTH, the default of the sysctl kernel.perf_event_max_stack."""

NAME_SIZE: Final = 15
"""BPF_OBJ_NAME_LEN without its NUL."""


def variable(ctype: Any, name: str = "") -> MapSpec:
    """The map of one value that programs know without a key: BPF's global variables."""
    return MapSpec(MapType.ARRAY, c_uint32, ctype, 1, flags=MapFlags.MMAPABLE, name=name, is_global=True)


LOSS_COUNTER: Final = variable(c_uint64)
"""What counts the losses of a map: the same object each time, so that equal programs have equal specs."""
