"""Maps and queues that programs and user space share.

In Python, a map is a mapping (see Map in base.py for its rules), and a queue is an iterator of records. All have
``fd``, ``map_spec`` and an idempotent close(), and are context managers.
"""

from __future__ import annotations

from ..spec import SpinLock
from ..uapi.map_types import MapType as BpfMapType  # noqa: F401  # of the original of 2017
from .arrays import ArrayMap, PerCpuArrayMap, ProgArray
from .base import Map
from .base import Map as BpfMap  # noqa: F401
from .globals import Global
from .hashes import HashMap, LruHashMap, LruPerCpuHashMap, PerCpuHashMap, create_map
from .lpm import LpmTrieMap
from .percpu import PerCpuValues
from .queue import BpfQueue
from .ring import RingBuffer
from .stacks import StackTraceMap
from .stacks import StackTraceMap as BpfStackTraceMap  # noqa: F401
from .user_ring import UserRingBuffer

__all__ = [
    "ArrayMap",
    "BpfQueue",
    "Global",
    "HashMap",
    "LpmTrieMap",
    "LruHashMap",
    "LruPerCpuHashMap",
    "Map",
    "PerCpuArrayMap",
    "PerCpuHashMap",
    "PerCpuValues",
    "ProgArray",
    "RingBuffer",
    "SpinLock",
    "StackTraceMap",
    "UserRingBuffer",
    "create_map",
]
