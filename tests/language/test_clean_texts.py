"""Bytes after a text's NUL are zeros: in CPython's simulation, the embedded VM and the kernel."""

from __future__ import annotations

from ctypes import Structure, c_char, c_uint8, c_uint32, c_uint64
from typing import Annotated, Any

import pytest
from text_programs import CONTEXTS, PACKET, answers

from py2bpf import Global, Struct, funcs, sim
from py2bpf.datastructures import ArrayMap, HashMap, PerCpuArrayMap, RingBuffer
from py2bpf.prog import create_prog
from py2bpf.uapi.contexts import SK_BUFF
from py2bpf.uapi.prog_types import ProgType

LONG, SHORT = b"a text that is long enough", b"short"
Path = c_char * 64


class Scratch(Structure):
    _fields_ = [("number", c_uint32), ("path", Path), ("large", c_char * 4096)]


def run(fn: Any, packet: bytes = PACKET, hook: str = "socket_filter") -> int:
    kind, context = CONTEXTS[hook]
    with create_prog(kind, context, fn) as prog:
        real = prog.test_run(packet)
        assert prog.errors == {}
    return real.retval


def test_nothing_of_earlier_calls_is_behind_a_text(backend: str) -> None:
    """What lay on the stack before, a packet's bytes here, is in no key, record or comparison."""
    with ArrayMap(Path, 2) as given, HashMap(Path, c_uint64, 8) as by_path, RingBuffer(Scratched, 4096) as ring:
        given[1] = SHORT

        def copied(skb: Any) -> int:
            source = given[1]
            if source is None:
                return 0
            junk = (c_uint8 * 64)()
            funcs.skb_load_bytes(skb, skb.mark, junk)
            filled = junk[40]
            path = Path()
            funcs.probe_read_kernel_str(path, source)
            by_path[path] += 1
            record = Scratched()
            funcs.probe_read_kernel_str(record.path, source)
            ring.output(record)
            return filled + (path[40] == 0) + (path == SHORT) * 2

        for byte in (0x11, 0x22):
            assert run(copied, bytes(12) + b"\x08\0" + bytes([byte]) * 64) == byte + 3
        assert dict(by_path) == {SHORT: 2}
        assert [bytes(record) for record in ring.poll(0)] == [SHORT.ljust(68, b"\0")] * 2


class Scratched(Structure):
    _fields_ = [("path", Path), ("number", c_uint32)]


def test_a_text_in_a_structure_of_a_map(backend: str) -> None:
    """Where the structure itself is given, and had a longer text."""
    with ArrayMap(Path, 2) as given, PerCpuArrayMap(Scratched, 1) as scratch, HashMap(Path, c_uint64, 8) as by_path:
        given[0], given[1] = b"a long text that fills most of the path", SHORT

        def copied(skb: Any) -> int:
            record = scratch[0]
            for i in range(2):
                source = given[i]
                if source is not None and record is not None:
                    funcs.probe_read_kernel_str(record, source)
                    by_path[record.path] += 1
            return 1

        assert run(copied, bytes(64)) == 1
        assert dict(by_path) == {SHORT: 1, b"a long text that fills most of the path": 1}


def test_a_shorter_text_in_reused_memory(backend: str) -> None:
    """A place that had a longer text, in a map that serves as scratch memory, holds the new one alone."""
    with (
        ArrayMap(Path, 2) as given, PerCpuArrayMap(Scratch, 1) as scratch, HashMap(Path, c_uint64, 8) as by_path,
        ArrayMap(c_char * 4096, 1) as seen, ArrayMap(c_uint32, 1) as which,
    ):  # fmt: skip
        given.update({0: LONG, 1: SHORT})

        def reuse(skb: Any) -> int:
            place, source = scratch[0], given[which[0]]
            if place is None or source is None:
                return 0
            funcs.probe_read_kernel_str(place.path, source)
            funcs.probe_read_kernel_str(place.large, source)
            by_path[place.path] += 1
            seen[0] = place.large
            return place.path == SHORT

        for number, equal in ((0, 0), (1, 1), (1, 1)):
            which[0] = number
            assert run(reuse) == equal
        assert dict(by_path) == {LONG: 1, SHORT: 2}
        assert seen.arrays()[1].tobytes().rstrip(b"\0") == SHORT


@pytest.mark.parametrize("size", [4, 16])
def test_a_text_of_a_given_size(backend: str, size: int) -> None:
    with ArrayMap(Path, 2) as given, ArrayMap(Path, 1) as place:
        given[1] = b"abcdefgh"
        place[0] = LONG

        def cut(skb: Any) -> int:
            source = given[1]
            if source is not None:
                funcs.probe_read_kernel_str(place[0], size, source)
            return 1

        assert run(cut) == 1
        assert place.arrays()[1].tobytes() == b"abcdefgh"[: size - 1].ljust(64, b"\0")


def test_assigned_texts_are_clean(backend: str) -> None:
    """Neither a constant nor a shorter array leaves anything of what was there before; ``raw`` does."""
    with HashMap(Scratched, c_uint64, 8) as keys, ArrayMap(Scratched, 2) as values:
        values[0] = Scratched(LONG, 3)

        def assign(skb: Any) -> int:
            key, short = Scratched(LONG), (c_char * 8)(115, 104, 111, 114, 116)
            key.path = SHORT
            keys[key] += 1
            key.path = LONG
            key.path = short
            keys[key] += 1
            place = values[0]
            if place is not None:
                place.path = b""
            raw = Path()
            raw.value = LONG
            raw.raw = b"A"
            return raw == b"A" + LONG[1:]

        assert run(assign) == 1
        assert [(bytes(key), count) for key, count in keys.items()] == [(SHORT.ljust(68, b"\0"), 2)]
        assert bytes(values[0]) == bytes(64) + b"\3\0\0\0"


def test_a_load_that_fails_leaves_nothing_of_the_stack(backend: str) -> None:
    with ArrayMap(Path, 1) as kept:

        def load(ctx: Any) -> int:
            junk = (c_uint8 * 64)()
            funcs.xdp_load_bytes(ctx, 0, junk)
            first = junk[40]
            data = Path()
            failed = funcs.xdp_load_bytes(ctx, 4000, data) < 0
            kept[0] = data
            return first + failed

        assert run(load, b"\x77" * 80, "xdp") == 0x78
        assert kept.arrays()[1].tobytes() == bytes(64)


def test_the_name_of_the_task(backend: str) -> None:
    with ArrayMap(Path, 1) as place, HashMap(Path, c_uint64, 4) as names:
        place[0] = LONG * 2

        def name(skb: Any) -> int:
            funcs.get_current_comm(place[0])
            names[place[0]] += 1
            own = Path()
            funcs.get_current_comm(own)
            names[own] += 1
            return own == place[0]

        assert answers(name) == 1
        assert list(names.values()) == [2]


def test_a_text_read_from_its_own_place(backend: str) -> None:
    with PerCpuArrayMap(Scratch, 1) as scratch, HashMap(Path, c_uint64, 8) as by_path:

        def shorten(skb: Any) -> int:
            entry, place = Scratched(LONG), scratch[0]
            length = funcs.probe_read_kernel_str(entry.path, 7, entry.path)
            by_path[entry.path] += 1
            if place is None:
                return 0
            place.path = LONG
            funcs.probe_read_kernel_str(place.large, place.path)
            funcs.probe_read_kernel_str(place.path, 7, place.large)
            by_path[place.path] += 1
            return length

        assert run(shorten) == 7
        assert dict(by_path) == {LONG[:6]: 2}


class Named(Structure):
    _fields_ = [("number", c_uint32), ("name", c_char * 8), ("more", c_uint8 * 8)]


named: Any = None


def of_a_field(skb: Any) -> int:
    r = Named(0, b"12345678")
    return funcs.probe_read_kernel_str(r.name, 5, r.name) * 10 + (r.name == b"1234")


def of_a_field_by_reference(skb: Any) -> int:
    r = Named(0, b"12345678")
    same = r
    return funcs.probe_read_kernel_str(same.name, 5, r.name) * 10 + (r.name == b"1234")


def of_an_array(skb: Any) -> int:
    text = (c_char * 8)(*b"abcdefg")
    return funcs.probe_read_kernel_str(text, 5, text) * 10 + funcs.mem_eq(text, b"abcd\0\0\0\0")


def of_a_fields_address(skb: Any) -> int:
    text = (c_char * 8)(*b"abcdefg")
    length = funcs.probe_read_kernel_str(funcs.addrof(text), 5, funcs.addrof(text))
    return length * 10 + funcs.mem_eq(text, b"abcd\0\0\0\0")


def of_either_of_two(skb: Any) -> int:
    text, other = (c_char * 8)(*b"abcdefg"), (c_char * 8)(*b"hi")
    source = text if skb.len > 5 else other
    return funcs.probe_read_kernel_str(text, 5, source) * 10 + (text.value == b"abcd")


def of_bytes(skb: Any) -> int:
    r = Named()
    r.more[0], r.more[1], r.more[6] = 65, 66, 67
    return (funcs.probe_read_kernel_str(r.more, 8, r.more) + 2) * 10 + (r.more[1] == 66 and r.more[6] == 0)


def of_an_entry(skb: Any) -> int:
    m = named
    m[1] = Named(0, b"12345678")
    e, other = m.get(1), m.get(1)
    if e is None or other is None:
        return 0
    return funcs.probe_read_kernel_str(e.name, 5, other.name) * 10 + (e.name == b"1234")


@pytest.mark.parametrize("fn", [
    of_a_field, of_a_field_by_reference, of_an_array, of_a_fields_address, of_either_of_two, of_bytes, of_an_entry,
], ids=lambda fn: fn.__name__)  # fmt: skip
def test_a_text_is_read_before_its_place_is_cleared(backend: str, fn: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The source and the place of a text share memory."""
    with HashMap(c_uint32, Named, 4) as entries:
        monkeypatch.setitem(globals(), "named", entries)
        assert run(fn) == sim.run(fn, PACKET, isolated=True, raise_errors=True).retval == 51


def test_none_is_no_address(backend: str) -> None:
    with HashMap(c_uint32, Path, 4) as names:

        def read(skb: Any) -> int:
            own = Path()
            return funcs.probe_read_kernel_str(own, names.get(skb.len))

        simulated = sim.run(read, PACKET, isolated=True)
        with pytest.warns(match="may be None"), create_prog(ProgType.SOCKET_FILTER, SK_BUFF, read) as prog:
            prog.test_run(PACKET)
            assert simulated.errors == prog.errors
            assert [site.error for site in prog.errors] == ["TypeError"]


class Keyed(Structure):
    _fields_ = [("name", c_char * 8), ("number", c_uint32)]


class Own(Struct):
    name: Annotated[bytes, c_char * 8]
    two: Annotated[bytes, c_char * 2]


def test_a_constant_ends_at_its_first_nul(backend: str) -> None:
    """Wherever it is assigned; of a key that is an array of chars all bytes count."""
    with (
        HashMap(Keyed, c_uint32, 8) as by_name, HashMap(Own, c_uint32, 8) as by_own,
        HashMap(c_char * 8, c_uint32, 8) as by_text, HashMap(c_uint32, Own, 8) as owns,
        HashMap(c_uint32, c_char * 8, 8) as texts, Global(c_char * 8) as text,
    ):  # fmt: skip
        maps = by_name, by_own, by_text, owns, texts

        def program(skb: Any) -> int:
            by_name[Keyed(b"ab\0c", 1)] += 1
            by_name[Keyed(b"ab", 1)] += 1
            by_own[b"a\0z", b"b"] = 9
            by_text[b"ab\0c"] = 1
            by_text[b"ab"] = 2
            owns.setdefault(1, (b"q\0r", b"\0x"))
            texts[1] = b"ab\0c"
            text.value = b"a\0b"
            entry = Keyed(b"", 2)
            entry.name = b"a\0b" if skb.len else b"q\0zz"
            by_name[entry] = 77
            return by_name[Keyed(b"ab", 1)] * 100 + by_own.get((b"a", b"b"), 0)

        def left() -> Any:
            entries = {bytes(key): value for each in (by_name, by_own) for key, value in each.items()}
            return bytes(owns[1]), entries, dict(by_text.items()), dict(texts.items()), text.value

        assert sim.run(program, PACKET, raise_errors=True).retval == 209
        simulated = left()
        for each in maps:
            each.clear()
        text.value = b""
        with create_prog(*CONTEXTS["socket_filter"], program) as prog:
            assert prog.test_run(PACKET).retval == 209
        assert left() == simulated
        assert simulated[2:] == ({b"ab": 2, b"ab\0c": 1}, {1: b"ab"}, b"a")
