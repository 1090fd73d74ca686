"""Structures within a context are copied field by field: the verifier allows no other accesses there."""

from __future__ import annotations

from ctypes import Structure, c_uint16, c_uint32, c_uint64
from typing import Any

from py2bpf import vm
from py2bpf.datastructures import ArrayMap
from py2bpf.prog import ProgType, create_prog


class Inner(Structure):
    _fields_ = (("first", c_uint32), ("second", c_uint16), ("third", c_uint16))


class Outer(Structure):
    _fields_ = (("before", c_uint64), ("inner", Inner))


def test_a_structure_of_the_context_is_copied_field_by_field() -> None:
    with vm.backend(), ArrayMap(Inner, 1) as seen:

        def program(ctx: Any) -> None:
            seen[0] = ctx.inner

        with create_prog(ProgType.TRACEPOINT, Outer, program) as prog:
            prog.test_run(ctx=bytes(Outer(1, Inner(2, 3, 4))))
        assert (seen[0].first, seen[0].second, seen[0].third) == (2, 3, 4)
