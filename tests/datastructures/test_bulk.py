"""Maps in bulk: columns stored and read, as sequences and as numpy arrays."""

from __future__ import annotations

import ctypes
import errno
import ipaddress
from ctypes import (
    Structure,
    Union,
    c_bool,
    c_char,
    c_double,
    c_float,
    c_int8,
    c_int16,
    c_int64,
    c_uint8,
    c_uint16,
    c_uint32,
    c_uint64,
)
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from py2bpf.cpus import possible_cpus
from py2bpf.datastructures import (
    ArrayMap,
    HashMap,
    LpmTrieMap,
    LruHashMap,
    PerCpuArrayMap,
    PerCpuHashMap,
    ProgArray,
    StackTraceMap,
    create_map,
)
from py2bpf.exception import DataRangeError, DataTypeError, IndexOutOfRange, KernelError

numpy = pytest.importorskip("numpy")

pytestmark = pytest.mark.kernel
CPUS = len(possible_cpus())


class Flow(Structure):
    _fields_ = [("proto", c_uint8), ("address", c_uint32), ("port", c_uint16)]


class Nested(Structure):
    _fields_ = [("flow", Flow), ("on", c_bool), ("name", c_char * 5), ("counts", c_uint16 * 3), ("rate", c_double)]


class Either(Union):
    _fields_ = [("number", c_uint32), ("letters", c_uint8 * 7)]


class Tagged(Structure):
    _fields_ = [("tag", c_uint8), ("either", Either)]


class Wire(ctypes.BigEndianStructure):
    _fields_ = [("address", c_uint32), ("port", c_uint16)]


def test_columns_are_stored() -> None:
    with create_map(c_uint32, c_uint64, 100) as m:
        m.update(numpy.arange(50), numpy.arange(50) * 3)
        assert dict(m) == {i: 3 * i for i in range(50)}
        m.update([1, 60], [7, 8])
        m.update(range(70, 72), (9, 10))
        assert len(m) == 53 and (m[1], m[60], m[70], m[71]) == (7, 8, 9, 10)
        m.update([], [])
        m.update(numpy.array([]), numpy.array([]))
        assert len(m) == 53


class Missing:
    """As one of Arrow's nulls."""

    def __index__(self) -> Any:
        return None


def test_numbers_that_are_missing_are_named() -> None:
    with HashMap(c_uint32, c_uint64, 10) as m:
        with pytest.raises(DataTypeError, match=r"value of .* for key 2: c_uint64 takes an int, not .*Missing"):
            m.update([1, 2], [5, Missing()])
        assert not dict(m.items())


VALUE_TYPES = [
    (c_uint8, 255), (c_int8, -128), (c_int16, -5), (c_uint64, (1 << 64) - 1), (c_int64, -(1 << 63)), (c_bool, True),
    (c_float, 0.1), (c_double, -0.1), (c_char, b"\0"), (c_char * 7, b"text"), (c_char * 4, b"text"),
    (c_uint16 * 3, (1, 2, 3)), (c_uint32.__ctype_be__, 0x01020304), (Flow, (6, 1 << 31, 80)), (Wire, (1, 2)),
    (Nested, ((1, 2, 3), True, b"eth0", (4, 5, 6), 0.5)), (Tagged, (3, Either(number=1 << 30))),
    ((c_int16 * 2) * 2, ((1, -2), (3, -4))),
]  # fmt: skip


@pytest.mark.parametrize(("ctype", "value"), VALUE_TYPES)
def test_what_arrays_gives_can_be_stored(ctype: Any, value: Any) -> None:
    for kind in (HashMap, PerCpuHashMap):
        with kind(c_uint32, ctype, 8) as m, kind(c_uint32, ctype, 8) as copy:
            m[1] = m[9] = value
            keys, values = m.arrays()
            copy.update(keys, values)
            assert raw_entries(copy) == raw_entries(m) and len(copy) == 2
            if kind is PerCpuHashMap:  # one value for every CPU
                copy.clear()
                copy.update(keys, values[:, 0])
                assert copy._storage.lookup(copy._key(9)) == m._storage.lookup(m._key(9))


class Exact(Structure):
    """No floating point: a key."""

    _fields_ = Nested._fields_[:-1]


KEYS = [
    (Flow, lambda i: (i, i, 1)), (c_int16, lambda i: i - 20),
    (Exact, lambda i: ((i, 1, 2), True, b"%d" % i, (i, i, i))),
    (Tagged, lambda i: (i, Either(letters=(i,) * 7))), (c_uint8 * 3, lambda i: (i, 0, i)), (Wire, lambda i: (i, 1)),
    (c_char * 4, lambda i: b"%d" % i), (c_bool, bool),
]  # fmt: skip


@pytest.mark.parametrize(("ctype", "make"), KEYS)
def test_keys_of_any_type_come_from_arrays(ctype: Any, make: Any) -> None:
    with create_map(ctype, c_uint8, 64) as m, create_map(ctype, c_uint8, 64) as copy:
        m.update((make(i), i) for i in range(40))
        copy.update(*m.arrays())
        assert len(m) in (40, 2) and raw_entries(copy) == raw_entries(m)


def raw_entries(m: Any) -> dict[bytes, bytes]:
    return {m._key(key): m._storage.lookup(m._key(key)) for key in m}


def test_padding_of_arrays_is_stored_as_zeros() -> None:
    """Or a program would never find the key."""
    with create_map(Flow, Nested, 8) as m:
        dtypes = [numpy.dtype(m._keys.dtype), numpy.dtype(m._values.dtype)]
        keys, values = (numpy.frombuffer(b"\x01" * dtype.itemsize, dtype) for dtype in dtypes)
        m.update(keys, values)
        assert m[1, 0x01010101, 0x0101].on and m._storage.next_key(None) == m._keys.mask.replace(b"\xff", b"\1")
        m.clear()
        # Fields by name, in any order and of any types that hold the numbers.
        other = numpy.zeros(1, [("port", "i8"), ("proto", "u1"), ("address", ">u4")])
        other["port"], other["address"] = 80, 5
        m.update(other, values)
        assert m[0, 5, 80].counts[:] == [0x0101] * 3


@pytest.mark.parametrize(("ctype", "column", "error", "says"), [
    (c_uint8, numpy.array([1, 256]), DataRangeError, "for key 1: 256 doesn't fit c_uint8: it holds 0 to 255"),
    (c_uint8, numpy.array([-1, 1]), DataRangeError, "for key 0: -1 doesn't fit c_uint8"),
    (c_int64, numpy.array([1, 1 << 63], "u8"), DataRangeError, "9223372036854775808 doesn't fit c_int64"),
    (c_uint8, numpy.array([1.0, 2.0]), DataTypeError, "c_uint8 takes an int, not 1.0 of type float"),
    (c_bool, numpy.array([1, 2]), DataRangeError, "2 doesn't fit c_bool"),
    (c_float, numpy.array([1.0, 1e39]), DataRangeError, "c_float can't hold 1e+39"),
    (c_double, numpy.array(["1", "2"]), DataTypeError, "c_double takes a number, not '1'"),
    (c_char * 3, numpy.array([b"abc", b"abcd"]), DataRangeError, "for key 1: c_char * 3 holds 3 bytes, not the 4"),
    (c_char * 3, numpy.array([b"a\0b", b"a"]), DataRangeError, "has one inside"),
    (c_uint16 * 2, numpy.array([[1, 2], [3, 70000]]), DataRangeError, "item 1 of c_uint16 * 2: 70000 doesn't fit"),
    (c_uint16 * 2, numpy.array([[1, 2, 3], [4, 5, 6]]), DataRangeError, "takes 2 items, not the 3"),
    (c_uint16 * 2, numpy.array([1, 2]), DataTypeError, "takes a sequence of 2 items, not 1"),
    (Flow, numpy.array([(1, 2)] * 2, [("proto", "u1"), ("address", "u4")]), DataRangeError, "has 3 fields"),
    (Flow, numpy.array([(1, 2, 3), (1, 2, 1 << 16)], [(n, "i4") for n in ("proto", "address", "port")]),
     DataRangeError, "for key 1: Flow.port: 65536 doesn't fit c_uint16"),
    (Either, numpy.array([1, 2]), DataTypeError, "Either takes an instance of it, not 1"),
])
def test_arrays_are_refused_as_single_values_are(ctype: Any, column: Any, error: Any, says: str) -> None:
    with create_map(c_uint32, ctype, 8, name="m") as m:
        for values in (column, column.tolist()):
            with pytest.raises(error) as caught:
                m.update(numpy.arange(2), values)
            assert says in str(caught.value) and "value of <HashMap 'm'" in str(caught.value)
        assert len(m) == 0


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([c_uint8, c_int8, c_uint16, c_int64, c_uint64, c_bool, c_uint32.__ctype_be__]),
       st.sampled_from("bBhHiIqQ"), st.lists(st.integers(-(1 << 63), (1 << 64) - 1) | st.integers(-2, 300), min_size=1))
def test_any_integers_fit_as_single_ones_do(ctype: Any, code: str, numbers: list[int]) -> None:
    info = numpy.iinfo(code)
    column = numpy.array([min(max(n, int(info.min)), int(info.max)) for n in numbers], code)
    with create_map(c_uint32, ctype, 128) as m:
        try:
            one_by_one = [m._value(n) for n in column.tolist()]
        except DataRangeError as refused:
            with pytest.raises(DataRangeError) as caught:
                m.update(range(len(column)), column)
            assert str(caught.value).split(": ")[1:] == str(refused).split(": ")[1:]
            assert len(m) == 0
        else:
            m.update(range(len(column)), column)
            assert [m._storage.lookup(m._key(i)) for i in range(len(column))] == one_by_one


def test_errors_name_the_key() -> None:
    with create_map(c_uint32, c_uint8, 8, name="m") as m:
        for bad, error in ((300, DataRangeError), ("x", DataTypeError), (1.5, DataTypeError), (None, DataTypeError)):
            with pytest.raises(error, match=r"value of <HashMap 'm'.*> for key 5: .*c_uint8"):
                m.update({1: 1, 5: bad, 6: bad})
        with pytest.raises(DataRangeError, match=r"key of <HashMap 'm'.*: -7 doesn't fit c_uint32"):
            m.update({1: 1, -7: 1})
        with pytest.raises(DataRangeError, match="2 keys and 1 values don't belong together"):
            m.update([1, 2], [1])
        with pytest.raises(DataTypeError, match="keyword arguments"):
            m.update([1], [2], x=3)
        with pytest.raises(DataTypeError, match="has a row for each"):
            m.update(numpy.zeros(1, "u4"), numpy.array(1))
        assert len(m) == 0


def test_instances_of_ctypes_are_stored_in_bulk_too() -> None:
    with create_map(c_uint32, c_double, 8) as m:
        m.update({1: c_double(0.5), 2: 1, numpy.uint8(3): numpy.float32(2)})
        assert dict(m) == {1: 0.5, 2: 1.0, 3: 2.0}


@pytest.mark.any_kernel
def test_a_full_map_tells_how_many_were_stored() -> None:
    with create_map(c_uint32, c_uint64, 100, name="small") as m:
        m[0] = 1
        for store in (lambda: m.update(dict.fromkeys(range(150), 2)),
                      lambda: m.update(numpy.arange(150), numpy.full(150, 3))):
            with pytest.raises(KernelError, match="'small' is full: it holds max_entries=100; 100 of 150 entries were "
                                                  "stored") as caught:
                store()
            assert caught.value.errno == errno.E2BIG and sorted(m) == list(range(100))
        assert set(m.values()) == {3}
    with LpmTrieMap(c_uint32, c_uint64, 2) as trie, pytest.raises(KernelError, match="2 of 3 entries were stored"):
        trie.update({"10.0.0.0/8": 1, "11.0.0.0/8": 2, "12.0.0.0/8": 3})


def test_array_maps_take_columns() -> None:
    with ArrayMap(c_uint32, 10) as m, PerCpuArrayMap(c_uint8, 3) as p:
        m.update(numpy.arange(10), numpy.arange(10) + 1)
        assert list(m.values()) == list(range(1, 11))
        for keys in (numpy.array([1, 10]), [1, 10], numpy.array([1, -1]), {1: 0, 10: 0}):
            with pytest.raises(IndexOutOfRange, match=r"index (10|-1) of"):
                m.update(keys) if isinstance(keys, dict) else m.update(keys, [0, 0])
        with pytest.raises(DataTypeError, match="takes an int"):
            m.update(numpy.array([0.5]), [1])
        assert list(m.values()) == list(range(1, 11))
        p.update([0, 2], numpy.array([[i + 1 for i in range(CPUS)]] * 2))
        assert p[2] == list(range(1, CPUS + 1)) == p[0] and p[1] == [0] * CPUS
        with pytest.raises(DataRangeError, match=rf"for each of the {CPUS} possible CPUs"):
            p.update([0], numpy.zeros((1, CPUS + 1), int))


def test_kinds_that_take_no_columns_say_so() -> None:
    with StackTraceMap(4) as stacks, pytest.raises(DataTypeError, match="filled by programs"):
        stacks.update(numpy.arange(1), numpy.arange(1))
    with ProgArray(4) as programs, pytest.raises(DataTypeError):
        programs.update(numpy.arange(1), numpy.array([2.5]))


def test_networks_from_arrays() -> None:
    with LpmTrieMap(c_uint32, c_uint32, 100) as m, LpmTrieMap(c_uint32, c_uint32, 100) as copy:
        m.update({f"10.{i}.0.0/16": i for i in range(50)} | {"0.0.0.0/0": 99, "10.1.2.3/32": 98})
        keys, values = m.arrays()
        copy.update(keys, values)
        assert dict(copy) == dict(m)
        copy.update(keys.astype([("prefixlen", "i8"), ("address", "u8")]), values)
        assert dict(copy) == dict(m)
        copy.update(numpy.array(["192.0.2.0/24", "198.51.100.7"]), numpy.arange(2))
        assert copy[ipaddress.ip_network("198.51.100.7/32")] == 1
        for spoil, says in ((("prefixlen", 33), "33 doesn't fit prefix length"), (("prefixlen", 7), "has bits set")):
            bad = keys[keys["prefixlen"] == 16].copy()
            bad[spoil[0]][3] = spoil[1]
            with pytest.raises(DataRangeError, match=says):
                copy.update(bad, values[: len(bad)])
    with LpmTrieMap(c_uint8 * 6, c_uint32, 100) as m:
        m.update({((1, 2, 3, 0, 0, 0), 24): 1, ((1, 2, 3, 4, 128, 0), 33): 2, ((0,) * 6, 0): 3})
        keys, values = m.arrays()
        m.clear()
        m.update(keys, values)
        assert len(m) == 3 and m[(1, 2, 3, 4, 128, 0), 33] == 2


def test_an_lru_map_takes_columns() -> None:
    with LruHashMap(c_uint32, c_uint64, 1 << 12) as m:
        m.update(numpy.arange(5000), numpy.arange(5000))
        assert 0 < len(m) <= 1 << 12 and all(k == v for k, v in m.items())


def test_pandas_columns_are_arrays() -> None:
    class Series:
        """As much of a pandas column as counts: it's an array when asked."""

        dtype = numpy.dtype("i8")

        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return numpy.array([4, 5])

        def __len__(self) -> int:
            return 2

    with create_map(c_uint32, c_uint64, 4) as m:
        m.update(Series(), Series())
        assert dict(m) == {4: 4, 5: 5}


class Traffic(Structure):
    _fields_ = [("packets", c_uint64), ("bytes", c_uint64)]


def test_columns_of_structures_go_by_name_and_never_by_place() -> None:
    with HashMap(c_uint32, Traffic, 4) as m:
        m.update([1], numpy.array([(1500, 1)], [("bytes", "u8"), ("packets", "u8")]))
        assert (m[1].packets, m[1].bytes) == (1, 1500)
        with pytest.raises(DataTypeError, match="fields bytes, packets, but the array's are nbytes, packets"):
            m.update([2], numpy.array([(1500, 1)], [("nbytes", "u8"), ("packets", "u8")]))
        assert len(m) == 1


def test_masked_rows_are_refused() -> None:
    with HashMap(c_uint32, c_uint64, 4) as m:
        with pytest.raises(DataTypeError, match="masked rows"):
            m.update(numpy.ma.array([1, 2], mask=[0, 1]), [3, 4])
        m.update(numpy.ma.array([1, 2]), [3, 4])
        assert dict(m) == {1: 3, 2: 4}
