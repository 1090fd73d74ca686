"""Sums over all CPUs, for whole maps: the same as adding up each value in Python."""

from __future__ import annotations

from ctypes import (
    BigEndianStructure,
    Structure,
    Union,
    c_bool,
    c_char,
    c_double,
    c_float,
    c_int8,
    c_int16,
    c_int32,
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

from py2bpf.core import sums
from py2bpf.core.sums import NumberField, NumberKind
from py2bpf.cpus import possible_cpus
from py2bpf.datastructures import LruPerCpuHashMap, PerCpuArrayMap, PerCpuHashMap
from py2bpf.exception import ClosedError, DataRangeError, DataTypeError

numpy = pytest.importorskip("numpy")

pytestmark = pytest.mark.kernel
CPUS = len(possible_cpus())


class Stat(Structure):
    _fields_ = [("packets", c_uint64), ("bytes", c_uint64)]


class Mixed(Structure):
    _fields_ = [("seen", c_bool), ("least", c_int16), ("stats", Stat * 2), ("sizes", c_uint32 * 3), ("load", c_float)]


class Wire(BigEndianStructure):
    _fields_ = [("port", c_uint16), ("total", c_int64)]


class Bits(Structure):
    _fields_ = [("low", c_uint8, 4), ("high", c_uint8, 4)]


class Either(Union):
    _fields_ = [("number", c_uint32), ("letters", c_char * 4)]


NUMBERS = [c_uint8, c_int8, c_uint16, c_int16, c_uint32, c_int32, c_uint64, c_int64, c_uint16.__ctype_be__,
           c_int32.__ctype_be__, c_uint64.__ctype_be__]


def in_python(m: Any) -> list[tuple[Any, Any]]:
    return [(key, values.sum()) for key, values in m.items()]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(NUMBERS), st.lists(st.lists(st.integers(), min_size=CPUS, max_size=CPUS), max_size=9))
def test_any_integers(ctype: Any, rows: list[list[int]]) -> None:
    with PerCpuHashMap(c_uint32, ctype, 16) as m:
        low, high = m._values.item.low, m._values.item.high
        for key, row in enumerate(rows):
            m[key] = [low + (number - low) % (high - low + 1) for number in row]
        wanted = in_python(m)
        wide = range(-(1 << 63), 1 << 63) if low else range(1 << 64)
        if all(total in wide for _, total in wanted):
            assert list(m.sums()) == wanted
            keys, sums = m.sum_arrays()
            assert list(zip(keys.tolist(), sums.tolist())) == wanted
            assert sums.dtype == (numpy.int64 if low else numpy.uint64)
        else:
            too_large = "|".join(str(key) for key, total in wanted if total not in wide)
            says = rf"^key ({too_large}) of <PerCpuHashMap.*: the sum of all CPUs' .* doesn't fit 64 bits"
            for use in (m.sums, m.sum_arrays):
                with pytest.raises(DataRangeError, match=says):
                    use()


def test_a_sum_that_is_too_large_shows_the_fields() -> None:
    class Traffic(Structure):
        _fields_ = [("packets", c_uint64), ("sizes", c_uint16 * 2)]

    with PerCpuHashMap(c_uint32, Traffic, 4) as m:
        m[1] = [Traffic(2**63, (1, 2))] * CPUS
        if CPUS > 1:
            with pytest.raises(DataRangeError, match=r"\[\{'packets': 9223372036854775808, 'sizes': \[1, 2\]\}"):
                m.sums()


@pytest.mark.parametrize("ctype", [c_float, c_double, c_double.__ctype_be__])
def test_floats(ctype: Any) -> None:
    with PerCpuHashMap(c_uint32, ctype, 16) as m:
        for key in range(8):
            m[key] = [key / 4 + cpu for cpu in range(CPUS)]
        assert list(m.sums()) == in_python(m)
        keys, sums = m.sum_arrays()
        assert sums.dtype == numpy.float64 and list(zip(keys.tolist(), sums.tolist())) == in_python(m)


@pytest.mark.any_kernel
def test_truths_are_counted() -> None:
    with PerCpuArrayMap(c_bool, 2) as m:
        m[1] = True
        assert list(m.sums()) == [(0, 0), (1, CPUS)] and m.sum_arrays()[1].tolist() == [0, CPUS]


@pytest.mark.parametrize(("ctype", "value"), [
    (Stat, (1 << 40, 3)), (c_uint64 * 5, (1, 2, 3, 4, 5)), ((c_int16 * 2) * 2, ((1, -2), (3, -4))),
    (Mixed, (True, -300, ((1, 2), (3, 4)), (5, 6, 7), 0.5)), (Wire, (80, -5)),
])
def test_structures_and_arrays(ctype: Any, value: Any) -> None:
    with LruPerCpuHashMap(c_uint32, ctype, 4096) as m:
        m[1] = [value] + [m._values.item.decode(bytes(m._values.item.size))] * (CPUS - 1)
        if ctype is not Mixed:
            m[2] = value
        assert raw(m, m.sums()) == raw(m, in_python(m))
        keys, sums = m.sum_arrays()
        assert len(sums) == len(m) and keys.dtype == numpy.uint32
        flat = [plain(total) for total in sums.tolist()]
        assert flat == [plain(total) for _, total in m.sums()] and flat[keys.tolist().index(1)] == plain(value)


def raw(m: Any, entries: Any) -> list[tuple[int, bytes]]:
    """Structures have no ==."""
    return [(key, m._values.item.encode(total)) for key, total in entries]


def plain(value: Any) -> Any:
    """Structures, arrays, and what numpy makes of them, as tuples of numbers."""
    if isinstance(value, Structure):
        return tuple(plain(getattr(value, name)) for name, _ in value._fields_)
    return tuple(map(plain, value)) if hasattr(value, "__len__") else value


def test_fields_become_wide_in_arrays() -> None:
    """A structure's own field may be too small for the sum."""
    with PerCpuHashMap(c_uint32, Mixed, 4) as m:
        m[7] = (True, -(1 << 15), ((1, 2), (3, 4)), ((1 << 32) - 1,) * 3, 1.5)
        if CPUS > 1:
            with pytest.raises(DataRangeError, match="doesn't fit"):
                m.sums()
            with pytest.raises(DataRangeError):
                m[7].sum()
        _, sums = m.sum_arrays()
        assert sums["least"].tolist() == [-(1 << 15) * CPUS] and sums["seen"].tolist() == [CPUS]
        assert sums["sizes"].tolist() == [[CPUS * ((1 << 32) - 1)] * 3] and sums["load"].tolist() == [1.5 * CPUS]
        assert sums["stats"]["bytes"].tolist() == [[2 * CPUS, 4 * CPUS]]


def test_many_entries() -> None:
    with PerCpuHashMap(c_uint32, c_uint64, 200_000) as m:
        m.update(numpy.arange(200_000), numpy.arange(200_000))
        keys, sums = m.sum_arrays()
        assert (sums == keys.astype("u8") * CPUS).all() and len(sums) == 200_000
        assert dict(m.sums()) == {i: i * CPUS for i in range(200_000)}


@pytest.mark.parametrize(("ctype", "says"), [
    (c_char * 4, r"c_char \* 4 can't be summed"), (c_char, "can't be summed"), (Either, "Either can't be summed"),
    (Either * 2, "Either can't be summed"), (Bits, "Bits.low is a bit field"),
])
def test_what_has_no_sum(ctype: Any, says: str) -> None:
    with PerCpuHashMap(c_uint32, ctype, 4) as m:
        for use in (m.sums, m.sum_arrays):
            with pytest.raises(DataTypeError, match=says):
                use()


def test_after_closing_and_without_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    with PerCpuHashMap(c_uint32, c_uint64, 4) as m:
        monkeypatch.setitem(__import__("sys").modules, "numpy", None)
        with pytest.raises(ImportError, match=r"pip install 'py2bpf\[numpy\]'"):
            m.sum_arrays()
        assert list(m.sums()) == []
    with pytest.raises(ClosedError):
        m.sums()


@pytest.mark.parametrize("field", [
    NumberField(0, 1, NumberKind.UNSIGNED, 3, False), NumberField(0, 1, 9, 4, False),
    NumberField(0, 1, NumberKind.FLOAT, 2, False), NumberField(4, 2, NumberKind.UNSIGNED, 4, False),
    NumberField(0xFFFFFFFF, 0xFFFFFFFF, NumberKind.UNSIGNED, 8, False),
])
def test_impossible_fields(field: NumberField) -> None:
    with pytest.raises(OSError, match="add up"):
        sums.sum_cpus(bytes(16), 0, 2, 8, [field])
    with pytest.raises(ValueError, match="more than 15 bytes"):
        sums.sum_cpus(bytes(15), 1, 2, 8, [NumberField(0, 1, NumberKind.UNSIGNED, 8, False)])
