"""Hash maps of every kind, and structures for them."""

from __future__ import annotations

from ctypes import Structure, c_uint32, c_uint64

from py2bpf.datastructures import (
    ArrayMap,
    HashMap,
    LpmTrieMap,
    LruHashMap,
    LruPerCpuHashMap,
    PerCpuArrayMap,
    PerCpuHashMap,
    ProgArray,
    StackTraceMap,
)


class Stat(Structure):
    _fields_ = [("packets", c_uint64), ("bytes", c_uint64)]


EVERY_KIND = [
    lambda: HashMap(c_uint32, c_uint64, 4), lambda: LruHashMap(c_uint32, c_uint64, 4),
    lambda: PerCpuHashMap(c_uint32, c_uint64, 4), lambda: LruPerCpuHashMap(c_uint32, c_uint64, 4),
    lambda: ArrayMap(c_uint64, 4), lambda: PerCpuArrayMap(c_uint64, 4), lambda: LpmTrieMap(c_uint32, c_uint64, 4),
    lambda: StackTraceMap(4), lambda: ProgArray(4),
]  # fmt: skip
