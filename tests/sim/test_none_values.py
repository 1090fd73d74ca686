"""None in place of a number or an object: as in the kernel."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import Structure, c_bool, c_int16, c_uint8, c_uint32, c_uint64
from typing import Any

import pytest

from py2bpf import funcs
from py2bpf.datastructures import ArrayMap, BpfQueue, Global, HashMap

pytestmark = [pytest.mark.kernel, pytest.mark.filterwarnings("ignore::py2bpf.exception.PossiblyNone")]
PACKETS = [bytes(12) + b"\x08\x00" + bytes(n) for n in (46, 47, 48, 49)]


class Entry(Structure):
    _fields_ = [("count", c_uint64), ("flag", c_bool), ("last", c_int16)]


class Pair(Structure):
    _fields_ = [("a", c_uint32), ("b", c_uint32)]


Row = c_uint8 * 4


@pytest.mark.parametrize("packet", PACKETS, ids=len)
def test_defaults_of_numbers(both: Callable[..., Any], packet: bytes) -> None:
    codes = {60: 4, 61: -3}
    with HashMap(c_uint32, c_int16, 64, 7) as m, HashMap(c_uint32, c_uint64, 8) as n, ArrayMap(c_uint32, 8) as out:
        m.update({46: 5, 48: 6})
        n.update({61: 100})

        def program(skb: Any) -> int:
            maybe = n.get(skb.len)
            first = m.get(skb.len - 14, maybe)
            second = codes.get(skb.len, m.get(48 + skb.len, maybe))
            third = m.pop(skb.len - 14, maybe)
            fourth = m.pop(skb.len + 1, None)
            out[0] = 1000 if first is None else first
            out[1] = 1000 if second is None else second
            out[2] = 1000 if third is None else third
            out[3] = 1000 if fourth is None else fourth
            out[4] = m.setdefault(skb.len + 2, maybe)
            out[5] = m.setdefault(skb.len + 3, None) + m.setdefault(skb.len + 4)
            out[6] = m.add(skb.len + 2, maybe)
            return 1

        both(program, packet, maps=(m, n, out))


@pytest.mark.parametrize("packet", PACKETS, ids=len)
def test_defaults_of_objects(both: Callable[..., Any], packet: bytes) -> None:
    with HashMap(c_uint32, Entry, 64) as m, ArrayMap(Entry, 2) as spare, ArrayMap(c_uint32, 8) as out:
        m.update({46: Entry(5), 48: Entry(6)})

        def program(skb: Any) -> int:
            maybe = spare[skb.len - 59]
            first = m.get(skb.len - 14, maybe)
            if first:
                first.count += 1
            second = m.pop(skb.len - 14, maybe)
            if second is not None:
                second.last = 9
                out[0] = second.count
            own = Entry(3)
            third = m.pop(5, own)
            third.count = 11
            out[1] = own.count
            m.setdefault(skb.len, maybe)
            m.setdefault(skb.len + 1, None)
            m.setdefault(skb.len + 2)
            return 1

        both(program, packet, maps=(m, spare, out))


@pytest.mark.parametrize("packet", PACKETS, ids=len)
def test_places(both: Callable[..., Any], packet: bytes) -> None:
    """Where None is a TypeError, and where it isn't: a c_bool in a structure takes anything, one in a map numbers."""
    with HashMap(c_uint32, Entry, 64) as m, HashMap(c_uint32, c_uint64, 8) as n, ArrayMap(c_uint32, 8) as out:
        n.update({60: 1})

        def flag(skb: Any) -> int:
            entry = Entry(1)
            entry.flag = n.get(skb.len)
            m[1] = entry
            m[2] = Entry(1, n.get(skb.len))
            m[3] = (2, n.get(skb.len), 3)
            entry.flag = None
            out[0] = entry.flag
            return 1

        def attribute(skb: Any) -> int:
            m[skb.len - 14].last = n.get(skb.len)
            return 1

        def item(skb: Any) -> int:
            row = Row()
            row[skb.len - 58] = n.get(skb.len)
            out[0] = row[2]
            return 1

        for program in (flag, attribute, item):
            both(program, packet, maps=(m, out))


@pytest.mark.parametrize("packet", PACKETS, ids=len)
def test_values_of_maps_and_globals(both: Callable[..., Any], packet: bytes) -> None:
    with (
        HashMap(c_uint32, c_bool, 8) as m, ArrayMap(c_bool, 1) as one, ArrayMap(c_bool, 4) as some, Global(c_bool) as g,
        HashMap(c_uint32, c_uint64, 8) as n, HashMap(c_uint32, Entry, 8) as entries, Global(Entry) as whole,
        BpfQueue(Entry) as queue,
    ):  # fmt: skip
        n.update({60: 1, 61: 0})
        entries[62] = Entry(4, True, 5)

        def stored(skb: Any) -> int:
            m[1] = n.get(skb.len)
            return 1

        def only(skb: Any) -> int:
            one[0] = n.get(skb.len)
            return 1

        def numbered(skb: Any) -> int:
            some[2] = n.get(skb.len)
            return 1

        def variable(skb: Any) -> int:
            g.value = n.get(skb.len)
            return 2 + g.value

        def objects(skb: Any) -> int:
            entries[skb.len - 58] = entries[skb.len]
            return 1

        def variable_object(skb: Any) -> int:
            whole.value = entries[skb.len]
            return 2 + whole.value.last

        def record(skb: Any) -> int:
            queue.output(skb, entries[skb.len])
            return 1

        for program in (stored, only, numbered, variable, objects, variable_object, record):
            both(program, packet, maps=(m, one, some, entries))


@pytest.mark.parametrize("packet", PACKETS, ids=len)
def test_helpers(both: Callable[..., Any], packet: bytes) -> None:
    with HashMap(c_uint32, Entry, 8) as entries, HashMap(Pair, c_uint32, 8) as pairs, ArrayMap(c_uint32, 4) as out:
        entries[60] = Entry(4, True, 5)

        def filled(skb: Any) -> int:
            return funcs.skb_load_bytes(skb, 14, entries[skb.len]) == 0

        def copied(skb: Any) -> int:
            return funcs.packet_copy(skb, 14, entries[skb.len], 4)

        def moved(skb: Any) -> int:
            funcs.memcpy(Entry(9, False, 3), entries[skb.len], 16)
            return 1

        def equal(skb: Any) -> int:
            return funcs.mem_eq(entries[skb.len], b"\x04\0")

        def swapped(skb: Any) -> int:
            return funcs.bswap16(pairs.get((skb.len, 1)))

        def numbered(skb: Any) -> int:
            return funcs.load_skb_byte(skb, pairs.get((skb.len, 1)))

        def key(skb: Any) -> int:
            pairs[skb.len, pairs.get((skb.len, 1))] = 3
            return 1

        for program in (filled, copied, moved, equal, swapped, numbered, key):
            both(program, packet, maps=(entries, pairs, out))
