"""Loops that become callbacks of bpf_loop, or can't: CPython, the kernel and the embedded VM agree."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest
from loop_programs import program

from py2bpf import funcs
from py2bpf.datastructures import HashMap
from py2bpf.kernel import features
from py2bpf.kernel.features import Feature
from py2bpf.prog import ProgType, compile_prog
from py2bpf.socket_filter import SkBuffContext
from py2bpf.spec import Target

pytestmark = [pytest.mark.kernel, pytest.mark.filterwarnings("ignore::py2bpf.exception.PossiblyNone")]


class Entry(ctypes.Structure):
    _fields_ = [("key", ctypes.c_uint32), ("hits", ctypes.c_uint32), ("row", ctypes.c_uint64 * 4)]


@pytest.mark.any_kernel
@pytest.mark.usefixtures("no_iterators")
def test_callbacks_use_references_and_objects_of_their_caller() -> None:
    if not features.probe(Feature.HELPER_LOOP):  # nothing to see: the loops are refused, as the test before says
        return
    with HashMap(ctypes.c_uint32, Entry, 64) as entries:

        def prog(skb: Any) -> Any:
            first = entries[0]
            if first is None:
                return 1
            seen = Entry()
            found = entries[1]
            for i in range(skb.len):
                first.hits += 1
                seen.row[i & 3] += i
                if seen.row[3] > 40 and seen.row[2] != 7:
                    seen.key += 2
                entry = entries[i]
                if entry is not None and entry.key == 77:
                    found = entry
                    break
            if found is None:
                return 2
            found.hits = seen.key
            return seen.row[3] * 1000 + found.row[0]

        def searching(skb: Any) -> Any:
            for i in range(skb.len):
                entry = entries[i]
                if entry is not None and entry.key == 77:
                    entry.hits += 5
                    return entry.row[1]
            return 3

        for i in range(40):
            entries[i] = Entry(77 if i == 33 else i, 0, (i, i * 2, 0, 0))
        with program(searching) as loaded:
            assert any("_loop" in function.name for function in loaded.spec.functions)
            assert loaded.test_run(bytes(14 + 30)).retval == 3
            assert loaded.test_run(bytes(14 + 60)).retval == 66
            assert entries[33].hits == 5
        with program(prog) as loaded:
            assert loaded.test_run(bytes(14 + 60)).retval == sum(range(3, 34, 4)) * 1000 + 33
            assert entries[0].hits == 34
            assert entries[33].hits == 2 * sum(sum(range(3, i + 1, 4)) > 40 for i in range(34))


@pytest.mark.usefixtures("no_iterators")
def test_what_can_be_no_callback_is_a_plain_loop() -> None:
    with HashMap(ctypes.c_uint32, Entry, 4) as entries:

        def carries(skb: Any) -> Any:
            last = entries[0]
            for i in range(skb.len & 63):
                entry = entries[i]
                if entry is not None:
                    last = entry
            return 1 if last is None else last.key

        spec = compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, carries, target=Target(iterators=False))
        assert spec.functions == ()
        program(carries).close()


@pytest.mark.usefixtures("no_iterators")
def test_a_load_in_a_callback_ends_the_program() -> None:
    def loads(skb: Any) -> Any:
        total = 0
        for i in range(skb.len + skb.mark):
            total += funcs.load_skb_byte(skb, i + skb.mark)
        return total or 7

    spec = compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, loads, target=Target(iterators=False))
    assert len(spec.functions) == 1
    with program(loads) as loaded:
        assert loaded.test_run(bytes(range(64))).retval == sum(range(14, 64))

    def beyond(skb: Any) -> Any:
        total = 1
        for i in range(skb.len + 1):
            total += funcs.load_skb_byte(skb, i)
        return total

    with program(beyond) as loaded:
        assert loaded.test_run(bytes(range(64))).retval == 0


def test_a_callback_whose_frames_do_not_fit_the_stack_is_a_plain_loop() -> None:
    class Large(ctypes.Structure):
        _fields_ = [("rows", ctypes.c_uint64 * 55)]

    def prog(skb: Any) -> Any:
        large = Large()
        for i in range(skb.len):
            large.rows[i % 55] += i ^ skb.protocol
        return large.rows[7]

    spec = compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, prog, target=Target(iterators=False))
    assert spec.functions == ()


def test_without_callbacks_the_rest_of_a_target_stays() -> None:
    """Also for a target that asks the running kernel."""
    for target in (features.target(), Target(iterators=False, atomic_alu=False)):
        less = target.without("bpf_loop")
        assert not less.bpf_loop
        assert (less.iterators, less.atomic_alu) == (target.iterators, target.atomic_alu)
