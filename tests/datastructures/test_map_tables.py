"""Maps as Arrow tables, as DataFrames, and as tables of a notebook."""

from __future__ import annotations

import re
from ctypes import Structure, Union, c_bool, c_char, c_double, c_int16, c_uint8, c_uint16, c_uint32, c_uint64
from typing import Any

import pytest

from py2bpf import Struct
from py2bpf.cpus import possible_cpus
from py2bpf.datastructures import (
    ArrayMap,
    HashMap,
    LpmTrieMap,
    PerCpuArrayMap,
    PerCpuHashMap,
    ProgArray,
    StackTraceMap,
    create_map,
)
from py2bpf.exception import DataRangeError, DataTypeError

pyarrow = pytest.importorskip("pyarrow")

pytestmark = pytest.mark.kernel
CPUS = len(possible_cpus())


class Flow(Structure):
    _fields_ = [("proto", c_uint8), ("address", c_uint32.__ctype_be__), ("name", c_char * 8)]


class Inner(Structure):
    _fields_ = [("low", c_uint16), ("high", c_uint16)]


class Stat(Structure):
    _fields_ = [("inner", Inner), ("sizes", c_uint16 * 2), ("on", c_bool), ("rate", c_double), ("parts", Inner * 2)]


class Either(Union):
    _fields_ = [("number", c_uint32), ("letters", c_uint8 * 4)]


class Bits(Structure):
    _fields_ = [("low", c_uint8, 4), ("high", c_uint8, 4)]


STAT = ((1, 2), (3, 4), True, 0.5, ((5, 6), (7, 8)))
STAT_ROW = {"inner": {"low": 1, "high": 2}, "sizes": [3, 4], "on": True, "rate": 0.5,
            "parts": [{"low": 5, "high": 6}, {"low": 7, "high": 8}]}


def rows(m: Any, **how: Any) -> list[tuple[Any, Any]]:
    table = m.to_arrow(**how)
    table.validate(full=True)
    return sorted(((row["key"], row["value"]) for row in table.to_pylist()), key=repr)


def test_numbers() -> None:
    with create_map(c_uint32, c_int16, 100) as m:
        assert rows(m) == []
        m.update((i, -i) for i in range(50))
        table = m.to_arrow()
        assert table.schema == pyarrow.schema([("key", pyarrow.uint32()), ("value", pyarrow.int16())])
        assert rows(m) == sorted(((i, -i) for i in range(50)), key=repr)
        assert sorted(m.to_arrow(pop=True)["key"].to_pylist()) == list(range(50)) and len(m) == 0


def test_texts_keep_what_stands_behind_a_nul() -> None:
    keys = [b"a", b"a\0b", b"a\0c", b"", b"\0b", b"four"]
    with create_map(c_char * 4, c_uint32, 10) as m:
        m.update((key, i) for i, key in enumerate(keys))
        assert dict(rows(m)) == dict(m) == {key: i for i, key in enumerate(keys)}
        m.clear()
        assert rows(m) == []


def test_structures_are_struct_columns() -> None:
    pytest.importorskip("pandas")
    with create_map(Flow, Stat, 10) as m:
        m[6, 0x0A000001, b"eth0"] = STAT
        assert rows(m) == [({"proto": 6, "address": 0x0A000001, "name": b"eth0"}, STAT_ROW)]
        flat = m.to_arrow().flatten()
        assert flat.column_names[:3] == ["key.proto", "key.address", "key.name"] and "value.rate" in flat.column_names
        frame = flat.to_pandas()
        assert frame["key.address"].tolist() == [0x0A000001] and frame["value.rate"].sum() == 0.5


@pytest.mark.parametrize(("ctype", "value", "cell"), [
    (c_char * 4, b"ab", b"ab"), (c_char, b"x", b"x"), (c_uint8 * 3, (1, 2, 3), [1, 2, 3]), (c_bool, True, True),
    ((c_int16 * 2) * 2, ((1, -2), (3, 4)), [[1, -2], [3, 4]]), (c_uint64.__ctype_be__, 1 << 60, 1 << 60),
    (Either, Either(number=1), {"number": 1, "letters": [1, 0, 0, 0]}),
])
def test_other_values(ctype: Any, value: Any, cell: Any) -> None:
    with create_map(c_uint32, ctype, 10) as m, ArrayMap(ctype, 3) as array:
        m[7] = array[1] = value
        assert rows(m) == [(7, cell)] and rows(array)[1] == (1, cell) and len(rows(array)) == 3


def test_per_cpu_values_are_lists_or_sums() -> None:
    with PerCpuHashMap(c_uint32, c_uint16, 10) as m, PerCpuArrayMap(Inner, 2) as array:
        m[1] = list(range(60_000, 60_000 + CPUS))
        array[1] = (1, 2)
        assert rows(m) == [(1, list(range(60_000, 60_000 + CPUS)))]
        assert rows(m, sums=True) == [(1, sum(range(60_000, 60_000 + CPUS)))]
        assert rows(array, sums=True)[1] == (1, {"low": CPUS, "high": 2 * CPUS})
        assert rows(array)[1] == (1, [{"low": 1, "high": 2}] * CPUS)
        with pytest.raises(DataTypeError, match="not both"):
            m.to_arrow(pop=True, sums=True)
        assert rows(m, pop=True) and len(m) == 0


def test_networks_are_text() -> None:
    with LpmTrieMap(c_uint32, c_uint32, 10) as four, LpmTrieMap(c_uint8 * 6, c_uint32, 10) as six:
        four.update({"10.0.0.0/8": 1, "192.0.2.1": 2})
        assert rows(four) == [("10.0.0.0/8", 1), ("192.0.2.1/32", 2)]
        six[(1, 2, 3, 0, 0, 0), 24] = 5
        assert rows(six) == [({"prefixlen": 24, "address": [1, 2, 3, 0, 0, 0]}, 5)]
        with pytest.raises(DataTypeError, match="pop_all"):
            four.to_arrow(pop=True)


def test_stacks_are_lists() -> None:
    with StackTraceMap(4) as stacks, ProgArray(4) as programs:
        assert stacks.to_arrow().schema.field("value").type == pyarrow.list_(pyarrow.uint64())
        assert rows(stacks) == rows(programs) == []


def test_what_has_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    with create_map(c_uint32, Bits, 4) as m:
        m[1] = (2, 3)
        with pytest.raises(DataTypeError, match="numpy has no bit fields"):
            m.to_arrow(pop=True)
        assert len(m) == 1
        monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
        with pytest.raises(ImportError, match=re.escape("pip install 'py2bpf[arrow]'")):
            m.to_arrow()
    with PerCpuHashMap(c_uint32, c_uint64, 4) as sums, pytest.raises(ImportError):
        sums.to_arrow(sums=True)


# Notebooks


def cells(m: Any) -> list[list[str]]:
    """The header and the rows."""
    found = re.findall(r"<tr>(.*?)</tr>", m._repr_html_())
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in found]


def test_a_small_table() -> None:
    with create_map(c_uint32, c_uint64, 100, name="counts") as m:
        assert cells(m) == [["key", "value"]]
        m[7] = 70
        assert cells(m) == [["key", "value"], ["7", "70"]]
        assert "<caption>&lt;HashMap &#x27;counts&#x27;(c_uint32, c_uint64, 100)" in m._repr_html_()
    assert "closed" in m._repr_html_() and cells(m) == []


def test_a_large_table_is_cut() -> None:
    with create_map(c_uint32, c_uint64, 300_000) as m, ArrayMap(c_uint8, 21) as array:
        m.update((i, i) for i in range(200_000))
        found = cells(m)
        assert len(found) == 22 and found[-1] == ["and 199980 more entries"] and len(m._repr_html_()) < 3000
        assert len({row[0] for row in found[1:-1]}) == 20
        assert cells(array)[-1] == ["and 1 more entry"]


def test_fields_are_columns_and_text_is_escaped() -> None:
    class Named(Struct):
        text: c_char * 32  # type: ignore[valid-type]
        inner: Inner
        items: c_uint16 * 2  # type: ignore[valid-type]

    with create_map(Flow, Named, 10) as m:
        m[6, 1, b"<b>&"] = (b"<script>alert('x')", (1, 2), (3, 4))
        head, row = cells(m)
        assert head == ["key.proto", "key.address", "key.name", "value.text", "value.inner", "value.items"]
        assert row == ["6", "1", "b&#x27;&lt;b&gt;&amp;&#x27;", "b&quot;&lt;script&gt;alert(&#x27;x&#x27;)&quot;",
                       "(low=1, high=2)", "[3, 4]"]


def test_kinds_of_cells() -> None:
    with LpmTrieMap(c_uint32, c_uint32, 10) as trie, PerCpuHashMap(c_uint32, Inner, 4) as per_cpu, \
            HashMap(c_uint32, c_uint8 * 400, 4) as long, StackTraceMap(4) as stacks, ProgArray(4) as programs:
        trie["10.0.0.0/8"] = 5
        per_cpu[1] = (2, 3)
        long[1] = bytes(400)
        assert cells(trie)[1] == ["10.0.0.0/8", "5"]
        assert cells(per_cpu)[1] == ["1", f"[{', '.join(['(low=2, high=3)'] * CPUS)}]"]
        assert cells(long)[1][1].endswith("0...") and len(cells(long)[1][1]) == 200
        assert cells(stacks) == cells(programs) == [["key", "value"]]


def test_sums_that_fit_no_field_still_have_a_table() -> None:
    with PerCpuHashMap(c_uint32, Inner, 4) as m:
        m[1] = (65_535, 1)
        if CPUS > 1:
            with pytest.raises(DataRangeError):
                m.sums()
        assert rows(m, sums=True) == [(1, {"low": 65_535 * CPUS, "high": CPUS})]
