"""Array maps as memory: numpy sees what programs store, and the other way round, without system calls."""

from __future__ import annotations

import gc
import os
import threading
from ctypes import (
    BigEndianStructure,
    Structure,
    c_bool,
    c_char,
    c_double,
    c_int16,
    c_uint8,
    c_uint16,
    c_uint32,
    c_uint64,
)
from typing import Any

import pytest

from py2bpf.datastructures import ArrayMap, HashMap, PerCpuArrayMap, SpinLock
from py2bpf.exception import ClosedError, DataTypeError
from py2bpf.prog import ProgType, create_prog
from py2bpf.socket_filter import SkBuffContext
from py2bpf.uapi.map_types import MapFlags

numpy = pytest.importorskip("numpy")

pytestmark = pytest.mark.kernel
PACKET = bytes(64)


class Stat(Structure):
    _fields_ = [("kind", c_uint8), ("packets", c_uint64), ("sizes", c_uint16 * 3)]


class Wire(BigEndianStructure):
    _fields_ = [("port", c_uint16), ("address", c_uint32)]


class Locked(Structure):
    _fields_ = [("lock", SpinLock), ("count", c_uint32)]


class Bits(Structure):
    _fields_ = [("low", c_uint8, 4), ("high", c_uint8, 4)]


@pytest.mark.any_kernel
def test_programs_and_the_view_see_the_same_values() -> None:
    with ArrayMap(c_uint64, 1000, mmap=True) as m:
        assert m.map_spec.flags == MapFlags.MMAPABLE
        view = m.view()
        assert view.shape == (1000,) and view.dtype == numpy.uint64 and not view.any()
        view[3] = 40

        def count(skb: Any) -> Any:
            m[3] += 2
            m[999] = m[3]
            return 0

        with create_prog(ProgType.SOCKET_FILTER, SkBuffContext, count) as prog:
            prog.test_run(PACKET)
        assert view[3] == 42 == view[999] == m[3]
        view += numpy.arange(1000, dtype="u8")
        assert m[999] == 42 + 999 and list(m.values())[10] == 10
        m[5] = 7
        m.update(numpy.arange(10, 20), numpy.full(10, 9))
        assert view[5] == 7 and (view[10:20] == 9).all() and (m.arrays()[1] == view).all()


@pytest.mark.parametrize(("ctype", "value"), [
    (c_uint8, 200), (c_int16, -3), (c_uint32, 1 << 31), (c_bool, True), (c_double, 0.5), (c_char * 5, b"text"),
    (c_uint16 * 3, (1, 2, 3)), (c_uint8 * 13, tuple(range(13))), (c_uint32.__ctype_be__, 0x01020304),
])
def test_values_of_any_size_lie_where_the_kernel_has_them(ctype: Any, value: Any) -> None:
    with ArrayMap(ctype, 100, mmap=True) as m:
        view = m.view()
        assert len(view) == 100
        m[0] = m[57] = m[99] = value
        for i in (0, 57, 99):
            assert plain(view[i]) == value
        assert plain(view[1]) == plain(view[98]) != value
        view[1] = view[57]
        assert m[1] == value and m[2] == m[98] != value


def plain(value: Any) -> Any:
    found = value.tolist()
    return tuple(found) if isinstance(found, list) else found


def test_structures_are_records() -> None:
    with ArrayMap(Stat, 300, mmap=True) as m, ArrayMap(Wire, 2, mmap=True) as wires:
        view = m.view()
        view["packets"] = numpy.arange(300)
        view["sizes"][7] = [1, 2, 3]
        assert m[299].packets == 299 and m[7].sizes[:] == [1, 2, 3] and m[8].sizes[:] == [0, 0, 0]
        m[4] = (1, 2, (3, 4, 5))
        assert (view[4]["kind"], view[4]["packets"], view[4]["sizes"].tolist()) == (1, 2, [3, 4, 5])
        wires[1] = (80, 0x0A000001)
        assert wires.view()["address"].tolist() == [0, 0x0A000001]


def test_the_view_outlives_the_map() -> None:
    m = ArrayMap(c_uint64, 600, mmap=True)
    view = m.view()
    half = m.view()[300:]
    view[300] = 5
    m.close()
    assert half[0] == 5
    half[0] = 6
    assert view[300] == 6
    with pytest.raises(ClosedError):
        m.view()
    del view, m
    gc.collect()
    assert half[0] == 6 and len(half) == 300


def test_it_is_given_back_with_the_last_view() -> None:
    before = open_files()
    m = ArrayMap(c_uint64, 100, mmap=True)
    view = m.view()
    m.close()
    del m, view
    gc.collect()
    assert open_files() == before


def open_files() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))


@pytest.mark.unsynchronized("a view is memory, read while a program adds to it")
def test_a_program_counts_while_the_view_is_read() -> None:
    with ArrayMap(c_uint64, 16, mmap=True) as m:

        def count(skb: Any) -> Any:
            m[2] += 1
            return 0

        view, seen = m.view(), []
        with create_prog(ProgType.SOCKET_FILTER, SkBuffContext, count) as prog:
            thread = threading.Thread(target=lambda: [prog.test_run(PACKET, repeat=1000) for _ in range(50)])
            thread.start()
            while thread.is_alive():
                seen.append(int(view[2]))
            thread.join()
        assert seen == sorted(seen) and view[2] == 50_000 == m[2]


def test_an_entry_can_be_the_only_one() -> None:
    """Programs read it without a look-up."""
    with ArrayMap(c_uint32, 1, mmap=True) as m:

        def answer(skb: Any) -> Any:
            return m[0]

        m.view()[0] = 77
        with create_prog(ProgType.SOCKET_FILTER, SkBuffContext, answer) as prog:
            assert prog.test_run(PACKET).retval == 77


def test_what_can_not_be_mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    with ArrayMap(c_uint64, 4) as plain_map, pytest.raises(DataTypeError, match="make it with mmap=True"):
        plain_map.view()
    with pytest.raises(DataTypeError, match="spin lock can't be mapped"):
        ArrayMap(Locked, 4, mmap=True)
    for kind in (lambda: PerCpuArrayMap(c_uint64, 4, mmap=True), lambda: HashMap(c_uint32, c_uint64, 4, mmap=True)):
        with pytest.raises(TypeError):
            kind()
    with ArrayMap(Bits, 4, mmap=True) as bits, pytest.raises(DataTypeError, match="numpy has no bit fields"):
        bits.view()
    with ArrayMap(c_uint64, 4, mmap=True) as m:
        monkeypatch.setitem(__import__("sys").modules, "numpy", None)
        with pytest.raises(ImportError, match=r"pip install 'py2bpf\[numpy\]'"):
            m.view()
