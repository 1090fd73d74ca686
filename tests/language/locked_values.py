"""Values of maps: with a spin lock, and with numbers that have no atomic operations."""

from __future__ import annotations

import ctypes

from py2bpf.datastructures import SpinLock


class Flow(ctypes.Structure):
    _fields_ = (
        ("packets", ctypes.c_uint32),
        ("lock", SpinLock),
        ("size", ctypes.c_uint64),
        ("mean", ctypes.c_uint64),
        ("name", ctypes.c_char * 8),
    )


class Narrow(ctypes.BigEndianStructure):
    _fields_ = (
        ("level", ctypes.c_int8),
        ("low", ctypes.c_uint8, 3),
        ("high", ctypes.c_uint8, 5),
        ("short", ctypes.c_uint16),
        ("words", ctypes.c_uint16 * 4),
        ("big", ctypes.c_uint32),
    )
