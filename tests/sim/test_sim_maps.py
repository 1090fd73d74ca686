"""Maps in simulated programs: as in the kernel."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import Structure, c_char, c_int16, c_uint8, c_uint16, c_uint32, c_uint64
from typing import Any

import pytest
from map_entries import PACKET, Pair

from py2bpf import funcs, sim
from py2bpf.datastructures import (
    ArrayMap,
    BpfQueue,
    Global,
    HashMap,
    LpmTrieMap,
    LruHashMap,
    PerCpuArrayMap,
    PerCpuHashMap,
)
from py2bpf.exception import Py2BpfError
from py2bpf.spec import SpinLock

pytestmark = pytest.mark.kernel


class Entry(Structure):
    _fields_ = [("count", c_uint64), ("last", c_int16), ("name", c_char * 6)]


def test_the_names_of_the_original(both: Callable[..., Any]) -> None:
    with HashMap(c_uint32, c_uint64, 8) as m, HashMap(c_uint32, Pair, 8) as pairs, ArrayMap(c_uint64, 8) as out:
        m.update({1: 10, 2: 20})
        pairs[1] = Pair(3, 4)

        def program(skb: Any) -> int:
            n = skb.len - 63
            found = m.lookup(n)
            out[0] = found is None
            found = m.lookup(n + 1)
            if found is not None:
                out[1] = found
            pair = pairs.lookup(n)
            if pair:
                pair.b += 5
            out[2] = pairs.lookup(n + 7) is None
            m.delete(n)
            m.delete(n + 7)
            return 0

        both(program, maps=(m, pairs, out))


@pytest.mark.parametrize("kind", [HashMap, LruHashMap])
@pytest.mark.parametrize("default", [None, 7])
def test_numbers(both: Callable[..., Any], kind: Any, default: int | None) -> None:
    with kind(c_uint32, c_uint16, 64, default) as m, ArrayMap(c_uint64, 16) as out:
        m.update({1: 10, 2: 20, 3: 30, 4: 65535})

        def program(skb: Any) -> int:
            n = skb.len - 50
            out[0] = m[n + 1]
            out[1] = m[n + 99]
            out[2] = (n + 2) in m
            out[3] = (n + 98) in m
            out[4] = m.get(n + 97, 5)
            out[5] = m.get(n + 96) is None
            m[n + 5] = n - 1
            out[6] = m[n + 5]
            m[n + 6] = m[n + 6] + 3
            out[7] = m.pop(n + 2)
            out[8] = m.pop(n + 95, 8)
            out[9] = m.add(n + 1, 4)
            out[10] = m.add(n + 7, 4)
            out[11] = m.setdefault(n + 1, 6)
            out[12] = m.setdefault(n + 8, 6)
            del m[n + 3]
            del m[n + 94]
            return m[n - 1]

        both(program, PACKET, maps=(m, out))


def test_increments_insert_and_wrap(both: Callable[..., Any]) -> None:
    with HashMap(c_uint32, c_uint32, 64, 5) as m, ArrayMap(c_uint64, 2) as a:
        m[1] = 0xFFFFFFFE
        a[0] = 3

        def program(skb: Any) -> int:
            m[1] += skb.len
            m[2] += skb.len
            m[3] -= 6
            m[1] |= 4
            a[skb.len - 50] += 2
            a[skb.len] += 2
            return a[skb.len + 1]

        both(program, PACKET, maps=(m, a))


def test_struct_values_are_references(both: Callable[..., Any]) -> None:
    with HashMap(c_uint32, Entry, 8) as m:
        m[1] = Entry(5, -3, b"abc")

        def program(skb: Any) -> int:
            entry = m[1]
            if not entry:
                return 99
            entry.count += skb.len
            entry.last = 70000
            again = m.get(1)
            if again:
                again.count += 1
            if m[2]:
                return 98
            m[3] = Entry(count=entry.count)
            new = m.setdefault(4, Entry(last=4))
            if new:
                new.count = 44
            total = entry.count + entry.last
            copy = m.pop(1)
            if not copy or m.pop(9):
                return 97
            copy.count += 1
            m[5] = copy
            other = m.get(77, Entry(7))
            return total + other.count

        both(program, PACKET, maps=(m,))


@pytest.mark.filterwarnings("ignore::py2bpf.exception.PossiblyNone")
def test_missing_structs_end_the_program(both: Callable[..., Any]) -> None:
    with HashMap(c_uint32, Entry, 8) as m:

        def program(skb: Any) -> int:
            m[skb.len].count += 1
            return 5

        run = both(program, PACKET, maps=(m,))
        assert isinstance(run.exception, AttributeError)


def test_errors_are_counted_where_the_program_counts_them(both: Callable[..., Any]) -> None:
    def inner(n: int) -> int:
        return 100 // n

    def program(skb: Any) -> int:
        n = skb.len - 50
        if skb.protocol == 2064:
            return inner(n)
        array = (c_uint8 * 4)()
        if skb.protocol == 272:
            return array[n + 4]
        if skb.protocol == 528:
            return n.bit_length() // n % n
        if skb.protocol == 784:
            return 1 << (n - 1)
        if skb.protocol == 1040:
            raise RuntimeError
        return {50: 1}[n + 50]

    division = "ZeroDivisionError"
    kinds = {8: division, 1: "IndexError", 2: division, 3: "ValueError", 4: "RuntimeError", 5: None}
    for protocol, kind in kinds.items():
        run = both(program, bytes(12) + bytes((16, protocol)) + bytes(50))
        assert [each.error for each in run.errors] == ([] if kind is None else [kind])


def test_arrays_end_where_they_end(both: Callable[..., Any]) -> None:
    with ArrayMap(Entry, 3) as m, ArrayMap(c_uint8, 3) as n:

        def program(skb: Any) -> int:
            at = skb.len - 50
            entry = m[at + 1]
            if entry:
                entry.count = 9
            n[at + 3] = 7
            n[at - 1] = 7
            n[at + 2] = 300
            return (m[at + 3] is None) + 10 * n[at + 3] + 100 * n[at + 2] + ((at + 2) in n) + ((at + 3) in n)

        both(program, PACKET, maps=(m, n))


def test_struct_keys_and_tuples(both: Callable[..., Any]) -> None:
    with HashMap(Pair, c_uint64, 8) as m:

        def program(skb: Any) -> int:
            m[Pair(1, 2)] = 5
            m[3, skb.len] = 6
            m[(1, 2)] += 1
            key = Pair(a=3)
            key.b = skb.len
            return m[key] * 10 + m[1, 2]

        both(program, PACKET, maps=(m,))


def test_a_full_map_takes_nothing_more(both: Callable[..., Any]) -> None:
    with HashMap(c_uint32, c_uint64, 2) as m:
        m[1] = 1

        def program(skb: Any) -> int:
            for i in range(5):
                m[i + skb.len] = i + 1
            return m.add(77, 7) + 2 * m.setdefault(78, 8) + m[skb.len]

        both(program, PACKET, maps=(m,))


def test_networks_are_found_by_their_longest_prefix(both: Callable[..., Any]) -> None:
    with LpmTrieMap(c_uint32, c_uint32, 8, 3) as m:
        m.update({"10.0.0.0/8": 1, "10.1.0.0/16": 2})

        def program(skb: Any) -> int:
            n = skb.len - 50
            m[0x0201010A + n] = 9
            return m[0x0101010A + n] + 10 * m[0x0102020A + n] + 100 * m[0x0201010A + n] + 1000 * m[n + 1]

        assert both(program, PACKET).retval == 2 + 10 + 900 + 3000


def test_per_cpu_maps_have_this_cpus_value() -> None:
    with PerCpuHashMap(c_uint32, c_uint64, 8) as m, PerCpuArrayMap(Entry, 2) as a:
        m[1] = 5
        cpus = len(m[1])

        def program(skb: Any) -> int:
            m[1] += 2
            m[2] = 8
            a[1].count += 3
            return m[1]

        environment = sim.Environment(cpu=cpus - 1)
        assert sim.run(program, PACKET, environment=environment).retval == 7
        assert list(m[1]) == [5] * (cpus - 1) + [7]
        assert list(m[2]) == [0] * (cpus - 1) + [8]
        assert [each.count for each in a[1]] == [0] * (cpus - 1) + [3]


def test_a_run_changes_the_map_unless_it_is_isolated() -> None:
    with HashMap(c_uint32, Entry, 8) as m, BpfQueue(c_uint32) as q:
        m[1] = Entry(5)

        def program(skb: Any) -> int:
            entry = m[1]
            entry.count += 1
            m[2] = entry
            del m[1]
            entry.count += 1
            return q.output(skb, entry.count)

        alone = sim.run(program, PACKET, isolated=True)
        assert [(key, value.count) for key, value in m.items()] == [(1, 5)]
        assert [(key, value.count) for key, value in alone.items(m)] == [(2, 6)]
        assert alone.events == ((q, 7),)
        assert q.poll(0) == []
        run = sim.run(program, PACKET)
        assert [(key, value.count) for key, value in m.items()] == [(2, 6)]
        assert [value.count for _, value in run.items(m)] == [6]
        assert run.events == ((q, 7),)
        assert q.poll(0) == [7]


def test_references_are_written_when_the_program_ends_by_an_error() -> None:
    with HashMap(c_uint32, Entry, 8) as m:
        m[1] = Entry(5)

        def program(skb: Any) -> int:
            m[1].count += 1
            raise ValueError

        sim.run(program, PACKET)
        assert m[1].count == 6


def test_char_arrays_in_maps_compare_as_in_programs() -> None:
    with ArrayMap(c_char * 8, 2) as m:
        m[0] = b"bash"

        def program(skb: Any) -> int:
            name = m[0]
            return (name == b"bash") + 2 * name.startswith(b"ba") + 4 * (name == "dash")

        assert sim.run(program, PACKET).retval == 3


def test_what_programs_cannot_do_is_no_counted_error() -> None:
    with ArrayMap(c_uint32, 2) as m, BpfQueue(c_uint32) as q:
        with pytest.raises(Py2BpfError, match="can't be deleted"):
            sim.run(lambda skb: m.pop(1), PACKET)
        with pytest.raises(sim.SimulationError, match="no items"):
            sim.run(lambda skb: funcs.map_lookup_elem(q, 1), PACKET)


class Locked(Structure):
    _fields_ = [("count", c_uint64), ("lock", SpinLock)]


def test_global_variables_and_locks(both: Callable[..., Any]) -> None:
    with Global(c_uint8, 250) as small, Global(Entry) as entry, HashMap(c_uint32, Locked, 4) as m:
        m[1] = Locked(5)

        def program(skb: Any) -> int:
            entry.value.count += small.value
            entry.value.last = 70000
            small.value = skb.len + 1000
            with m.lock(1) as locked:
                if locked:
                    locked.count += 2
            return entry.value.count + small.value + entry.value.last

        alone = both(program, PACKET, "tc", (m,))
        assert alone.items(small) == [(0, small.value)] == [(0, 1064 & 0xFF)]
        assert (entry.value.count, alone.items(entry)[0][1].count) == (250, 250)
        sim.run(program, PACKET, hook="tc")
        assert (entry.value.count, m[1].count) == (250 + (1064 & 0xFF), 9)
