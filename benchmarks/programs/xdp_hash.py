"""Hashes of a TCP or UDP packet's IPv4 header: Jenkins's final mix of addresses and ports, FNV-1a of its bytes."""

import struct
from ctypes import BigEndianStructure, Structure, c_uint8, c_uint16, c_uint32, c_uint64

from frames import UDP

from programs import Case, pack
from py2bpf import net
from py2bpf.datastructures import ArrayMap
from py2bpf.xdp import XDP_PASS, XdpProgram

SEED = 0x12345678
U32 = (1 << 32) - 1
U64 = (1 << 64) - 1


class Words(Structure):
    """Addresses and ports as they lie in memory."""

    _pack_, _layout_ = 1, "ms"
    _fields_ = (("source", c_uint32), ("destination", c_uint32), ("ports", c_uint32))


class Frame(BigEndianStructure):
    """Ethernet, an IPv4 header without options, and ports."""

    _pack_, _layout_ = 1, "ms"
    _fields_ = (("addresses", c_uint8 * 12), ("type", c_uint16), ("ip", c_uint8 * 20), ("ports", c_uint16 * 2))


def rotate(number, bits):
    return (number << bits | number >> (32 - bits)) & U32


def jenkins(a, b, c, seed):
    seed = (seed + 0xDEADBEEF + 12) & U32
    a, b, c = (a + seed) & U32, (b + seed) & U32, (c + seed) & U32
    c = ((c ^ b) - rotate(b, 14)) & U32
    a = ((a ^ c) - rotate(c, 11)) & U32
    b = ((b ^ a) - rotate(a, 25)) & U32
    c = ((c ^ b) - rotate(b, 16)) & U32
    a = ((a ^ c) - rotate(c, 4)) & U32
    b = ((b ^ a) - rotate(a, 14)) & U32
    return ((c ^ b) - rotate(b, 24)) & U32


def fnv(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & U64
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & U64
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & U64
    return value ^ value >> 33


def make() -> Case:
    result = ArrayMap(c_uint64, 2)

    def xdp_hash(ctx):
        frame, words = ctx.packet(Frame), ctx.packet(Words, 26)
        if frame is None or words is None or frame.type != net.EtherType.IPV4 or frame.ip[0] != 0x45:
            return XDP_PASS
        if frame.ip[9] not in (net.Protocol.TCP, net.Protocol.UDP):
            return XDP_PASS
        result[0] = jenkins(words.source, words.destination, words.ports, SEED)
        result[1] = fnv(frame.ip)
        return XDP_PASS

    hashes = jenkins(*struct.unpack("=3I", UDP[26:38]), SEED), fnv(UDP[14:34])
    return Case(
        "xdp_hash",
        XdpProgram(xdp_hash),
        frame=UDP,
        retval=XDP_PASS,
        maps={"result": result},
        tables={"result": {pack(c_uint32(i)): pack(c_uint64(number)) for i, number in enumerate(hashes)}},
        baseline="empty_xdp",
    )
