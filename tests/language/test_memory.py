"""Arrays, char arrays and values that may be None: the same code in the kernel and in CPython."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from py2bpf import funcs, sim, vm
from py2bpf.datastructures import ArrayMap, HashMap, PerCpuArrayMap
from py2bpf.exception import PossiblyNone
from py2bpf.prog import Prog, create_prog
from py2bpf.uapi.contexts import SK_BUFF
from py2bpf.uapi.prog_types import KEEP_PACKET, ProgType

pytestmark = pytest.mark.kernel

MASK = (1 << 32) - 1


def load(prog: Any) -> Prog:
    return create_prog(ProgType.SOCKET_FILTER, SK_BUFF, prog)


def run(loaded: Prog) -> int:
    return loaded.test_run(bytes(64)).retval


# arrays indexed at run time

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


def in_cpython(body: Callable[..., Any], *args: Any) -> int:
    """What the kernel must give: what Python would raise is the hook's safe value."""
    try:
        return int(body(*args)) & MASK
    except (IndexError, TypeError, AttributeError, ZeroDivisionError):
        return KEEP_PACKET


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


# char arrays


class Task(ctypes.Structure):
    _fields_ = (
        ("pid", ctypes.c_uint8),
        ("comm", ctypes.c_char * 9),
        ("letter", ctypes.c_char),
        ("name", ctypes.c_char * 4),
    )


def chars(t: Any) -> Any:
    bits = [
        t.comm == b"sshd",
        t.comm != b"sshd",
        t.comm == b"",
        t.comm == b"abcdefghi",
        t.comm == b"abcdefghij",
        t.comm == b"ssh\0d",
        t.comm.startswith(b"ss"),
        t.comm.startswith(b""),
        t.comm.startswith(b"abcdefghijk"),
        t.comm[:2] == b"ss",
        t.comm[:3] == b"ss",
        b"sshd" == t.comm,
        t.comm in (b"bash", b"sshd", b"zsh"),
        t.name == b"wxyz",
        t.name[1:3] == b"xy",
        t.letter == b"a",
        t.letter == b"\0",
        t.letter == b"ab",
        t.letter != b"a",
    ]
    result = 0
    for i, bit in enumerate(bits):
        if bit:
            result += 1 << i
    if t.comm:
        result += 1 << 24
    if not t.name:
        result += 1 << 25
    if t.letter:
        result += 1 << 26
    return result + (ord(t.letter) == 97) * (1 << 27)


TEXTS = [b"", b"s", b"ss", b"ssh", b"sshd", b"sshdx", b"abcdefghi", b"zsh", b"bash", b"\xff\xfe"]


@pytest.mark.filterwarnings("ignore::py2bpf.exception.NeverTrue")  # of texts that are too long
@pytest.mark.parametrize("name", [b"", b"wxyz", b"wxy", b"axyb"])
@pytest.mark.parametrize("letter", [b"\0", b"a", b"\xe9"])
def test_char_arrays(name: bytes, letter: bytes) -> None:
    with ArrayMap(Task, 1) as tasks:

        def in_map(skb: Any) -> Any:
            task = tasks[0]
            if task is None:
                return 1
            return chars(task)

        def on_stack(skb: Any) -> Any:
            task = tasks[0]
            if task is None:
                return 1
            mine = Task()
            mine.comm = task.comm
            mine.letter = task.letter
            mine.name = task.name
            return chars(mine)

        with load(in_map) as first, load(on_stack) as second:
            for text in TEXTS:
                tasks[0] = Task(1, text, letter, name)
                wanted = chars(Task(1, text, letter, name))
                assert (run(first), run(second), text) == (wanted, wanted, text)


def test_storing_constant_bytes() -> None:
    """Shorter ones get one NUL, and what is behind it stays, as in CPython."""

    def body(t: Any) -> Any:
        t.comm = b"abcdefghi"
        t.comm = b"xyz"
        t.name = b"wxyz"
        t.letter = b"q"
        t.name = b""

    with ArrayMap(Task, 1) as tasks:

        def prog(skb: Any) -> Any:
            task = Task()
            body(task)
            tasks[0] = task
            return 0

        wanted = Task()
        body(wanted)
        with load(prog) as loaded:
            assert run(loaded) == 0
        assert (tasks[0].comm, tasks[0].letter, tasks[0].name) == (wanted.comm, wanted.letter, wanted.name)


# None


class Entry(ctypes.Structure):
    _fields_ = (("count", ctypes.c_uint64), ("cells", ctypes.c_uint32 * 2))


def none_member(m: Any) -> Any:
    return m.get(1).count + 1


def none_store(m: Any) -> Any:
    m.get(1).count = 3
    return 1


def none_index(m: Any) -> Any:
    return m.get(1).cells[1] + 1


def none_test(m: Any) -> Any:
    e = m.get(1)
    if e is None:
        return 5
    return e.count + 6


def none_truth(m: Any) -> Any:
    e = m.get(1)
    return e.count + 6 if e else 5


def none_not(m: Any) -> Any:
    e = m.get(1)
    if not e:
        return 5
    e.count += 1
    return e.count


def none_equal(m: Any) -> Any:
    return 1 if m.get(1) == None else 2  # noqa: E711


def none_either(m: Any) -> Any:
    e = m.get(1) or m.get(2)
    if e is not None:
        return e.count
    return 8


def none_passed(m: Any) -> Any:
    def count_of(e: Any) -> Any:
        return e.count if e is not None else 4

    return count_of(m.get(1)) + 10 * count_of(m.get(2))


def none_both(m: Any) -> Any:
    a, b = m.get(1), m.get(2)
    if a is not None and b is not None:
        return a.count + b.count
    return 7


def none_loop(m: Any) -> Any:
    total = 0
    for key in (1, 2, 3):
        e = m.get(key)
        if e is None:
            continue
        total += e.count
    return total


NONES = [none_member, none_store, none_index, none_test, none_truth, none_not, none_equal, none_either, none_passed,
         none_both, none_loop]  # fmt: skip


WITHOUT_TEST = [none_member, none_store, none_index]


def expecting(warning: bool) -> contextlib.AbstractContextManager[object]:
    """The compiler warns, or must not."""
    return pytest.warns(PossiblyNone) if warning else contextlib.nullcontext()


@pytest.mark.parametrize("body", NONES)
def test_structs_that_may_be_missing(body: Any) -> None:
    with HashMap(ctypes.c_uint32, Entry, 8) as m:

        def prog(skb: Any) -> Any:
            return body(m)

        with expecting(body in WITHOUT_TEST), load(prog) as loaded:
            for keys in ((), (1,), (2,), (1, 2), (3,)):
                m.clear()
                for key in keys:
                    m[key] = Entry(key * 20)
                mine = {key: Entry(key * 20) for key in keys}
                assert (run(loaded), keys) == (in_cpython(body, mine), keys)


def number_add(m: Any) -> Any:
    return m.get(1) + 1


def number_is(m: Any) -> Any:
    found = m.get(1)
    return 9 if found is None else found


def number_or(m: Any) -> Any:
    return m.get(1) or 8


def number_equal(m: Any) -> Any:
    return (m.get(1) == m.get(2)) + 2 * (m.get(1) == 0) + 4 * (m.get(2) != 5) + 8 * (m.get(1) == None)  # noqa: E711


def number_not(m: Any) -> Any:
    return 1 if not m.get(1) else 2


def number_default(m: Any) -> Any:
    return m.get(1, 3) + m.get(2, 4) * 100


def number_both(m: Any) -> Any:
    a, b = m.get(1), m.get(2)
    if a is not None and b is not None:
        return a + b
    return 6


def number_kept(m: Any) -> Any:
    best = None
    for key in (1, 2, 3):
        found = m.get(key)
        if found is not None and (best is None or found > best):
            best = found
    return 77 if best is None else best


WITHOUT_TEST.append(number_add)
NUMBERS = [number_add, number_is, number_or, number_equal, number_not, number_default, number_both, number_kept]


@pytest.mark.parametrize("body", NUMBERS)
def test_numbers_that_may_be_missing(body: Any) -> None:
    with HashMap(ctypes.c_uint32, ctypes.c_uint32, 8) as m:

        def prog(skb: Any) -> Any:
            return body(m)

        with expecting(body in WITHOUT_TEST), load(prog) as loaded:
            for content in ({}, {1: 0}, {1: 5}, {2: 5}, {1: 5, 2: 5}, {1: 0, 2: 0}, {1: 3, 2: 9}, {3: 4}):
                m.clear()
                m.update(content)
                assert (run(loaded), content) == (in_cpython(body, content), content)


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


# two char arrays


class Names(ctypes.Structure):
    _fields_ = (("first", ctypes.c_char * 6), ("second", ctypes.c_char * 9))


NAMES = HashMap(ctypes.c_uint32, Names, 1)


def same_names(ctx: Any) -> int:
    found = NAMES[0]
    if found is None:
        return 0
    return 1 if found.first == found.second else 2 if found.second != found.first else 3


@pytest.fixture(scope="module")
def comparing() -> Any:
    with load(same_names) as prog:
        yield prog


@settings(max_examples=150)
@given(first=st.binary(max_size=6), second=st.one_of(st.none(), st.binary(max_size=9)))
def test_two_char_arrays(comparing: Prog, first: bytes, second: bytes | None) -> None:
    names = Names(first, first + b"\0x" if second is None else second)
    NAMES[0] = names
    assert run(comparing) == (1 if names.first == names.second else 2)


# a size that run time gives


def load_some(skb: Any) -> int:
    buffer = (ctypes.c_uint8 * 8)()
    n = funcs.load_skb_byte(skb, 0)
    if funcs.skb_load_bytes(skb, 1, buffer, n) < 0:
        return 100
    return buffer[0] + buffer[7]


@pytest.mark.parametrize("backend", ["kernel", "vm"])
def test_sizes_of_run_time_are_checked(backend: vm.Name) -> None:
    """0 is no size, as a constant 0 is none: a ValueError, in every world."""
    with vm.backend(backend), load(load_some) as prog:
        for size in (0, 1, 7, 8, 9, 255):
            packet = bytes(14) + bytes([size]) + bytes(range(1, 50))
            simulated = sim.run(load_some, packet)
            assert prog.test_run(packet).retval == simulated.retval, size
            assert simulated.retval == {1: 1, 7: 1, 8: 9}.get(size, KEEP_PACKET)
        assert [(site.error, count) for site, count in prog.errors.items()] == [("ValueError", 3)]


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
