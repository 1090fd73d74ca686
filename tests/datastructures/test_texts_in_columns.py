"""Texts in columns end at the NUL, as single values do, even if a program copied more bytes into the array."""

from __future__ import annotations

import ctypes
from ctypes import Structure, c_char, c_uint8, c_uint32
from typing import Any

import pytest

from py2bpf import funcs
from py2bpf.datastructures import ArrayMap, HashMap, PerCpuArrayMap, RingBuffer
from py2bpf.prog import ProgType, create_prog
from py2bpf.socket_filter import SkBuffContext

numpy = pytest.importorskip("numpy")

pytestmark = pytest.mark.kernel
Name = c_char * 8


class Inner(Structure):
    _fields_ = [("kind", c_uint8), ("name", Name)]


class Record(Structure):
    _fields_ = [("number", c_uint32), ("name", Name), ("names", Name * 2), ("inner", Inner), ("raw", c_uint8 * 4)]


RAW = b"\1\0\0\0" + b"ab\0junk." + b"c\0rest\0." + b"fullfull" + b"\5" + b"\0nothing" + b"x\0yz"
PACKET = bytes(14) + RAW.ljust(60, b"\0")
CLEAN = (1, b"ab", [b"c", b"fullfull"], (5, b""), [*b"x\0yz"])


def shown(rows: Any) -> list[Any]:
    return [(r["number"], r["name"], list(r["names"]), tuple(r["inner"]), list(r["raw"])) for r in rows]


def test_batches_of_a_ring() -> None:
    with RingBuffer(Record, 1 << 16) as ring:

        def send(skb: Any) -> int:
            record = ring.reserve()
            if record is None:
                return 0
            funcs.skb_load_bytes(skb, 0, record)
            ring.submit(record)
            return 1

        with create_prog(ProgType.SOCKET_FILTER, SkBuffContext, send) as prog:
            for _ in range(2):
                prog.test_run(PACKET, repeat=3)
                rows = ring.read_batch(timeout=5)
                assert shown(rows) == [CLEAN] * 3
                del rows
            prog.test_run(PACKET)
            record = next(iter(ring))
            assert (record.name, record.names[0].value, record.inner.name) == (b"ab", b"c", b"")


def test_arrow() -> None:
    arrow = pytest.importorskip("pyarrow")
    with HashMap(c_uint32, Record, 4) as m, ArrayMap(Name, 1) as texts:
        m[1] = Record.from_buffer_copy(RAW.ljust(ctypes.sizeof(Record), b"\0"))
        found = m.to_arrow()["value"].to_pylist()[0]
        assert isinstance(m.to_arrow(), arrow.Table)
        assert (found["name"], found["names"], found["inner"]) == (b"ab", [b"c", b"fullfull"], {"kind": 5, "name": b""})
        texts[0] = b"ab"
        assert texts.to_arrow()["value"].to_pylist() == [b"ab"]


def test_arrays_of_maps() -> None:
    value = Record.from_buffer_copy(RAW.ljust(ctypes.sizeof(Record), b"\0"))
    with HashMap(c_uint32, Record, 4) as m, PerCpuArrayMap(Record, 1) as cpus:
        m[1] = value
        cpus[0] = value
        assert shown(m.arrays()[1]) == [CLEAN]
        assert shown(cpus.arrays()[1][0]) == [CLEAN] * cpus.arrays()[1].shape[1]
        assert shown(m.arrays(pop=True)[1]) == [CLEAN] and not len(m)


def test_keys_keep_what_is_behind_the_nul() -> None:
    with HashMap(Name, c_uint32, 4) as m:
        m.update({b"ab\0junk.": 1, b"ab": 2})
        assert sorted(m.arrays()[0]) == sorted(dict(m)) == [b"ab", b"ab\0junk."]


def test_clean_texts_are_left_alone() -> None:
    from py2bpf.datastructures.columns import end_texts

    for kind in ("S1", "S5", [("a", "S3"), ("b", "u4"), ("c", "S2", (2,))]):
        rows = numpy.zeros(7, kind)
        end_texts(rows)
        end_texts(rows[:0])
        assert not rows.view("u1").any() if rows.dtype.names is None else not rows.tobytes().strip(b"\0")
