"""One value is one key, whatever lies in its padding: in CPython's simulation, the embedded VM and the kernel."""

from __future__ import annotations

from ctypes import (
    BigEndianStructure,
    Structure,
    Union,
    c_bool,
    c_char,
    c_int16,
    c_uint8,
    c_uint16,
    c_uint32,
    c_uint64,
    sizeof,
)
from typing import Any

import pytest

from py2bpf import Struct, funcs, padding, sim, vm
from py2bpf.datastructures import HashMap, LpmTrieMap, PerCpuHashMap, UserRingBuffer
from py2bpf.prog import create_prog
from py2bpf.uapi.contexts import SK_BUFF
from py2bpf.uapi.prog_types import ProgType


class Gap(Structure):
    _fields_ = [("a", c_uint8), ("b", c_uint32)]


class Explicit(Structure):
    """A Gap whose padding is a field."""

    _fields_ = [("a", c_uint8), ("gap", c_uint8 * 3), ("b", c_uint32)]


class Behind(Struct):
    a: c_uint64
    b: c_uint16


class Bits(Structure):
    _fields_ = [("flag", c_bool), ("b", c_uint8, 3), ("c", c_uint8, 2), ("d", c_int16)]


class Rows(Structure):
    _fields_ = [("rows", Gap * 2), ("inner", Behind), ("flags", c_bool * 3)]


class Big(BigEndianStructure):
    _fields_ = [("a", c_uint8), ("b", c_uint32), ("c", c_uint16, 9)]


class Either(Union):
    _fields_ = [("gap", Gap), ("raw", c_uint8 * 8)]


class Overlaid(Structure):
    _fields_ = [("n", c_uint64), ("either", Either)]


KINDS = [Gap, Behind, Bits, Rows, Big]
ROOM = 48


def packet(ctype: Any, garbage: int) -> bytes:
    """A packet with one value of the type behind its Ethernet header: ones, and ``garbage`` in its padding."""
    layout = padding.of(ctype)
    data = bytearray(1 & mask | garbage & ~mask & 0xFF for mask in layout.mask)
    for at in layout.bools:
        data[at] = garbage or 1
    return bytes(14) + bytes(data).ljust(ROOM, b"\0")


def count_in(fn: Any, m: Any, packets: list[bytes]) -> list[Any]:
    """How often each key was counted, by the simulation apart, and where the backend is."""
    simulated: dict[Any, int] = {}
    for data in packets:
        run = sim.run(fn, data, hook="tc", isolated=True, raise_errors=True)
        for key, value in run.items(m):
            simulated[bytes(key)] = simulated.get(bytes(key), 0) + value
    with create_prog(ProgType.SCHED_CLS, SK_BUFF, fn) as prog:
        for data in packets:
            prog.test_run(data)
        assert prog.errors == {}
    entries = list(m.items())
    assert simulated == {bytes(key): value for key, value in entries}
    assert all(m[key] == value for key, value in entries), "each key that was read is found"
    return [value for _, value in entries]


@pytest.mark.parametrize("ctype", KINDS)
def test_what_a_helper_filled_is_one_key(backend: str, ctype: Any) -> None:
    with HashMap(ctype, c_uint64, 8) as m:

        def fn(skb: Any) -> int:
            k = ctype()
            m[k] += 0
            funcs.skb_load_bytes(skb, 14, k)
            m[k] += 1
            return 0

        assert sorted(count_in(fn, m, [packet(ctype, 0), packet(ctype, 0xEE)])) == [0, 2]


@pytest.mark.parametrize("ctype", KINDS)
def test_what_a_packet_has_is_one_key(backend: str, ctype: Any) -> None:
    with HashMap(ctype, c_uint64, 8) as m:

        def fn(skb: Any) -> int:
            k = skb.packet(ctype, 14)
            if k is not None:
                m[k] += 1
                return k in m
            return 0

        assert count_in(fn, m, [packet(ctype, 0), packet(ctype, 0xEE)]) == [2]


def test_it_is_the_key_of_the_tuple(backend: str) -> None:
    with HashMap(Gap, c_uint64, 8) as m, HashMap(c_uint32, Gap, 2) as kept:

        def fn(skb: Any) -> int:
            k = Gap()
            funcs.packet_copy(skb, 0, k)
            m[k] += 1
            kept[1] = k
            entry = kept.get(1)
            if entry is None:
                return 9
            m[entry] += 1
            copy = Gap()
            funcs.memcpy(entry, copy, 8)
            m[copy] += 1
            return (m[1, 0x01010101] == 3) + 2 * (entry in m) + 4 * (m.pop(copy) == 3) + 8 * (k in m)

        data = bytes(14) + b"\x01\xee\xee\xee\x01\x01\x01\x01" + bytes(40)
        assert sim.run(fn, data, isolated=True).retval == 7
        with create_prog(ProgType.SOCKET_FILTER, SK_BUFF, fn) as prog:
            assert prog.test_run(data).retval == 7


def test_a_loop_that_writes_after_it_looked(backend: str) -> None:
    """What the helper wrote comes back to the key's use in the next turn only."""
    with HashMap(Gap, c_uint64, 8) as m:

        def fn(skb: Any) -> int:
            k = Gap(1, 0x01010101)
            for _ in range(skb.len - 48):
                m[k] += 1
                funcs.packet_copy(skb, 14, k)
            return 0

        assert count_in(fn, m, [packet(Gap, 0xEE)]) == [len(packet(Gap, 0)) - 48]


def test_members_of_a_union_write_to_each_others_padding(backend: str) -> None:
    with HashMap(Gap, c_uint64, 8) as m:

        def fn(skb: Any) -> int:
            o = Overlaid(5)
            for i in range(8):
                o.either.raw[i] = skb.len
            m[o.either.gap] += 1
            m[skb.len & 0xFF, skb.len * 0x01010101] += 1
            return 0

        assert count_in(fn, m, [packet(Gap, 0)]) == [2]


def test_parts_of_keys(backend: str) -> None:
    """A clean object gets a part that isn't, and a tuple has one."""
    with HashMap(Rows, c_uint64, 8) as m, HashMap(Gap, c_uint64, 8) as other:

        def fn(skb: Any) -> int:
            gap = skb.packet(Gap, 14)
            if gap is None:
                return 0
            k = Rows()
            k.rows[0] = gap
            funcs.memcpy(gap, k.rows[skb.len & 1], 8)
            m[k] += 1
            m[(gap, (0, 0)), (0, 0), (False, False, False)] += 1
            other[gap.a, gap.b] += 1
            return 0

        assert count_in(fn, m, [packet(Gap, 0), packet(Gap, 0xEE)]) == [4]


def test_methods_and_other_maps(backend: str) -> None:
    with PerCpuHashMap(Gap, c_uint64, 8) as m, LpmTrieMap(Gap, c_uint64, 4) as trie:
        trie[(1, 0x01010101), 64] = 7

        def fn(skb: Any) -> int:
            k = Gap()
            funcs.packet_copy(skb, 0, k)
            found = (m.get(k) is None) + 2 * m.add(k, 3) + 4 * (m.setdefault(k, 9) == 3) + 8 * (trie[k] == 7)
            del m[1, 0x01010101]
            return found + 16 * (k not in m)

        data = packet(Gap, 0xEE)
        assert sim.run(fn, data, isolated=True, raise_errors=True).retval == 31
        with create_prog(ProgType.SOCKET_FILTER, SK_BUFF, fn) as prog:
            assert prog.test_run(data).retval == 31


def test_objects_of_the_environment(backend: str) -> None:
    dirty = Gap.from_buffer_copy(b"\x01\xee\xee\xee\x01\x01\x01\x01")
    with HashMap(Gap, c_uint64, 8) as m:

        def fn(skb: Any) -> int:
            m[dirty] += 1
            m[1, 0x01010101] += 1
            return 0

        assert count_in(fn, m, [packet(Gap, 0)]) == [2]


def test_records_from_python(backend: str) -> None:
    with HashMap(Gap, c_uint64, 8) as m, UserRingBuffer(Gap) as ring:

        def fn(skb: Any) -> int:
            k = ring.receive()
            if k is not None:
                m[k] += 1
            return 0

        ring.send(Gap.from_buffer_copy(b"\x01\xee\xee\xee\x01\x01\x01\x01"))
        with create_prog(ProgType.SOCKET_FILTER, SK_BUFF, fn) as prog:
            prog.test_run(packet(Gap, 0))
        assert m[1, 0x01010101] == 1


def test_python_finds_what_it_stored() -> None:
    for ctype in (*KINDS, c_bool * 4):
        with vm.backend(), HashMap(ctype, c_uint32, 4) as m:
            for garbage in (0, 0xEE):
                key = ctype.from_buffer_copy(packet(ctype, garbage), 14)
                m[key] = garbage
                assert m[key] == garbage
            assert len(m) == 1


def test_no_cost_where_the_program_made_the_key() -> None:
    """Not even where something else of another type is written to."""

    def size(ctype: Any, *fields: Any) -> int:
        with HashMap(ctype, c_uint64, 8) as m:

            def fn(skb: Any) -> int:
                other = Behind()
                funcs.skb_load_bytes(skb, 0, other)
                k = ctype(*fields)
                k.b = skb.len
                m[k] += other.a
                return k in m

            with create_prog(ProgType.SOCKET_FILTER, SK_BUFF, fn) as prog:
                return len(prog.spec.code)

    with vm.backend():
        assert size(Gap, 1) == size(Explicit, 1)


def test_layouts() -> None:
    assert padding.of(Gap) == padding.Padding(b"\xff\0\0\0\xff\xff\xff\xff", ())
    assert padding.of(c_char * 4).full
    assert padding.of(Either).full
    assert padding.of(Bits).bools == (0,)
    assert list(padding.of(Bits).partial()) == [(1, 0b11111)]
    assert list(padding.of(Behind).gaps()) == [(10, 6)]
    assert padding.padded(Rows) == {Gap, Behind, Rows, c_bool}
    assert padding.overlaid(Overlaid * 2) == {Gap}
    assert len(padding.of(Rows).mask) == sizeof(Rows)
