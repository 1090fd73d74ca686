"""Where the packet's bounds are loaded: before loops in which the packet doesn't move."""

from __future__ import annotations

from ctypes import c_uint8, c_uint32
from typing import Any

from ir_text import parse

from py2bpf import Struct
from py2bpf.compiler import pipeline
from py2bpf.compiler.analysis.packet_epochs import Epochs, still_loops
from py2bpf.uapi.contexts import XDP_MD
from py2bpf.uapi.hooks import SPECS
from py2bpf.uapi.prog_types import ProgType


class Pair(Struct):
    first: c_uint8
    second: c_uint32


class Pairs(Struct):
    pairs: Pair * 8


LOOP = (
    "b0:\n %0 = ctx ctx*\n jump b1\nb1:  ; from b0, b2, b3\n"
    " %1 = load i64 %0, offset=0, bytes=4, unsigned\n branch %1, then=b2, else=b4\n"
    "b2:  ; from b1\n branch %1, then=b1, else=b3\nb3:  ; from b2\n jump b1\nb4:  ; from b1\n return 0\n"
)


def test_a_loop_ends_with_its_last_way_back() -> None:
    fn = parse(LOOP)
    assert still_loops(fn, Epochs(fn), None) == [(1, 3)]


def sum_of_a_pair(ctx: Any) -> int:
    found = ctx.packet(Pairs, 14)
    if found is None:
        return 1
    pair = found.pairs[ctx.ingress_ifindex & 7]
    return pair.first + pair.second


def test_fields_of_one_item_are_checked_together() -> None:
    stages: dict[str, str] = {}
    pipeline.compile_function(sum_of_a_pair, XDP_MD, SPECS[ProgType.XDP], dump=stages.__setitem__)
    assert stages["stack_init"].count("guard") == 1
