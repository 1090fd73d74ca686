"""A tuple for an array in a map has all of its items, as the simulated map and user space demand. An array that is
assigned to by itself is filled up with zeros, as ctypes does it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from ctypes import Structure, c_uint32
from typing import Any

import pytest

from py2bpf import sim, vm
from py2bpf.datastructures import ArrayMap, Global, HashMap, RingBuffer
from py2bpf.exception import DataTypeError, TypeMismatch
from py2bpf.prog import ProgType, create_prog
from py2bpf.socket_filter import SkBuffContext


class Row(Structure):
    _fields_ = [("n", c_uint32), ("items", c_uint32 * 3)]


class Made:
    """Maps of one world."""

    def __init__(self) -> None:
        self.rows = HashMap(c_uint32, c_uint32 * 3, 4)
        self.keys = HashMap(c_uint32 * 3, c_uint32, 4)
        self.structs = HashMap(c_uint32, Row, 4)
        self.array = ArrayMap(c_uint32 * 3, 1)
        self.records = RingBuffer(Row, 4096)
        self.one = Global(Row)

    def __enter__(self) -> Made:
        return self

    def __exit__(self, *exc: object) -> None:
        for made in vars(self).values():
            made.close()


def value(made: Any, skb: Any) -> int:
    made.rows[1] = (skb.len, 2)
    return 1


def key(made: Any, skb: Any) -> int:
    made.keys[skb.len, 2] = 1
    return 1


def asked(made: Any, skb: Any) -> int:
    return (skb.len, 2) in made.keys


def nested(made: Any, skb: Any) -> int:
    made.structs[1] = (skb.len, (2, 3))
    return 1


def only_entry(made: Any, skb: Any) -> int:
    made.array[0] = (skb.len, 2)
    return 1


def record(made: Any, skb: Any) -> int:
    made.records.output((skb.len, (2, 3)))
    return 1


def shared(made: Any, skb: Any) -> int:
    made.one.value = (skb.len, (2, 3))
    return 1


def inserted(made: Any, skb: Any) -> int:
    made.rows.setdefault(1, (skb.len, 2))
    return 1


def constant(made: Any, skb: Any) -> int:
    made.structs[1] = (1, (2, 3))
    return 1


def assigned(made: Any, skb: Any) -> int:
    row = Row(1, (4, 5, 6))
    row.items = (skb.len, 2)  # what the third was is gone
    made.structs[7] = row
    made.structs[8] = Row(8, (skb.len,))
    return 1


SHORT = [value, key, asked, nested, only_entry, record, shared, inserted, constant]


def program(made: Made, fn: Callable[[Any, Any], int]) -> Callable[[Any], int]:
    def prog(skb: Any) -> int:
        return fn(made, skb)

    return prog


@pytest.mark.parametrize("fn", SHORT, ids=lambda fn: fn.__name__)
def test_short_tuples_are_refused(fn: Callable[[Any, Any], int]) -> None:
    with vm.backend(), Made() as made:
        with pytest.raises(TypeMismatch, match="has 3 items, but the tuple has 2"):
            create_prog(ProgType.SOCKET_FILTER, SkBuffContext, program(made, fn))
        with pytest.raises((DataTypeError, TypeError, ValueError)):
            sim.run(program(made, fn), bytes(60))


@pytest.mark.parametrize("world", [pytest.param("kernel", marks=pytest.mark.kernel), "vm", "sim"])
def test_arrays_that_are_assigned_to_are_filled_up(world: str) -> None:
    with nullcontext() if world == "kernel" else vm.backend(), Made() as made:
        prog = program(made, assigned)
        if world == "sim":
            sim.run(prog, bytes(60))
        else:
            with create_prog(ProgType.SOCKET_FILTER, SkBuffContext, prog) as loaded:
                assert loaded.test_run(bytes(60)).retval == 1
        rows = [made.structs[k] for k in (7, 8)]
        assert [(row.n, list(row.items)) for row in rows] == [(1, [46, 2, 0]), (8, [46, 0, 0])]


@pytest.mark.parametrize("length", [2, 3, 4])
def test_an_array_is_assigned_to_one_of_its_own_length(length: int) -> None:
    """As ctypes demands of instances, unlike of tuples."""

    def fill(skb: SkBuffContext) -> int:
        row, items = Row(), (c_uint32 * length)()
        items[1] = skb.len
        row.items = items
        return row.items[1]

    if length == 3:
        with vm.backend(), create_prog(ProgType.SOCKET_FILTER, SkBuffContext, fill) as program:
            assert program.test_run(bytes(64)).retval == 64 - 14
        return
    with pytest.raises(TypeMismatch, match=f"a c_uint_Array_3 is needed here, but this is a c_uint_Array_{length}"):
        create_prog(ProgType.SOCKET_FILTER, SkBuffContext, fill)
    assert "TypeError" in str(sim.run(fill, bytes(64), hook="socket_filter").errors)
