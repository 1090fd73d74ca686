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
