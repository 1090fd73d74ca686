"""Map types and their flags, as in include/uapi/linux/bpf.h, and the differences between kinds of maps."""

from __future__ import annotations

import os
from ctypes import c_uint32, c_uint64
from enum import Enum, IntEnum, IntFlag
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


class Smallest(NamedTuple):
    """The smallest map of a kind, to try whether the kernel has the kind."""

    key_size: int = 4
    value_size: int = 8
    max_entries: int = 1
    flags: int = 0


ITEMS: Final = ("get", "setdefault", "pop", "add")
"""The default methods of maps for programs, besides ``m[k]``."""


class Holds(Enum):
    """What user space stores in a map's entries."""

    VALUES = "values"
    PROGRAMS = "programs"


class MapKind(NamedTuple):
    """The facts about a map type, which the compiler, the kernel side, the VM, the simulation and the tests read."""

    title: str
    since: str
    made_by: str
    """The class of py2bpf.datastructures."""
    instead: str = ""
    """What a program does instead with a map that has no items for programs; "" if programs use ``m[k]``."""
    indexed: bool = False  # keys are 0 ... max_entries - 1, always there
    prefixes: bool = False  # keys are prefixes; a program finds the longest prefix of its key
    per_cpu: bool = False
    forgets: bool = False  # a full map removes the least recently used entries
    lru: str = ""  # the class that does so, if this kind does not
    lockable: bool = False  # values may have a spin lock
    addressed: bool = False  # programs have the address of an array's value as a constant
    records: bool = False  # programs write records into it
    ring: bool = False  # one ring for all CPUs; programs count records that find no room
    methods: tuple[str, ...] = ITEMS  # for programs, besides lock() for values with a lock
    batch: bool = True  # BPF_MAP_LOOKUP_BATCH gives each stable key once
    holds: Holds = Holds.VALUES
    smallest: Smallest = Smallest()
    not_in_vm: str = ""  # why the embedded VM has no such maps

    @property
    def keyed(self) -> bool:
        """Whether programs read and write items by their keys."""
        return not self.instead

    @property
    def inserts(self) -> bool:
        """Whether programs insert keys, for which the map may have no room."""
        return self.keyed and not self.indexed

    @property
    def counts_losses(self) -> bool:
        """Whether programs count failed insertions or lost records, since the kernel reports them to nobody."""
        return self.inserts or self.ring

    @property
    def replaces(self) -> bool:
        """Whether storing a key's value makes a new entry, so that references keep the old value."""
        return self.inserts and not self.per_cpu


_OUTPUT: Final = "a queue's records are written by output()"
_RING: Final = Smallest(0, 0, os.sysconf("SC_PAGESIZE"))

KINDS: Final = {
    MapType.HASH: MapKind("hash map", "3.19", "HashMap", lockable=True, lru="LruHashMap"),
    MapType.ARRAY: MapKind("array map", "3.19", "ArrayMap", indexed=True, lockable=True, addressed=True),
    MapType.PROG_ARRAY: MapKind(
        "program array", "4.2", "ProgArray", batch=False, holds=Holds.PROGRAMS, smallest=Smallest(value_size=4),
        instead="py2bpf.funcs.tail_call(ctx, programs, index) goes to one of its programs",
    ),
    MapType.PERF_EVENT_ARRAY: MapKind(
        "perf event array", "4.3", "BpfQueue", _OUTPUT, records=True, methods=("output",), batch=False,
        smallest=Smallest(value_size=4),
    ),
    MapType.PERCPU_HASH: MapKind("per-CPU hash map", "4.6", "PerCpuHashMap", per_cpu=True, lru="LruHashMap"),
    MapType.PERCPU_ARRAY: MapKind("per-CPU array map", "4.6", "PerCpuArrayMap", per_cpu=True, indexed=True),
    MapType.STACK_TRACE: MapKind(
        "stack trace map", "4.6", "StackTraceMap", batch=False,
        instead="py2bpf.funcs.get_stackid(ctx, stacks, flags) fills it, for user space to read",
    ),
    MapType.LRU_HASH: MapKind("LRU hash map", "4.10", "LruHashMap", forgets=True),
    MapType.LRU_PERCPU_HASH: MapKind(
        "per-CPU LRU hash map", "4.10", "LruPerCpuHashMap", per_cpu=True, forgets=True,
    ),
    MapType.LPM_TRIE: MapKind(
        "LPM trie", "4.11", "LpmTrieMap", prefixes=True, batch=False,
        smallest=Smallest(8, flags=MapFlags.NO_PREALLOC),
    ),
    MapType.RINGBUF: MapKind(
        "ring buffer", "5.8", "RingBuffer", _OUTPUT, records=True, ring=True,
        methods=("output", "reserve", "submit", "discard"), batch=False, smallest=_RING,
    ),
    MapType.USER_RINGBUF: MapKind(
        "user ring buffer", "6.1", "UserRingBuffer", "ring.receive() takes the next record out",
        methods=("receive",), batch=False,
        smallest=_RING,
    ),
}  # fmt: skip
"""The map types that py2bpf creates."""
_OTHER: Final = MapKind("map", "", "", "use a hash, an array or an LPM trie")


def kind_of(number: int) -> MapKind:
    """The row of a kind; a common row for all kinds that py2bpf does not create."""
    return KINDS.get(MapType(number), _OTHER)


def title(kind: int) -> str:
    """The words for a kind of map in messages: its class, or the kernel's name."""
    found = KINDS.get(MapType(kind))
    return f"a {found.made_by}" if found else f"a BPF_MAP_TYPE_{MapType(kind).name}"

MAX_KEY_SIZE: Final = 512
"""MAX_BPF_STACK, since keys are on a program's stack."""

MAX_PER_CPU_VALUE_SIZE: Final = 32 << 10
"""PCPU_MIN_UNIT_SIZE."""

MAX_PREFIX_BYTES: Final = 256
"""LPM_DATA_SIZE_MAX."""

MAX_STACK_DEPTH: Final = 127
"""PERF_MAX_STACK_DEPTH, the default of the sysctl kernel.perf_event_max_stack."""

NAME_SIZE: Final = 15
"""BPF_OBJ_NAME_LEN without its NUL."""


def variable(ctype: Any, name: str = "") -> MapSpec:
    """The map for a global variable: one value, which programs use without a key."""
    return MapSpec(MapType.ARRAY, c_uint32, ctype, 1, flags=MapFlags.MMAPABLE, name=name, is_global=True)


LOSS_COUNTER: Final = variable(c_uint64)
"""The counter of a map's losses. Always the same object, so that equal programs have equal specs."""
