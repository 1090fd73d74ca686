"""Programs that read and write packets, with the same meaning in CPython; and CPython's stand-in for a context."""

from __future__ import annotations

import ctypes
from ctypes import BigEndianStructure, Structure, c_char, c_int16, c_uint8, c_uint16, c_uint32, c_uint64
from typing import Any

from py2bpf import Struct, funcs, net

Mac = c_uint8 * 6
be16 = c_uint16.__ctype_be__
be32 = c_uint32.__ctype_be__


class Names(Struct, packed=True):
    """Texts of odd lengths, which fill their arrays with zeros, also in a packet."""

    first: c_char * 7
    second: c_char * 5
    third: c_char * 3


class Option(BigEndianStructure):
    _pack_, _layout_ = 1, "ms"
    _fields_ = (("kind", c_uint8), ("length", c_uint8))


class Numbers(BigEndianStructure):
    """Of ctypes, which keeps the low bits of what is too large; those of py2bpf.Struct refuse it."""

    _pack_, _layout_ = 1, "ms"
    _fields_ = (("high", c_uint8, 4), ("low", c_uint8, 4), ("word", c_uint16))


class Pair(Structure):
    _fields_ = (("a", c_uint32), ("b", c_uint32))


class Inner(Structure):
    _pack_, _layout_ = 1, "ms"
    _fields_ = (("head", c_uint8), ("pairs", Pair * 4), ("tail", c_int16))


class Sim:
    """A context in CPython. The packet begins at the start of a buffer whatever is cut from it or put before it: a view
    is a place in the packet, not a piece of its contents."""

    data = 0

    def __init__(self, data: bytes) -> None:
        self.buffer = bytearray(data) + bytearray(64)
        self.data_end = len(data)

    @property
    def bytes(self) -> bytes:
        return bytes(self.buffer[: self.data_end])

    def packet(self, ctype: Any, offset: int = 0) -> Any:
        if offset < 0 or offset + ctypes.sizeof(ctype) > self.data_end:
            return None
        found = ctype.from_buffer(self.buffer, offset)
        return found.value if isinstance(found, ctypes._SimpleCData) else found


class SimFuncs:
    """The helpers, in CPython."""

    csum_replace2 = staticmethod(funcs.csum_replace2)
    csum_replace4 = staticmethod(funcs.csum_replace4)

    @staticmethod
    def xdp_adjust_head(ctx: Sim, delta: int) -> int:
        if ctx.data_end - delta < 14:
            return -22
        old, size = bytes(ctx.buffer), len(ctx.buffer)
        ctx.buffer[:] = old[delta:] + bytes(delta) if delta > 0 else bytes(-delta) + old[: size + delta]
        ctx.data_end -= delta
        return 0

    @staticmethod
    def xdp_adjust_tail(ctx: Sim, delta: int) -> int:
        if ctx.data_end + delta < 14:
            return -22
        ctx.data_end += delta
        return 0


def chained(ctx: Any) -> int:
    eth = ctx.packet(net.Ethernet)
    if eth is None or eth.type != net.EtherType.IPV4:
        return 1
    ip = ctx.packet(net.Ipv4, 14)
    if not ip:
        return 3
    if ip.ihl < 5:
        return 4
    ports = ctx.packet(net.Ports, 14 + ip.ihl * 4)
    return 5 if ports is None else 1000 + ports.destination


def unchecked(ctx: Any) -> int:
    ip = ctx.packet(net.Ipv4, 14)
    ports = ctx.packet(net.Ports, 14 + ip.ihl * 4)
    return ip.time_to_live * 65536 + ports.source


def vlans(ctx: Any) -> int:
    eth = ctx.packet(net.Ethernet)
    if not eth:
        return 1
    kind, offset = eth.type, 14
    for _ in range(3):
        if kind not in (net.EtherType.VLAN, net.EtherType.SERVICE_VLAN):
            break
        tag = ctx.packet(net.VlanTag, offset)
        if not tag:
            return 9
        kind = tag.type
        offset += 4
    return kind * 256 + offset


def merged(ctx: Any) -> int:
    short = ctx.packet(net.Ports, 20)
    far = ctx.packet(net.Ports, 60)
    ports = far if ctx.data_end - ctx.data > 100 else short
    if ports is None:
        return 7
    return ports.destination + ports.source * 3


def merged_or_none(ctx: Any) -> int:
    kind = ctx.packet(c_uint8, 15)
    if kind is None:
        return 3
    found = None
    if kind & 1:
        found = ctx.packet(net.Ports, 30)
    elif kind & 2:
        found = ctx.packet(net.Ports, 14 + (kind & 0x3C))
    return found.source if found else 11


def merged_unchecked(ctx: Any) -> int:
    kind = ctx.packet(c_uint8, 15)
    found = ctx.packet(net.Ports, 30) if kind & 1 else ctx.packet(net.Ports, 80 + kind)
    return found.source * 2


def merged_members(ctx: Any) -> int:
    inner = ctx.packet(Inner, 17)
    if not inner:
        return 1
    pair = inner.pairs[0] if inner.head & 1 else inner.pairs[3]
    return (pair.a + pair.b) & 0xFFFF


def negative(ctx: Any) -> int:
    byte = ctx.packet(c_uint8, 14)
    found = ctx.packet(be16, byte - 20)
    return 70000 if found is None else found


def far(ctx: Any) -> int:
    word = ctx.packet(be32, 14)
    if word is None:
        return 1
    found = ctx.packet(c_uint8, word)
    return 300 if found is None else found


def far64(ctx: Any) -> int:
    word = ctx.packet(c_uint64, 14)
    if word is None:
        return 1
    found = ctx.packet(net.Ethernet, word)
    return 300 if found is None else found.type


def swapped_offset(ctx: Any) -> int:
    length = ctx.packet(be16, 16)
    if length is None:
        return 1
    last = ctx.packet(c_uint8, 14 + length)
    return 400 if last is None else last


def indexed(ctx: Any) -> int:
    inner = ctx.packet(Inner, 16)
    if inner is None:
        return 1
    pair = inner.pairs[inner.head % 4]
    return (pair.a ^ pair.b) & 0xFFFFFF


def indexed_checked(ctx: Any) -> int:
    data = ctx.packet(c_uint8 * 20, 14)
    return data[data[0]] + data[-1]


def indexed_behind_variable(ctx: Any) -> int:
    ip = ctx.packet(net.Ipv4, 14)
    if not ip:
        return 1
    data = ctx.packet(c_uint8 * 16, ip.ihl * 4)
    return 2 if data is None else data[ip.time_to_live & 15] * 256 + data[ip.dscp & 7]


def summed(ctx: Any) -> int:
    data = ctx.packet(be16 * 10, 14)
    if data is None:
        return 1
    total = 0
    for i in range(10):
        total += data[i]
    return total


def words(ctx: Any) -> int:
    total = 0
    for i in range(64):
        word = ctx.packet(be16, 2 * i)
        if word is None:
            break
        total += word
    return total


def word_views(ctx: Any) -> int:
    total = 0
    for i in range(40):
        ports = ctx.packet(net.Ports, 4 * i)
        if not ports:
            return total
        total += ports.source ^ ports.destination
    return total


def options(ctx: Any) -> int:
    offset, count = 34, 0
    for _ in range(8):
        option = ctx.packet(Option, offset)
        if not option or option.kind == 0:
            break
        offset += (option.length & 15) + 2
        count += option.kind
    return count * 1000 + offset


def conditions(ctx: Any) -> int:
    eth, ip, ports = ctx.packet(net.Ethernet), ctx.packet(net.Ipv4, 14), ctx.packet(net.Ports, 34)
    if eth and ip and ports and ip.time_to_live > 3:
        return eth.type + ports.destination
    if ip is not None and (ports is None or ip.time_to_live == 2):
        return ip.source.number & 0xFFFF
    return 12


def flags(ctx: Any) -> int:
    ip = ctx.packet(net.Ipv4, 14)
    here = ip is not None
    ports = ctx.packet(net.Ports, 60)
    both = here and ports is not None
    total = 1
    if both:
        total += ports.source
    if here:
        total += ip.time_to_live
    return total + both


def stores(ctx: Any) -> int:
    eth = ctx.packet(net.Ethernet)
    ip = ctx.packet(net.Ipv4, 14)
    if not ip:
        return 1
    eth.type = net.EtherType.IPV6
    eth.destination.octets[5] = 9
    eth.source = eth.destination
    ip.time_to_live = 63
    ip.ihl = ip.ihl ^ 1
    ip.dont_fragment = 1
    ip.source = ip.destination
    ip.identification = 0x1234
    return ip.time_to_live


def stores_that_wrap(ctx: Any) -> int:
    numbers = ctx.packet(Numbers, 15)
    if numbers is None:
        return 1
    numbers.high += 1
    numbers.low -= 1
    numbers.word -= 3
    numbers.word |= 0x4000
    return numbers.high * 16 + numbers.low


def stores_texts(ctx: Any) -> int:
    names = ctx.packet(Names, 14)
    if names is None:
        return 1
    names.first = b"ab"
    names.second = b"12345"
    names.third = b""
    return 2


def stores_at_index(ctx: Any) -> int:
    data = ctx.packet(c_uint8 * 32, 16)
    if data is None:
        return 1
    data[data[0] % 32] = 77
    data[3:6] = data[8:11]
    return 2


def swapped_addresses(ctx: Any) -> int:
    eth = ctx.packet(net.Ethernet)
    old = Mac()
    old[:] = eth.destination.octets
    eth.destination = eth.source
    eth.source.octets = old
    return 3


def copied(ctx: Any) -> int:
    inner = ctx.packet(Inner, 15)
    if inner is None:
        return 1
    mine = Inner()
    mine.pairs = inner.pairs
    pair = Pair()
    pair.a, pair.b = inner.pairs[2].a, inner.pairs[1].b
    mine.pairs[1] = pair
    inner.pairs[0] = mine.pairs[1]
    return (mine.pairs[3].b + pair.a) & 0xFFFF


def compared(ctx: Any) -> int:
    eth = ctx.packet(net.Ethernet)
    ip = ctx.packet(net.Ipv4, 14)
    if not ip:
        return 1
    result = 0
    if ip.fragment_offset:
        result += 1
    if ip.source.number == 0xC0A8010A:
        result += 2
    if ip.total_length > 100:
        result += 4
    if ip.identification in (1, 256, 0x0800):
        result += 8
    if not ip.header_checksum:
        result += 16
    if ip.source.number == ip.destination.number:
        result += 32
    if eth.type == 0x10000:
        result += 64
    if ip.identification & 0x1FFF:
        result += 128
    return result


def recomputed(ctx: Any) -> int:
    ip = ctx.packet(net.Ipv4, 14)
    if not ip:
        return 1
    ip.header_checksum = funcs.csum_replace2(ip.header_checksum, ip.time_to_live << 8 | ip.protocol, 0x4006)
    ip.time_to_live, ip.protocol = 0x40, 6
    ip.header_checksum = funcs.csum_replace4(ip.header_checksum, ip.source.number, 0x0A000001)
    ip.source.number = 0x0A000001
    return ip.header_checksum


def inlined(ctx: Any) -> int:
    def header(offset: int) -> Any:
        ports = ctx.packet(net.Ports, offset)
        if ports is None or ports.source == 0:
            return None
        return ports

    first = header(14)
    second = header(40 if first else 20)
    return second.destination if second is not None else 21


def walked(ctx: Any) -> int:
    view, offset = ctx.packet(Option, 14), 14
    while view is not None and view.kind & 1 and offset < 60:
        offset += 2
        view = ctx.packet(Option, offset)
    return offset if view is None else offset + 1000 * view.length


def whole(ctx: Any) -> int:
    return ctx.data_end - ctx.data


def _shifted(ctx: Any, count: int) -> int:
    if funcs.xdp_adjust_head(ctx, count):
        return 1
    eth = ctx.packet(net.Ethernet)
    return eth.type if eth else 3


def moved_in_subprograms(ctx: Any) -> int:
    ip = ctx.packet(net.Ipv4, 14)
    if not ip:
        return 1
    odd = ip.ecn & 1
    total = _shifted(ctx, 1 + odd)
    total += _shifted(ctx, 2 + odd)
    return total + ip.time_to_live


def _ports(ctx: Any, offset: int) -> int:
    ports = ctx.packet(net.Ports, offset)
    if ports is None:
        return 5
    return ports.source * 3 + ports.destination


def read_in_subprograms(ctx: Any) -> int:
    ip = ctx.packet(net.Ipv4, 14)
    if not ip:
        return 1
    return _ports(ctx, ip.ihl * 4) + _ports(ctx, ip.time_to_live) + _ports(ctx, 30 + ip.dscp) + ip.time_to_live


def long_loop(ctx: Any) -> int:
    total = 0
    for i in range(10000):
        word = ctx.packet(be16, 2 * i)
        if word is None:
            break
        total += word
    return total


def loop_over_all(ctx: Any) -> int:
    total = 0
    for i in range(ctx.data_end - ctx.data):
        byte = ctx.packet(c_uint8, i)
        if byte is None:
            break
        total = (total * 31 + byte) & 0xFFFF
    return total


def steps_of_the_packet(ctx: Any) -> int:
    offset = count = 0
    while offset < 1000:
        option = ctx.packet(Option, offset)
        if option is None or option.kind == 0:
            break
        offset += (option.length & 15) or 1
        count += 1
    return count * 1000 + offset


READING = (chained, unchecked, vlans, merged, merged_or_none, merged_unchecked, merged_members, negative, far, far64,
           swapped_offset, indexed, indexed_checked, indexed_behind_variable, summed, words, word_views, options,
           conditions, flags, compared, inlined, walked, whole, long_loop, loop_over_all,
           steps_of_the_packet)  # fmt: skip
WRITING = (stores, stores_that_wrap, stores_texts, stores_at_index, swapped_addresses, copied, recomputed)


# The packet moves: views are looked up again at the same offset.


def moved_head(ctx: Any) -> int:
    eth = ctx.packet(net.Ethernet)
    if not eth:
        return 1
    before = eth.type
    if funcs.xdp_adjust_head(ctx, 4):
        return 2
    return before * 65536 + eth.type


def moved_test_before(ctx: Any) -> int:
    far = ctx.packet(c_uint8 * 4, 60)
    missing = far is None
    ports = ctx.packet(net.Ports, 50)
    both = missing or ports is None
    funcs.xdp_adjust_tail(ctx, -4)
    result = 10 if missing else 20
    if both:
        result += 1
    if far is None:
        result += 2
    return result


def moved_lost(ctx: Any) -> int:
    last = ctx.packet(c_uint8 * 8, ctx.data_end - ctx.data - 8)
    if last is None:
        return 7
    funcs.xdp_adjust_tail(ctx, -4)
    return 100 + last[3]


def moved_merged(ctx: Any) -> int:
    kind = ctx.packet(c_uint8, 14)
    if kind is None:
        return 7
    ports = ctx.packet(net.Ports, 20) if kind & 1 else ctx.packet(net.Ports, 22 + (kind & 14))
    if funcs.xdp_adjust_head(ctx, 2):
        return 8
    if ports is None:
        return 9
    return ports.source


def moved_indexed(ctx: Any) -> int:
    data = ctx.packet(c_uint8 * 16, 14)
    if data is None:
        return 7
    index = data[0] % 16
    before = data[index]
    funcs.xdp_adjust_head(ctx, 1)
    return before * 256 + data[index]


def moved_on_a_path(ctx: Any) -> int:
    ip = ctx.packet(net.Ipv4, 14)
    if ip is None:
        return 7
    if ip.time_to_live & 1:
        if funcs.xdp_adjust_head(ctx, 1):
            return 8
    return ip.time_to_live * 256 + ip.protocol


def moved_in_a_loop(ctx: Any) -> int:
    word = ctx.packet(be16 * 1, 14)
    if word is None:
        return 7
    total = 0
    for _ in range(20):
        total = total * 3 + word[0]
        if total & 1 and funcs.xdp_adjust_head(ctx, 1):
            return 8
    return total


def moved_and_written(ctx: Any) -> int:
    eth = ctx.packet(net.Ethernet)
    if funcs.xdp_adjust_head(ctx, -4):
        return 8
    old = ctx.packet(net.Ethernet, 4)
    eth.destination = old.destination
    eth.source = old.source
    eth.type = net.EtherType.VLAN
    tag = ctx.packet(net.VlanTag, 14)
    tag.vlan = 5
    return 3


MOVING = (moved_head, moved_test_before, moved_merged, moved_indexed, moved_on_a_path, moved_in_a_loop,
          moved_and_written)  # fmt: skip
