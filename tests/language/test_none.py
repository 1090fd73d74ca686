"""Values that may be None, with and without tests in every form: the same in the kernel and in CPython."""

from __future__ import annotations

import contextlib
import ctypes
from typing import Any

import pytest
from memory_programs import in_cpython, load, run

from py2bpf.datastructures import HashMap
from py2bpf.exception import PossiblyNone

pytestmark = pytest.mark.kernel


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
