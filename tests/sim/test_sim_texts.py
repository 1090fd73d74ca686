"""Texts of maps and packets in the simulation: they are bytes to ctypes, and places that a program can write to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ctypes import Structure, Union, c_char, c_uint32
from typing import Any

import pytest

from py2bpf import Global, Struct, funcs, sim, vm
from py2bpf.datastructures import ArrayMap, HashMap, LpmTrieMap, RingBuffer

PACKET = bytes(14) + b"ABCDEFGH" * 8
LENGTH = len(PACKET) - 14
Name = c_char * 8


class Record(Structure):
    _fields_ = [("a", Name), ("c", c_char * 16), ("n", c_uint32)]


class Row(Struct):
    a: c_char * 8
    c: c_char * 16
    n: c_uint32


class Overlay(Union):
    _fields_ = [("text", Name), ("number", c_uint32)]


class Within(Structure):
    _anonymous_ = ("overlay",)
    _fields_ = [("first", c_uint32), ("overlay", Overlay), ("last", c_char * 4)]


class Traffic(Structure):
    _fields_ = [("packets", c_uint32)]


@pytest.fixture(params=["vm", pytest.param("kernel", marks=pytest.mark.kernel)], autouse=True)
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the real program runs."""
    with vm.backend(request.param):
        yield request.param


def test_a_maps_text_is_assigned_to_itself(both: Callable[..., Any]) -> None:
    """By the names that arrays of chars have in ctypes."""
    with HashMap(c_uint32, Name, 8) as m:
        m.update({1: b"abcdefgh", 2: b"abcdefgh"})

        def program(skb: Any) -> int:
            whole, text = m.get(1), m.get(2)
            if whole is None or text is None:
                return 99
            whole.raw = b"q1234567"
            text.value = b"xy"
            return (whole[7] << 16) + (text[1] << 8) + text[2]

        assert both(program).retval == (ord("7") << 16) + (ord("y") << 8)
        assert m[1] == b"q1234567" and m[2] == b"xy"


def test_a_maps_text_is_assigned_to_fields(both: Callable[..., Any]) -> None:
    with HashMap(c_uint32, Name, 8) as m, HashMap(c_uint32, Record, 8) as records, HashMap(c_uint32, Row, 8) as rows:
        m.update({1: b"abcd", 2: b"abcdefgh"})
        records[9] = (b"old", b"something old", 1)

        def program(skb: Any) -> int:
            short, full = m.get(skb.len - LENGTH + 1), m.get(2)
            if short is None or full is None:
                return 99
            r = Record()
            r.a = full
            r.c = short
            records[1] = r
            records[2] = Record(short, full, 3)
            rows[3] = Row(full, short[:2], 4)
            entry = records.get(9)
            if entry is not None:
                entry.c = full
                entry.a = entry.c[:8]
            return (r.c == b"abcd") + 2 * (r.c == short) + 4 * (r.a == full[:8])

        assert both(program, PACKET, maps=(m, rows)).retval == 7


def test_a_maps_text_is_key_and_value(both: Callable[..., Any]) -> None:
    with (
        HashMap(c_uint32, Name, 8) as m, HashMap(Name, c_uint32, 8) as narrow,
        HashMap(c_char * 16, c_uint32, 8) as wide, HashMap(Record, c_uint32, 8) as whole,
        ArrayMap(Name, 2) as array, RingBuffer(Record, 4096) as ring,
    ):  # fmt: skip
        m[1] = b"abcd"

        def program(skb: Any) -> int:
            text = m.get(1)
            if text is None:
                return 99
            narrow[text] += 1
            wide[text] += 2
            whole[text, text, 4] += 3
            m[2] = text
            array[1] = text
            ring.output((text, text, 5))
            return (text in narrow) + 2 * (m.get(9, text) == b"abcd") + 4 * (m.pop(1) == b"abcd") + 8 * (1 not in m)

        assert both(program, PACKET, maps=(m, narrow, wide, whole, array)).retval == 15


def test_a_maps_text_is_an_array(both: Callable[..., Any]) -> None:
    """Its items are numbers, and its length is the array's."""
    with HashMap(c_uint32, Name, 8) as m, Global(Name, b"glob") as g:
        m.update({1: b"abcd", 2: b"abcdefgh"})

        def program(skb: Any) -> int:
            short, full = m.get(1), m.get(2)
            if short is None or full is None:
                return 99
            total = full[0] + full[-1] + full[skb.len - LENGTH + 1] + short[7]
            total += 1000 * (len(short) + len(short[2:]) + len(g.value))
            total += 100000 * (full[1:3] == b"bc") + 200000 * full.startswith(b"abc")
            return total + 400000 * (g.value == b"glob")

        items = 97 + 104 + 98
        assert both(program, PACKET, maps=(m,)).retval == items + 22000 + 700000


def test_what_changes_a_maps_text_is_assigned_afterwards(both: Callable[..., Any]) -> None:
    with HashMap(c_uint32, Name, 8) as m, ArrayMap(Name, 1) as array:
        m[1] = b"abcdefgh"

        def program(skb: Any) -> int:
            r, digits, text, same = Record(), Record(b"12345678"), m.get(1), m.get(1)
            if text is None or same is None:
                return 99
            text[0] = ord("Z")
            r.a = same
            found = r.a == b"Zbcdefgh"
            part = text[2:4]
            part[0] = ord("Y")
            r.a = text
            found |= (r.a == b"ZbYdefgh") << 1
            funcs.memcpy(digits.a, text, 8)
            r.a = same
            found |= (r.a == b"12345678") << 2
            kept = array[0]
            array[0] = b"new"
            if kept is not None:
                r.a = kept
            return found | (r.a == b"new") << 3

        assert both(program, PACKET, maps=(m, array)).retval == 15


def test_all_bytes_of_a_key_count(both: Callable[..., Any]) -> None:
    with HashMap(Name, c_uint32, 8) as m:

        def program(skb: Any) -> int:
            c = Name()
            c.raw = b"ab\0cd"
            m[c] = 1
            return (c in m) + 2 * (b"ab\0cd" in m) + 4 * (b"ab" in m)

        assert both(program, PACKET, maps=(m,)).items(m) == [(b"ab\0cd", 1)]


def test_a_text_is_shown_as_bytes() -> None:
    with HashMap(c_uint32, Name, 8) as m:
        m[1] = b"abcd"
        shown: list[str] = []

        def program(skb: Any) -> int:
            shown.append(f"{m.get(1)} {m.get(1)!r}")
            return 0

        sim.run(program, PACKET)
        assert shown == ["b'abcd' b'abcd'"]


# packets


@pytest.mark.parametrize("hook", ["xdp", "tc"])
@pytest.mark.parametrize("source", ["constant", "map", "field", "slice", "value", "empty"])
@pytest.mark.parametrize("kind", [Record, Row, Within])
def test_a_text_fills_its_array_in_a_packet(both: Callable[..., Any], hook: str, source: str, kind: Any) -> None:
    """Whatever it comes from, nothing of what was there stays behind it."""
    field = "text" if kind is Within else "a"
    with HashMap(c_uint32, Name, 8) as m, HashMap(Name, c_uint32, 8) as seen:
        m[1] = b"ab"

        def program(ctx: Any) -> int:
            view, text, r, own = ctx.packet(kind, 14), m.get(1), Record(b"ab"), Name()
            if view is None or text is None:
                return 99
            own.value = b"ab"
            if source == "constant":
                setattr(view, field, b"ab")
            elif source == "map":
                setattr(view, field, text)
            elif source == "field":
                setattr(view, field, r.a)
            elif source == "slice":
                setattr(view, field, r.a[:5])
            elif source == "value":
                setattr(view, field, own.value)
            else:
                setattr(view, field, b"")
            seen[getattr(view, field)] += 1
            return (b"ab" in seen) + 2 * (getattr(view, field) == b"ab")

        run = both(program, PACKET, hook, maps=(seen,))
        expected = b"" if source == "empty" else b"ab"
        at = 14 + getattr(kind, field).offset
        assert run.data == PACKET[:at] + expected.ljust(8, b"\0") + PACKET[at + 8 :]
        assert run.items(seen) == [(expected, 1)]


@pytest.mark.parametrize("hook", ["xdp", "tc"])
def test_a_view_that_is_an_array_of_chars(both: Callable[..., Any], hook: str) -> None:
    def program(ctx: Any) -> int:
        view, raw = ctx.packet(Name, 14), ctx.packet(Name, 30)
        if view is None or raw is None:
            return 99
        view.value = b"ab"
        raw.raw = b"cd345678"
        return view.value == b"ab"

    assert both(program, PACKET, hook).data[14:38] == b"ab" + bytes(6) + b"ABCDEFGH" + b"cd345678"


def test_a_text_fills_its_field_of_a_struct_in_python() -> None:
    """One text is one key: an assignment leaves nothing of the longer text before."""
    row = Row(b"abcdefgh", b"long", 1)
    row.a = b"x"
    assert bytes(row)[:8] == b"x" + bytes(7)
    assert row == Row(b"x", b"long", 1)
    with HashMap(Row, c_uint32, 4) as m:
        m[row] = 1
        assert m[b"x", b"long", 1] == 1


# tries


def test_a_tries_entry_is_changed_in_place(both: Callable[..., Any]) -> None:
    with LpmTrieMap(c_uint32, Traffic, 8) as m:
        m.update({"10.0.0.0/8": Traffic(1), "10.1.0.0/16": Traffic(10)})

        def program(skb: Any) -> int:
            n = skb.len - LENGTH
            wide, again, narrow = m.get(0x0000020A + n), m[0x0000030A + n], m.get(0x0000010A + n)
            if wide is None or again is None or narrow is None:
                return 99
            wide.packets += 5
            again.packets += 2
            narrow.packets = 77
            m[0x0000020A + n] = Traffic(3)
            return again.packets + 100 * (m.get(0x0B + n) is None) + 1000 * m[0x0000020A + n].packets

        assert both(program, PACKET).retval == 8 + 100 + 3000
        expected = {"10.0.0.0/8": 8, "10.1.0.0/16": 77, "10.2.0.0/32": 3}
        assert {str(key): entry.packets for key, entry in m.items()} == expected
        sim.run(program, PACKET)
        assert {str(key): entry.packets for key, entry in m.items()} == expected | {"10.0.0.0/8": 10}


def test_an_isolated_trie_keeps_its_own_entries(both: Callable[..., Any]) -> None:
    with LpmTrieMap(c_uint32, Traffic, 8) as m:
        m["10.0.0.0/8"] = Traffic(1)

        def program(skb: Any) -> int:
            entry = m.get(0x0000020A)
            if entry is None:
                return 99
            entry.packets += 5
            return m.add(0x0000020A, (9,)) + 2 * (m.add(0x0000020A, (9,)) == False)  # noqa: E712

        run = both(program, PACKET)
        assert run.retval == 3
        assert {str(k): v.packets for k, v in run.items(m)} == {"10.0.0.0/8": 6, "10.2.0.0/32": 9}
