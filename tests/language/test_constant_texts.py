"""Constant bytes that differ between paths: in CPython's simulation, the embedded VM and the kernel."""

from __future__ import annotations

from ctypes import Structure, c_char, c_uint8, c_uint32
from typing import Any

import pytest

from py2bpf import Global, funcs, sim, vm
from py2bpf.datastructures import ArrayMap, HashMap, RingBuffer
from py2bpf.exception import TypeMismatch, UnsupportedSyntax
from py2bpf.prog import compile_prog, create_prog
from py2bpf.uapi.contexts import SK_BUFF
from py2bpf.uapi.prog_types import ProgType

PACKETS = [bytes(14 + size) for size in (30, 31, 32, 33)]
Name = c_char * 8


class Row(Structure):
    _fields_ = [("text", Name), ("long", c_char * 20), ("n", c_uint32)]


def answers(fn: Any, m: Any) -> list[int]:
    """What the program answers to each packet, in the simulation as where the backend is, and the map's entries."""
    found = []
    for packet in PACKETS:
        simulated = sim.run(fn, packet, hook="tc", isolated=True, raise_errors=True)
        before = dict(m.items())
        with create_prog(ProgType.SCHED_CLS, SK_BUFF, fn) as prog:
            found.append(prog.test_run(packet).retval)
            assert prog.errors == {}
        assert simulated.retval == found[-1]
        assert sorted(simulated.items(m)) == sorted(m.items())
        m.clear()
        m.update(before)
    return found


def test_stored_in_maps_fields_and_keys(backend: str) -> None:
    with (
        HashMap(c_uint32, Name, 8) as m, HashMap(Name, c_uint32, 8) as keys, ArrayMap(Name, 2) as array,
        Global(Name, b"12345678") as g, HashMap(c_uint32, Row, 4) as rows,
    ):  # fmt: skip
        keys.update({b"x": 1, b"yyyyyyyy": 2})

        def fn(skb: Any) -> int:
            n = skb.len - 44
            m[1] = b"x" if n else b"yyyyyyyy"
            m[2] = b"" if n == 0 else b"a" if n == 1 else b"bcdef"
            row = Row(b"12345678", b"12345678901234567890")
            row.text = b"x" if n > 1 else b"yyy"
            row.long = b"x" if n > 1 else b"longer than eight"
            rows[1] = row
            rows[2] = (b"in" if n else b"out", b"", 1)
            other = Row(b"p" if n & 1 else b"q")
            array[1] = b"t" if n else b"u"
            g.value = b"v" if n else b"w"
            m[3], m[4], m[5] = row.text, other.text, g.value
            entry = rows.get(2)
            if entry is not None:
                m[6] = entry.text
                entry.text = b"e" if n else b"f"
                m[7] = entry.text
            return keys[b"x" if n else b"yyyyyyyy"] + 10 * (row.long == b"x") + 100 * (row.long == b"longer than eight")

        assert answers(fn, m) == [102, 101, 11, 11]


def test_compared(backend: str) -> None:
    with HashMap(c_uint32, Name, 8) as m:
        m.update({0: b"x", 1: b"yy", 2: b""})

        def fn(skb: Any) -> int:
            n = skb.len - 44
            text = b"x" if n == 0 else b"yy" if n == 1 else b""
            other = b"x" if n > 1 else b"yy"
            found = (text == b"x") + 2 * (text != b"yy") + 4 * (b"" == text) + 8 * (text is None)
            found += 16 * (text in (b"x", b""))
            found += 32 * (text == m.get(n)) + 64 * (text == other) + 128 * bool(text)
            if text:
                found += 256
            return found + 512 * (not other)

        assert answers(fn, m) == [1 + 2 + 16 + 32 + 128 + 256, 32 + 64 + 128 + 256, 2 + 4 + 16 + 32, 2 + 4 + 16]


def test_a_constant_instead_of_a_maps_text(backend: str) -> None:
    with HashMap(c_uint32, Name, 8) as m, HashMap(Name, c_uint32, 8) as seen:
        m.update({0: b"x", 1: b"none", 2: b""})

        def fn(skb: Any) -> int:
            n = skb.len - 44
            text = m.get(n) or b"none"
            seen[text] += 1
            found = m.get(n)
            kept = b"missing" if found is None else found
            m[5] = kept
            m[6] = m.get(n, b"none") or b"empty"
            m[7] = m.get(n, b"u" if n else b"v")
            row = Row(b"field")
            m[8] = row.text if n & 1 else b"odd"
            return (text == b"none") + 2 * (kept == b"missing") + 4 * (text in seen) + 8 * (kept == b"")

        assert answers(fn, m) == [4, 5, 13, 7]


def test_in_a_loop(backend: str) -> None:
    with HashMap(c_uint32, Name, 64) as m:

        def fn(skb: Any) -> int:
            total = 0
            for i in range(skb.len - 30):
                text = b"even" if i % 2 == 0 else b"odd"
                total += text == b"odd"
                m[i] = text
            return total

        assert answers(fn, m) == [7, 7, 8, 8]


def test_each_must_fit() -> None:
    with vm.backend(), HashMap(c_uint32, Name, 8) as m:

        def fn(skb: Any) -> int:
            m[1] = b"x" if skb.len else b"123456789"
            return 0

        def helper(skb: Any) -> int:
            return funcs.mem_eq(Name(), b"x" if skb.len else b"yy")

        def searched(skb: Any) -> int:
            return b"a" in m.get(1, b"abc")

        for program, said in (
            (fn, "9 bytes do not fit"), (helper, "b'x' or b'yy'"),
            (searched, "can't search"),
        ):  # fmt: skip
            with pytest.raises(TypeMismatch, match=said):
                create_prog(ProgType.SCHED_CLS, SK_BUFF, program)


def test_one_of_several_in_another_order() -> None:
    """Which of the texts it is stands in a number, which would mean two things."""

    def fn(skb: Any) -> int:
        n = skb.len - 44
        first = b"x" if n & 1 else b"y"
        second = b"y" if n & 1 else b"x"
        if n == 0:
            text = first
        elif n < 3:
            text = second
        else:
            text = b"zz"
        return 1 if text == b"x" else 2 if text == b"y" else 3

    with pytest.raises(UnsupportedSyntax, match="bytes b'x' or b'y' on one path and the bytes b'y' or b'x' on another"):
        compile_prog(ProgType.SCHED_CLS, SK_BUFF, fn)


def test_all_bytes_of_a_key_count(backend: str) -> None:
    """However the constant comes to be the key, those behind a NUL too."""

    def address(n: Any) -> Any:
        if n > 44:
            return b"\x02\0\0\0\0\x03"
        return b"\x02\0\0\0\0\x04"

    with HashMap(Name, c_uint32, 32) as m:
        m[b"\x02\0\0\0\0\x01"] = 7

        def fn(skb: Any) -> int:
            chosen = b"\x02\0\0\0\0\x01" if skb.len > 45 else b"\x02\0\0\0\0\x02"
            found = m[chosen]
            m[chosen] += 1
            m[b"ab\0cd"] = 2
            kept = b"ab\0ce"
            m[kept] = 3
            m.setdefault(b"gh\0ij" if skb.len > 46 else b"gh", 4)
            m[address(skb.len)] += 5
            if (b"\0\0x" if skb.len > 44 else b"\0") not in m:
                m[b"\0\0x" if skb.len > 44 else b"\0"] = 6
            return found + (b"ab\0cd" in m) * 100

        answers(fn, m)


def test_slices_take_bytes_as_they_are(backend: str) -> None:
    with HashMap(c_uint32, c_uint8 * 6, 8) as m:

        def fn(skb: Any) -> int:
            text, numbers = (c_char * 6)(), (c_uint8 * 6)()
            text[:] = b"ab\0cde"
            funcs.memcpy(text, numbers, 6)
            m[1] = numbers
            text[1:4] = b"\0xy"
            funcs.memcpy(text, numbers, 6)
            m[2] = numbers
            text[3:] = b"p\0q" if skb.len > 45 else b"\0rs"
            funcs.memcpy(text, numbers, 6)
            m[3] = numbers
            return 0

        answers(fn, m)


def test_slices_take_as_many_bytes_as_they_have(backend: str) -> None:
    for data in (b"a", b"", b"abcd", b"a\0"):

        def fn(skb: Any) -> int:
            text = (c_char * 6)()
            text[1:4] = data
            return 0

        with pytest.raises(TypeMismatch, match=f"{len(data)} items? can't be assigned to 3 of a c_char_Array_6"):
            compile_prog(ProgType.SCHED_CLS, SK_BUFF, fn)


def test_records_of_any_length_have_all_bytes(backend: str) -> None:
    with RingBuffer(c_char * 16, 4096, variable=True) as ring:

        def fn(skb: Any) -> int:
            ring.output(b"ab\0c")
            ring.output(b"ab\0c", size=4)
            ring.output(b"ab" if skb.len > 44 else b"c\0def")
            ring.output(b"x\0" if skb.len > 45 else b"\0y" if skb.len > 44 else b"\0\0z")
            return 1

        for packet in PACKETS:
            simulated = sim.run(fn, packet, hook="tc", isolated=True, raise_errors=True)
            with create_prog(ProgType.SCHED_CLS, SK_BUFF, fn) as prog:
                assert prog.test_run(packet).retval == 1
            assert ring.poll(1) == [event.record for event in simulated.events]
