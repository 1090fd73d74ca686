"""Arrays indexed at run time, and constant tables: the same code in the kernel and in CPython."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_programs import in_cpython, load, run

from py2bpf import sim, vm
from py2bpf.datastructures import ArrayMap, PerCpuArrayMap
from py2bpf.prog import create_prog
from py2bpf.uapi.contexts import SK_BUFF
from py2bpf.uapi.prog_types import ProgType

pytestmark = pytest.mark.kernel
SMALL, WIDE = ctypes.c_int16 * 5, ctypes.c_uint64 * 3


class Cell(ctypes.Structure):
    _fields_ = (("x", ctypes.c_uint8), ("y", ctypes.c_int32))


def read(a: Any, i: Any) -> Any:
    return a[i] + 1


def write(a: Any, i: Any) -> Any:
    a[i] = 7
    return a[0] * 3 + a[-1]


def change(a: Any, i: Any) -> Any:
    a[i] += 5
    a[i] *= 2
    return a[i]


def search(a: Any, i: Any) -> Any:
    for at, item in enumerate(a):
        if item == i:
            return at
    return len(a)


def member(a: Any, i: Any) -> Any:
    return (i in a) + 10 * (i not in a)


INDICES = [-(1 << 63), -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 1 << 32, (1 << 32) + 1, (1 << 63) - 1]


@pytest.mark.parametrize("body", [read, write, change, search, member])
@pytest.mark.parametrize("array", [SMALL, WIDE])
@pytest.mark.parametrize("shared", [False, True], ids=["stack", "map"])
def test_arrays_indexed_at_run_time(body: Any, array: Any, shared: bool) -> None:
    kind: Any = PerCpuArrayMap if array is SMALL else ArrayMap
    with kind(array, 1) as held, ArrayMap(ctypes.c_int64, 1) as index:

        def on_stack(skb: Any) -> Any:
            return body(array(3, 1, 2), index[0])

        def in_map(skb: Any) -> Any:
            value = held[0]
            if value is None:
                return 99
            return body(value, index[0])

        with load(in_map if shared else on_stack) as loaded:
            for i in INDICES:
                index[0], held[0] = i, array(3, 1, 2)
                mine = array(3, 1, 2)
                assert (run(loaded), i) == (in_cpython(body, mine, i), i)
                if shared and array is WIDE:
                    assert list(held[0]) == list(mine)


def test_arrays_of_structs_indexed_at_run_time() -> None:
    def body(cells: Any, i: Any, j: Any) -> Any:
        cells[i].y = 4
        cells[j] = cells[i]
        cells[j].x += 1
        return cells[i].x * 1000 + cells[j].x * 100 + cells[j].y

    with ArrayMap(ctypes.c_int64, 2) as index:

        def prog(skb: Any) -> Any:
            cells = (Cell * 3)()
            cells[1] = Cell(9, 9)
            return body(cells, index[0], index[1])

        with load(prog) as loaded:
            for i in range(-4, 5):
                for j in range(-4, 5):
                    index[0], index[1] = i, j
                    cells = (Cell * 3)()
                    cells[1] = Cell(9, 9)
                    assert (run(loaded), i, j) == (in_cpython(body, cells, i, j), i, j)


def test_two_dimensions() -> None:
    grid_type = (ctypes.c_uint8 * 3) * 4

    def body(grid: Any, i: Any, j: Any) -> Any:
        grid[i][j] = 200
        row = grid[i]
        row[0] += 1
        total = 0
        for line in grid:
            total = total * 7 + sum(line)
        return total

    with ArrayMap(ctypes.c_int64, 2) as index:

        def prog(skb: Any) -> Any:
            return body(grid_type(), index[0], index[1])

        with load(prog) as loaded:
            for i in range(-5, 6):
                for j in range(-4, 5):
                    index[0], index[1] = i, j
                    assert (run(loaded), i, j) == (in_cpython(body, grid_type(), i, j), i, j)


@settings(max_examples=40)
@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1), min_size=1, max_size=12), st.integers(-15, 15))
def test_constant_tables(numbers: list[int], start: int) -> None:
    """A captured list of integers is indexed at run time as in CPython."""

    def body(i: Any) -> Any:
        return numbers[i] >> 7

    with ArrayMap(ctypes.c_int64, 1) as index:

        def prog(skb: Any) -> Any:
            return body(index[0])

        with load(prog) as loaded:
            for i in (start, -1, 0, len(numbers), -len(numbers)):
                index[0] = i
                assert (run(loaded), i) == (in_cpython(body, i), i)


@pytest.mark.parametrize("backend", ["kernel", "vm"])
def test_an_index_keeps_its_bounds_beside_tests_of_its_bits(backend: vm.Name) -> None:
    """The verifier knows how far two numbers are apart, and forgets the range of both where bits of one are tested."""

    def program(ctx: Any) -> int:
        array = (ctypes.c_uint8 * 8)(10, 11, 12, 13, 14, 15, 16, 17)
        index = ctx.len & 7
        found = 0
        for bits in (1, 2, ctx.mark, 1 << 31):
            if index + 255 & bits:
                found += 100
            if bits & index - 9:
                found += 1000
        return found + array[index]

    packets = [bytes(size) for size in range(14, 40)]
    with vm.backend(backend), create_prog(ProgType.SOCKET_FILTER, SK_BUFF, program) as prog:
        runs = [(prog.test_run(each).retval, sim.run(program, each).retval) for each in packets]
    assert all(got == wanted for got, wanted in runs) and len({got for got, _ in runs}) > 4
