"""Loads and stores of random ctypes types: the same code in the kernel and, on real ctypes instances, in CPython."""

from __future__ import annotations

import ctypes
import os
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layouts import function, layouts, leaves

from py2bpf import funcs
from py2bpf.datastructures import ArrayMap, HashMap
from py2bpf.prog import create_prog
from py2bpf.uapi.contexts import SK_BUFF
from py2bpf.uapi.prog_types import ProgType

pytestmark = pytest.mark.kernel

MASK = (1 << 64) - 1
PACKET = bytes(64)
EXAMPLES = int(os.environ.get("PY2BPF_EXAMPLES", "25"))
MANY = settings(
    max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), report_multiple_bugs=False
)


def run(prog: Any) -> int:
    with create_prog(ProgType.SOCKET_FILTER, SK_BUFF, prog) as loaded:
        return loaded.test_run(PACKET).retval


def memory(ctype: Any) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=ctypes.sizeof(ctype), max_size=ctypes.sizeof(ctype))


@MANY
@given(st.data())
def test_load_every_field(data: st.DataObject) -> None:
    """From a map's value, and from a copy on the stack."""
    ctype = data.draw(layouts())
    content = data.draw(memory(ctype))
    paths = [path for path, _ in leaves(ctype)]
    body = function("def body(s, out, first):\n" + "".join(
        f"    out[first + {i}] = s{path}\n" for i, path in enumerate(paths)))  # fmt: skip
    expected: dict[int, int] = {}
    body(ctype.from_buffer_copy(content), expected, 0)
    with ArrayMap(ctype, 1) as source, ArrayMap(ctypes.c_uint64, 2 * len(paths)) as out:
        source[0] = ctype.from_buffer_copy(content)

        def prog(skb: Any) -> Any:
            value = source[0]
            if value is None:
                return 1
            copy = ctype()
            copy_all(value, copy)
            body(value, out, 0)
            body(copy, out, len(paths))
            return 0

        assert run(prog) == 0
        wanted = [int(expected[i]) & MASK for i in range(len(paths))]
        assert [out[i] for i in range(2 * len(paths))] == wanted * 2, paths


def copy_all(source: Any, target: Any) -> None:
    funcs.memcpy(source, target, ctypes.sizeof(target))


@MANY
@given(st.data())
def test_store_every_field(data: st.DataObject) -> None:
    """Numbers of any size, known at run time, into an object on the stack and into a map's value."""
    ctype = data.draw(layouts())
    content = data.draw(memory(ctype))
    places = list(leaves(ctype))
    values = data.draw(st.lists(st.integers(-(1 << 63), (1 << 63) - 1), min_size=len(places), max_size=len(places)))
    body = function("def body(s, values):\n" + "".join(
        f"    s{path} = values[{i}]\n" for i, (path, _) in enumerate(places)))  # fmt: skip
    fresh = ctype()
    body(fresh, values)
    with ArrayMap(ctype, 2) as target, ArrayMap(ctypes.c_int64, len(places)) as given_values:
        target[1] = ctype.from_buffer_copy(content)
        old = target[1]  # its padding is zero now
        body(old, values)
        for i, value in enumerate(values):
            given_values[i] = value

        def prog(skb: Any) -> Any:
            made = ctype()
            body(made, given_values)
            target[0] = made
            value = target[1]
            if value is None:
                return 1
            body(value, given_values)
            return 0

        assert run(prog) == 0
        assert (bytes(target[0]), bytes(target[1])) == (bytes(fresh), bytes(old)), places


@MANY
@given(st.data())
def test_store_constants(data: st.DataObject) -> None:
    ctype = data.draw(layouts())
    places = list(leaves(ctype))
    values = data.draw(st.lists(st.integers(-(1 << 63), (1 << 63) - 1), min_size=len(places), max_size=len(places)))
    body = function("def body(s):\n" + "".join(
        f"    s{path} = {value}\n" for (path, _), value in zip(places, values, strict=True)))  # fmt: skip
    wanted = ctype()
    body(wanted)
    with ArrayMap(ctype, 1) as target:

        def prog(skb: Any) -> Any:
            made = ctype()
            body(made)
            target[0] = made
            return 0

        assert run(prog) == 0
        assert bytes(target[0]) == bytes(wanted), places


@MANY
@given(st.data())
def test_copy_every_member(data: st.DataObject) -> None:
    """``a.f = b.f`` for structs, arrays and numbers alike, between the stack and a map's value."""
    ctype = data.draw(layouts())
    content = data.draw(memory(ctype))
    names = [name for name, *_ in ctype._fields_]
    body = function("def body(a, b):\n" + "".join(f"    a.{name} = b.{name}\n" for name in names))
    wanted = ctype()
    with ArrayMap(ctype, 3) as maps:
        maps[0] = ctype.from_buffer_copy(content)
        body(wanted, maps[0])

        def prog(skb: Any) -> Any:
            source, target = maps[0], maps[1]
            if source is None or target is None:
                return 1
            made = ctype()
            body(made, source)
            body(target, made)
            maps[2] = source
            return 0

        assert run(prog) == 0
        assert bytes(maps[1]) == bytes(wanted)
        assert bytes(maps[2]) == bytes(maps[0])


@MANY
@given(st.data())
def test_keys_and_values_of_hash_maps(data: st.DataObject) -> None:
    """An object that a program makes finds what user space put there, and the other way round."""
    ctype = data.draw(layouts())
    places = list(leaves(ctype))
    values = data.draw(st.lists(st.integers(-(1 << 63), (1 << 63) - 1), min_size=len(places), max_size=len(places)))
    body = function("def body(s, values):\n" + "".join(
        f"    s{path} = values[{i}]\n" for i, (path, _) in enumerate(places)))  # fmt: skip
    mine = ctype()
    body(mine, values)
    with ExitStack() as stack:
        counts = stack.enter_context(HashMap(ctype, ctypes.c_uint32, 4))
        back = stack.enter_context(HashMap(ctypes.c_uint32, ctype, 4))
        given_values = stack.enter_context(ArrayMap(ctypes.c_int64, len(places)))
        counts[mine] = 7
        for i, value in enumerate(values):
            given_values[i] = value

        def prog(skb: Any) -> Any:
            key = ctype()
            body(key, given_values)
            found = counts.get(key)
            if found is None:
                return 1
            counts[key] += found
            back[5] = key
            again = back[5]
            if again is None:
                return 2
            return 0 if again_equal(again, key) else 3

        assert run(prog) == 0
        assert counts[mine] == 14 and len(counts) == 1
        assert bytes(back[5]) == bytes(mine)


def again_equal(a: Any, b: Any) -> Any:
    return funcs.mem_eq(a, b)
