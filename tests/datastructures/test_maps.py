"""Hash maps in the kernel: the behaviour of a dict, and exact conversions."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Mapping, MutableMapping
from ctypes import Structure, c_bool, c_char, c_int64, c_uint8, c_uint16, c_uint32, c_uint64
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kinds_of_maps import EVERY_KIND, Stat

from py2bpf.cpus import possible_cpus
from py2bpf.datastructures import (
    ArrayMap,
    HashMap,
    LpmTrieMap,
    LruHashMap,
    LruPerCpuHashMap,
    create_map,
)
from py2bpf.exception import DataRangeError, DataTypeError
from py2bpf.prog import ProgType, create_prog
from py2bpf.socket_filter import SkBuffContext
from py2bpf.spec import MapSpec

numpy = pytest.importorskip("numpy")
pytestmark = pytest.mark.kernel


class Flow(Structure):
    _fields_ = [("proto", c_uint8), ("address", c_uint32), ("port", c_uint16)]


HASHES = [HashMap, LruHashMap]


@pytest.mark.any_kernel
@pytest.mark.parametrize("kind", HASHES)
def test_behaves_as_a_dict(kind: type[HashMap]) -> None:
    with kind(c_uint32, c_uint64, 64) as m:
        assert isinstance(m, MutableMapping)
        assert len(m) == 0 and not m and list(m) == [] and 1 not in m and m.get(1) is None and m.get(1, 7) == 7
        with pytest.raises(KeyError) as caught:
            m[5]
        assert caught.value.args == (5,)
        m[1] = 10
        m[2] = 1 << 63
        assert m[1] == 10 and m[2] == 1 << 63 and 2 in m and len(m) == 2 and m
        m[1] += 1
        m.update({3: 30})
        m.update([(4, 40), (5, 50)])
        assert sorted(m) == sorted(m.keys()) == [1, 2, 3, 4, 5]
        assert dict(m.items()) == dict(m) == {1: 11, 2: 1 << 63, 3: 30, 4: 40, 5: 50}
        assert sorted(m.values()) == [11, 30, 40, 50, 1 << 63]
        assert m == {1: 11, 2: 1 << 63, 3: 30, 4: 40, 5: 50} and m != {1: 11}
        assert m.keys() == {1, 2, 3, 4, 5} and (3, 30) in m.items() and 40 in m.values() and m.keys() & {1, 9} == {1}
        del m[1]
        with pytest.raises(KeyError):
            del m[1]
        assert m.pop(2) == 1 << 63 and m.pop(2, None) is None
        with pytest.raises(KeyError):
            m.pop(2)
        assert m.setdefault(3, 7) == 30 and m.setdefault(6, 7) == 7 == m[6]
        assert m.setdefault(8) == 0 == m[8]
        assert m.add(9, 1) and not m.add(9, 2) and m[9] == 1
        key, value = m.popitem()
        assert key not in m and value in (30, 40, 50, 7, 0, 1)
        m.clear()
        assert len(m) == 0
        with pytest.raises(KeyError, match="empty"):
            m.popitem()


def test_scalars_come_back_as_python_values() -> None:
    with create_map(c_uint32, c_bool, 4) as flags, create_map(c_int64, c_int64, 4) as signed:
        flags[1] = True
        assert flags[1] is True and list(flags.items()) == [(1, True)]
        signed[-1] = -(1 << 63)
        assert dict(signed) == {-1: -(1 << 63)} and type(next(iter(signed))) is int


def test_key_zero_and_first_keys_are_found() -> None:
    with create_map(c_uint32, c_uint64, 4) as m:
        m[0] = 5
        assert list(m) == [0] and m.items() == {(0, 5)}


def test_keys_with_bytes_behind_a_nul() -> None:
    def prog(skb: Any) -> int:
        name = (c_char * 8)(b"abc")
        name[5] = ord("x")
        m[name] = 7
        m[b"abc"] = 3
        return int(name in m)

    with create_map(c_char * 8, c_uint64, 4) as m:
        with create_prog(ProgType.SOCKET_FILTER, SkBuffContext, prog) as loaded:
            assert loaded.test_run(bytes(14)).retval == 1
        assert dict(m) == dict(m.items()) == {b"abc": 3, b"abc\0\0x": 7}
        assert m.pop(b"abc\0\0x") == 7 and list(m) == [b"abc"]


def test_char_arrays() -> None:
    with create_map(c_char * 8, c_char * 4, 8) as m:
        m[b"eth0"] = b"up"
        m["lo"] = "down"
        assert m["eth0"] == b"up" and m[b"lo"] == b"down" and sorted(m) == [b"eth0", b"lo"]
        assert m.setdefault("eth1", "x") == b"x"
        m.update(wlan0="up")
        assert m[b"wlan0"] == b"up"
        with pytest.raises(DataRangeError, match="holds 8 bytes"):
            m["a-long-name"]


@pytest.mark.any_kernel
def test_structures_as_keys_and_values() -> None:
    with create_map(Flow, Stat, 8) as m:
        dirty = Flow.from_buffer_copy(b"\xee" * 12)
        dirty.proto, dirty.address, dirty.port = 6, 1, 80
        m[dirty] = Stat(1, 100)
        m[17, 2, 53] = (2, 200)
        assert m[6, 1, 80].bytes == 100 and m[Flow(17, 2, 53)].packets == 2 and dirty in m
        assert type(m[dirty]) is Stat
        for key, value in m.items():
            assert type(key) is Flow and m[key].packets == value.packets
        assert sorted((k.proto, v.packets) for k, v in m.items()) == [(6, 1), (17, 2)]
        stat = m[dirty]
        stat.packets = 99
        assert m[dirty].packets == 1, "a value is a copy until it is stored"
        m[dirty] = stat
        assert m[dirty].packets == 99
        assert m.pop((17, 2, 53)).bytes == 200 and len(m) == 1
        del m[dirty]
        assert len(m) == 0


def test_arrays_as_keys() -> None:
    with create_map(c_uint8 * 16, c_uint32 * 3, 8) as m:
        m[bytes(range(16))] = [1, 2, 3]
        assert dict(m) == {tuple(range(16)): (1, 2, 3)}
        assert m[tuple(range(16))] == (1, 2, 3) and m[(c_uint8 * 16)(*range(16))] == (1, 2, 3)


def test_an_lru_map_makes_room() -> None:
    with LruHashMap(c_uint32, c_uint32, 64) as m, LruPerCpuHashMap(c_uint32, c_uint32, 64) as p:
        for i in range(1000):
            m[i] = i
            p[i] = i
        assert 0 < len(m) <= 64 and all(k == v for k, v in m.items()) and 999 in m
        assert 0 < len(p) <= 64 and p[999][0] == 999


def test_an_lru_map_with_room_for_the_lists_of_the_cpus_forgets_none() -> None:
    """As the documentation says how large it has to be: filled from every CPU."""
    count, cpus = 500, os.sched_getaffinity(0)
    with LruHashMap(c_uint32, c_uint32, count + 128 * len(possible_cpus())) as m:
        try:
            for i in range(count):
                os.sched_setaffinity(0, {sorted(cpus)[i % len(cpus)]})
                m[i] = i
        finally:
            os.sched_setaffinity(0, cpus)
        assert dict(m.items()) == {i: i for i in range(count)}


def test_the_default_is_for_programs() -> None:
    with create_map(c_uint32, c_uint64, 4, default=7) as m:
        assert m.map_spec.default == 7
        with pytest.raises(KeyError):
            m[1]
        assert m.setdefault(1) == 7


def test_a_default_as_a_ctypes_number() -> None:
    with create_map(c_uint32, c_uint64, 4, default=c_uint64(3)) as m:
        assert m.map_spec.default == 3 and type(m.map_spec.default) is int


def test_the_names_of_the_original() -> None:
    with create_map(c_uint32, c_uint64, 8) as m:
        m.update({1: 10, 2: 20, 3: 30})
        assert m.lookup(2) == 20 and m.lookup(9) is None
        m.delete(2)
        with pytest.raises(KeyError):
            m.delete(2)
        keys = [m.get_next_key()]
        while (following := m.get_next_key(keys[-1])) is not None:
            keys.append(following)
        assert sorted(keys) == [1, 3] and sorted(m.get_items()) == [(1, 10), (3, 30)]


def test_update_of_one_key_says_what_to_write() -> None:
    with create_map(c_uint32, c_uint64, 8) as m:
        for update in (lambda: m.update(1, 2), lambda: m.update([1], 2)):
            with pytest.raises(DataTypeError, match=r"two columns, not \d: one entry is m\[key\] = value"):
                update()
        with pytest.raises(TypeError, match=r"\(key, value\) pairs, as enumerate\(values\) gives, not 1"):
            m.update([1, 2, 3])  # type: ignore[list-item]
        assert len(m) == 0


@pytest.mark.kernel_only
@pytest.mark.parametrize("make", EVERY_KIND)
def test_every_kind_is_a_map_to_the_compiler(make: Any) -> None:
    with make() as m:
        assert isinstance(m.map_spec, MapSpec) and m.map_spec.max_entries == 4
        assert os.readlink(f"/proc/self/fd/{m.fd}") == "anon_inode:bpf-map"
        info = dict(line.split(":\t") for line in Path(f"/proc/self/fdinfo/{m.fd}").read_text().splitlines())
        assert int(info["map_type"]) == m.map_spec.kind and int(info["value_size"]) == m.map_spec.value_size
        assert int(info["key_size"]) == m.map_spec.key_size + (4 if isinstance(m, LpmTrieMap) else 0)
        assert isinstance(hash(m), int) and m == m


def test_comparing_maps_makes_no_system_calls() -> None:
    with create_map(c_uint32, c_uint32, 4) as a, create_map(c_uint32, c_uint32, 4) as b:
        assert a != b and len({a, b}) == 2 and a != 5
        b.close()
        assert a != b


@pytest.mark.kernel_only
def test_repr() -> None:
    with create_map(Flow, c_uint64, 16, name="flows") as m:
        assert repr(m) == f"<HashMap 'flows'(Flow, c_uint64, 16), fd {m.fd}>"
    with ArrayMap(c_uint64, 16) as a:
        assert repr(a).startswith("<ArrayMap(c_uint32, c_uint64, 16), fd ")


@pytest.mark.any_kernel
def test_numpy_arrays() -> None:
    with create_map(Flow, Stat, 300) as m:
        m.update({(1, i, 2): (i, 2 * i) for i in range(300)})
        keys, values = m.arrays()
        assert len(keys) == 300 and (keys["address"] == values["packets"]).all()
        assert values["bytes"].sum() == 2 * sum(range(300)) and values.flags.writeable
    with create_map(c_uint32, c_uint64, 4) as m:
        keys, values = m.arrays()
        assert keys.dtype == numpy.uint32 and values.dtype == numpy.uint64 and len(keys) == 0


def test_arrays_without_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "numpy", None)
    with create_map(c_uint32, c_uint64, 4) as m, pytest.raises(ImportError, match=r"pip install 'py2bpf\[numpy\]'"):
        m.arrays()


def test_many_entries() -> None:
    with create_map(c_uint32, c_uint64, 200_000) as m:
        m.update((i, i * i) for i in range(150_000))
        assert len(m) == 150_000
        items = m.items()
        assert dict(items) == {i: i * i for i in range(150_000)}
        m.clear()
        assert len(m) == 0 and len(items) == 150_000


OPERATIONS = st.lists(st.tuples(st.sampled_from("set del pop add setdefault get in".split()), st.integers(0, 9),
                                st.integers(0, 1000)), max_size=40)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(OPERATIONS)
def test_any_operations_agree_with_a_dict(operations: list[tuple[str, int, int]]) -> None:
    model: dict[int, int] = {}
    with create_map(c_uint32, c_uint64, 16) as m:
        for name, key, value in operations:
            assert _apply(name, m, key, value) == _apply(name, model, key, value)
        assert dict(m) == model and len(m) == len(model)


def _apply(name: str, m: Any, key: int, value: int) -> Any:
    if name == "set":
        m[key] = value
        return None
    if name == "del":
        try:
            del m[key]
        except KeyError as error:
            return error.args
        return None
    if name == "add" and isinstance(m, Mapping):
        if isinstance(m, dict):
            return key not in m and m.setdefault(key, value) == value
        return m.add(key, value)
    if name == "in":
        return key in m
    return m.get(key, value) if name == "get" else getattr(m, name)(key, value)


def test_big_endian_keys() -> None:
    class Wire(ctypes.BigEndianStructure):
        _fields_ = [("address", c_uint32)]

    with create_map(Wire, c_uint32, 4) as m:
        m[0x0A000001,] = 1
        keys, _ = m.arrays()
        assert keys.tobytes() == struct.pack(">I", 0x0A000001) and [k.address for k in m] == [0x0A000001]
