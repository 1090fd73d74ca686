"""Texts: None and truth of char arrays in CPython's simulation, the embedded VM and the kernel."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import Structure, c_char, c_uint8, c_uint32, c_uint64
from typing import Any

import pytest
from text_programs import PACKET, answers

from py2bpf import Global, funcs, sim
from py2bpf.datastructures import ArrayMap, HashMap, RingBuffer
from py2bpf.prog import create_prog
from py2bpf.uapi.contexts import SK_BUFF
from py2bpf.uapi.prog_types import ProgType

Name = c_char * 16


class Entry(Structure):
    _fields_ = [("number", c_uint32), ("name", Name)]


def bits(*truths: Any) -> int:
    return sum(bool(truth) << i for i, truth in enumerate(truths))


def test_a_missing_text_is_false(backend: str) -> None:
    with HashMap(c_uint32, Name, 4) as names:
        names.update({1: b"one", 2: b""})

        def bare(skb: Any) -> int:
            v = names.get(skb.len + 9)
            if not v:
                return 5
            return 6

        def truths(skb: Any) -> int:
            n = skb.len - 50
            missing, there, empty = names.get(n + 9), names.get(n + 1), names.get(n + 2)
            found = 0
            for i, text in enumerate((missing, there, empty)):
                if text:
                    found |= 1 << i
                if bool(text):
                    found |= 8 << i
                if text is not None and text:
                    found |= 64 << i
                if not (text or skb.mark):
                    found |= 512 << i
                found |= (4096 << i) if text else 0
            if any((missing, empty)) or all((there, missing)):
                found |= 1 << 20
            if any((missing, there)) and all((there, True)):
                found |= 1 << 21
            return found

        assert answers(bare) == 5
        assert answers(truths) == 0b010 * (1 + 8 + 64 + 4096) + 0b101 * 512 + (1 << 21)


def test_a_missing_text_equals_none_alone(backend: str) -> None:
    with HashMap(c_uint32, Name, 4) as names, HashMap(c_uint32, c_uint64, 4) as numbers:
        names.update({1: b"one", 2: b""})

        def compared(skb: Any) -> int:
            n = skb.len - 50
            missing, there, empty = names.get(n + 9), names.get(n + 1), names.pop(n + 2, None)
            found = 0
            found |= missing == b"one"
            found |= (missing == None) << 1  # noqa: E711
            found |= (missing != b"") << 2
            found |= (missing in (b"one", b"")) << 3
            found |= (missing in (None, b"one")) << 4
            found |= (b"one" in (missing, there)) << 5
            found |= (missing == there) << 6
            found |= (missing == names.get(n + 8)) << 7
            found |= (missing == numbers.get(n)) << 8
            found |= (there == b"one" and empty == b"") << 9
            found |= (there in {b"two", b"one"}) << 10
            found |= (missing not in [there, b"x"]) << 11
            found |= (there != missing) << 12
            match missing:
                case b"one":
                    found |= 1 << 13
                case None:
                    found |= 1 << 14
            return found

        assert answers(compared) == bits(0, 1, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 1, 0, 1)


@pytest.mark.parametrize(("packet", "result"), [(PACKET[:55], 1), (bytes(54) + b"GET /", 2), (bytes(60), 1)])
def test_a_packet_too_short_for_a_text_is_dropped(backend: str, packet: bytes, result: int) -> None:
    def drop(ctx: Any) -> int:
        if ctx.packet(c_char * 4, 54) == b"GET ":
            return 2
        return 1

    assert answers(drop, packet, "xdp") == result


def test_views_and_arrays_are_objects(backend: str) -> None:
    """An object is true whatever it holds, and what Python reads as bytes unless it is empty."""

    def objects(ctx: Any) -> int:
        own, rows, entry = (c_char * 8)(), ((c_char * 4) * 2)(), Entry(1)
        seen, past = ctx.packet(c_char * 4, 0), ctx.packet(c_char * 4, 100)
        found = bool(own)
        found |= bool(rows[1]) << 1
        found |= bool(seen) << 2
        found |= bool(past) << 3
        found |= bool(entry.name) << 4
        found |= bool(own.value) << 5
        found |= bool((c_uint8 * 8)()) << 6
        found |= bool(own[:4]) << 7
        found |= bool(entry.name[:4]) << 8
        entry.name = b"x"
        found |= bool(entry.name) << 9
        return found

    assert answers(objects, PACKET, "xdp") == bits(1, 1, 1, 0, 0, 0, 1, 1, 0, 1)


def test_a_reserved_text_is_there(backend: str) -> None:
    with RingBuffer(c_char * 64, 4096) as ring:

        def reserve(skb: Any) -> int:
            record = ring.reserve()
            if not record:
                return 0
            ring.submit(record)
            return 1

        simulated = sim.run(reserve, PACKET, isolated=True)
        with create_prog(ProgType.SOCKET_FILTER, SK_BUFF, reserve) as prog:
            assert prog.test_run(PACKET).retval == simulated.retval == 1
        assert list(ring.poll(0)) == [b""]


def test_the_empty_text_of_a_map_is_false(backend: str) -> None:
    with ArrayMap(Name, 4) as m, ArrayMap(Name, 1) as one, Global(Name) as text:
        m[1] = b"x"

        def empty(skb: Any) -> int:
            found = 0
            if m[2]:
                found |= 1
            if m[1]:
                found |= 2
            if one[0]:
                found |= 4
            if text.value:
                found |= 8
            return found

        assert answers(empty) == 2
        one[0] = text.value = b"y"
        assert answers(empty) == 14


def test_numbers_and_structures_compare_so_too(backend: str) -> None:
    with HashMap(c_uint32, Entry, 4) as entries, HashMap(c_uint32, c_uint64, 4) as numbers:
        numbers[0] = 0

        def compared(skb: Any) -> int:
            n = skb.len - 50
            entry, number, zero = entries.get(n), numbers.get(n + 7), numbers.get(n)
            found = bool(entry)
            found |= (entry == None) << 1  # noqa: E711
            found |= (entry == number) << 2
            found |= (number in (1, 2)) << 3
            found |= (number in (1, None)) << 4
            found |= (zero == number) << 5
            found |= bool(zero) << 6
            found |= (zero == 0) << 7
            found |= (number != 0) << 8
            found |= bool(funcs.map_lookup_elem(numbers, n)) << 9
            found |= bool(funcs.map_lookup_elem(numbers, n + 5)) << 10
            return found

        assert answers(compared) == bits(0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 0)


def test_what_none_is_not_ends_the_program(backend: str) -> None:
    with HashMap(c_uint32, Name, 4) as names:

        def length(skb: Any) -> int:
            return len(names.get(skb.len))

        def begins(skb: Any) -> int:
            return names.get(skb.len).startswith(b"")

        def is_bytes(skb: Any) -> int:
            missing = names.get(skb.len)
            return isinstance(missing, bytes) * 2 + 1

        programs: list[tuple[Callable[..., Any], str]] = [(length, "TypeError"), (begins, "AttributeError")]
        for fn, error in programs:
            simulated = sim.run(fn, PACKET, isolated=True)
            with pytest.warns(match="may be None"), create_prog(ProgType.SOCKET_FILTER, SK_BUFF, fn) as prog:
                real = prog.test_run(PACKET)
                assert simulated.errors == prog.errors
                assert [site.error for site in prog.errors] == [error]
                assert simulated.retval == real.retval
        assert answers(is_bytes) == 1


def test_a_missing_text_is_printed_as_none(backend: str) -> None:
    with HashMap(c_uint32, Name, 4) as names:
        names[51] = b"there"

        def talk(skb: Any) -> int:
            first, second = names.get(skb.len), names.get(skb.len + 1)
            print("is", first, second, names.get(skb.len + 2))
            return second is not None

        assert answers(talk) == 1
