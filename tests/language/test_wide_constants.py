"""Comparisons with constants that don't fit 64 bits are decided while compiling, as exactly as all others."""

from __future__ import annotations

from contextlib import nullcontext
from ctypes import c_int64, c_uint32, c_uint64
from typing import Any

import pytest

from py2bpf import sim, vm
from py2bpf.datastructures import ArrayMap, HashMap
from py2bpf.prog import ProgType, create_prog
from py2bpf.socket_filter import SkBuffContext

WIDE = 2**64
LOW = -(2**63) - 1


@pytest.mark.parametrize("world", [pytest.param("kernel", marks=pytest.mark.kernel), "vm", "sim"])
def test_comparisons(world: str) -> None:
    with (
        nullcontext() if world == "kernel" else vm.backend(),
        ArrayMap(c_int64, 1) as signed,
        ArrayMap(c_uint64, 1) as unsigned,
        HashMap(c_uint32, c_uint64, 2) as missing,
    ):
        signed[0], unsigned[0] = -(2**63), 2**64 - 1

        def prog(skb: Any) -> int:
            n, u = signed[0], unsigned[0]
            none = missing.get(skb.len)
            upper = u < WIDE and u <= WIDE and u != WIDE and not u == WIDE and not u > WIDE and not u >= WIDE
            lower = n > LOW and n >= LOW and n != LOW and not n == LOW and not n < LOW and not n <= LOW
            turned = WIDE > u and LOW < n and LOW < u < WIDE and not WIDE < n
            missed = none != WIDE and none is None
            found = n not in (WIDE, LOW) and u in (WIDE, 2**64 - 1)
            return upper + lower * 2 + turned * 4 + missed * 8 + found * 16

        def ends(skb: Any) -> int:
            return 1 + (missing.get(skb.len) < WIDE)

        if world == "sim":
            assert sim.run(prog, bytes(60)).retval == 31
            assert [site.error for site in sim.run(ends, bytes(60)).errors] == ["TypeError"]
            return
        with create_prog(ProgType.SOCKET_FILTER, SkBuffContext, prog) as loaded:
            assert loaded.test_run(bytes(60)).retval == 31 and not any(loaded.errors.values())
        with pytest.warns(UserWarning), create_prog(ProgType.SOCKET_FILTER, SkBuffContext, ends) as loaded:
            loaded.test_run(bytes(60))
            assert [site.error for site, count in loaded.errors.items() if count] == ["TypeError"]


def dead_on_a_path(skb: Any) -> Any:
    a = skb.len
    if skb.len > 5:
        a = 10**30  # noqa: F841
    return skb.len


def dead_in_a_loop(skb: Any) -> Any:
    a, total = skb.len, 0
    for i in range(skb.len * 100):
        a = -(10**30)  # noqa: F841
        total += i
    return total


def from_before_a_loop(skb: Any) -> Any:
    a, total = WIDE, 0
    for i in range(skb.len * 100):
        total += i
        a = i  # noqa: F841
    return total


def asked(skb: Any) -> Any:
    found = 3 if (WIDE if skb.len > 5 else 0) else 0
    return found + ((0 if skb.len > 5 else WIDE) is None) + (not (0 if skb.len > 5 else WIDE)) * 8


def or_none(skb: Any) -> Any:
    a = None
    if skb.len > 5:
        a = WIDE  # noqa: F841
    return skb.len


def in_a_tuple(skb: Any) -> Any:
    pair = (1, skb.len)
    for i in range(skb.len * 100):
        pair = (WIDE, i)
    return len(pair) + skb.len


def used_in_unrolled(skb: Any) -> Any:
    a, total = 1, skb.len
    for i in range(40):
        total += a & 0xFF
        a = WIDE + i
    return total


@pytest.mark.parametrize("prog", [
    dead_on_a_path, dead_in_a_loop, from_before_a_loop, asked, or_none, in_a_tuple, used_in_unrolled,
])  # fmt: skip
@pytest.mark.parametrize("world", [pytest.param("kernel", marks=pytest.mark.kernel), "vm"])
def test_where_paths_meet(prog: Any, world: str) -> None:
    """What nobody computes with may be of any size, and no loop is unrolled for it."""
    with (
        nullcontext() if world == "kernel" else vm.backend(),
        create_prog(ProgType.SOCKET_FILTER, SkBuffContext, prog) as loaded,
    ):
        assert loaded.test_run(bytes(60)).retval == sim.run(prog, bytes(60)).retval
        assert not loaded.errors and (prog is used_in_unrolled or len(loaded.spec.code) < 60)
