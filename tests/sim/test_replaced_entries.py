"""References to entries whose key is assigned anew: a hash has another element then, an array the same one."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import Structure, c_uint32, c_uint64
from typing import Any

import pytest

from py2bpf import sim
from py2bpf.datastructures import (
    ArrayMap,
    HashMap,
    LpmTrieMap,
    LruHashMap,
    PerCpuArrayMap,
    PerCpuHashMap,
    SpinLock,
)

IN_PLACE = [ArrayMap, PerCpuArrayMap, PerCpuHashMap]


class S(Structure):
    _fields_ = [("a", c_uint64)]


class Locked(Structure):
    _fields_ = [("lock", SpinLock), ("a", c_uint32)]


def assigns(m: Any) -> Callable[[Any], int]:
    def program(skb: Any) -> int:
        m[1] = S(1)
        entry = m[1]
        if entry is None:
            return 99
        m[1] = S(3)
        entry.a += 10
        found = m[1]
        return found.a if found else 98

    return program


@pytest.mark.kernel
@pytest.mark.parametrize("kind", [HashMap, LruHashMap, *IN_PLACE])
def test_assigning_a_key_replaces_a_hashs_entry(both: Callable[..., Any], kind: Any) -> None:
    with kind(c_uint32, S, 4) if "Hash" in kind.__name__ else kind(S, 4) as m:
        compared = () if "PerCpu" in kind.__name__ else (m,)  # which CPU's value is written differs
        assert both(assigns(m), maps=compared).retval == (13 if kind in IN_PLACE else 3)


@pytest.mark.parametrize("kind", [HashMap, ArrayMap])
@pytest.mark.parametrize("isolated", [False, True])
def test_the_map_itself_gets_what_the_key_has(kind: Any, isolated: bool) -> None:
    with kind(c_uint32, S, 4) if kind is HashMap else kind(S, 4) as m:
        run = sim.run(assigns(m), bytes(64), isolated=isolated)
        left = {key: value.a for key, value in run.items(m)}
        assert (run.retval, left[1]) == ((13, 13) if kind is ArrayMap else (3, 3))


@pytest.mark.kernel
@pytest.mark.filterwarnings("ignore::py2bpf.exception.PossiblyNone")
@pytest.mark.parametrize("kind", [HashMap, ArrayMap])
def test_entries_swapped_in_one_assignment(both: Callable[..., Any], kind: Any) -> None:
    with kind(c_uint32, S, 4) if kind is HashMap else kind(S, 4) as m:
        m[1], m[2] = S(1), S(2)

        def program(skb: Any) -> int:
            m[1], m[2] = m[2], m[1]
            return 0

        left = {key: value.a for key, value in both(program, maps=(m,)).items(m)}
        assert (left[1], left[2]) == ((2, 1) if kind is HashMap else (2, 2))


@pytest.mark.kernel
def test_what_was_written_before_is_in_the_old_entry(both: Callable[..., Any]) -> None:
    """And is there for whoever looks the key up before it is assigned."""
    with HashMap(c_uint32, S, 4) as m:
        m[1] = S(1)

        def program(skb: Any) -> int:
            entry = m[1]
            if entry is None:
                return 99
            entry.a = 50
            again = m[1]
            before = again.a if again else 0
            m[1] = S(3)
            m[2] = S(4)
            found = m[1]
            return before + found.a if found else 98

        assert both(program, maps=(m,)).retval == 53


@pytest.mark.kernel
def test_entries_with_a_lock_are_written_in_place(both: Callable[..., Any]) -> None:
    with HashMap(c_uint32, Locked, 4) as m:
        m[1] = Locked(a=1)

        def program(skb: Any) -> int:
            entry = m[1]
            if entry is None:
                return 99
            m[1] = Locked(a=3)
            entry.a += 10
            found = m[1]
            return found.a if found else 98

        assert both(program, hook="tc").retval == 13


@pytest.mark.kernel
def test_an_lpm_tries_entry_is_replaced(both: Callable[..., Any]) -> None:
    with LpmTrieMap(c_uint32, S, 4) as m:

        def program(skb: Any) -> int:
            m[5] = S(1)
            entry = m[5]
            if entry is None:
                return 99
            m[5] = S(3)
            entry.a += 10
            found = m[5]
            return found.a if found else 98

        assert both(program).retval == 3
