"""A structure for simulated maps, and the packet that programs run on."""

from __future__ import annotations

from ctypes import Structure, c_uint8, c_uint32

from py2bpf.testing import packets

PACKET = packets.ethernet(bytes(50), packets.ETH_P_IP)


class Pair(Structure):
    _fields_ = [("a", c_uint8), ("b", c_uint32)]
