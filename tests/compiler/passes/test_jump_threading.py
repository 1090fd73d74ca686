"""A test is made once, even if a program repeats it: a block that joins paths and tests again is skipped."""

from __future__ import annotations

from ctypes import c_uint8, c_uint32, c_uint64
from typing import Any

import pytest

from py2bpf.compiler import pipeline
from py2bpf.spec import MapSpec
from py2bpf.uapi.contexts import SK_BUFF, XDP_MD
from py2bpf.uapi.hooks import SPECS
from py2bpf.uapi.map_types import MapType
from py2bpf.uapi.prog_types import ProgType


class Counts:
    map_spec = MapSpec(MapType.HASH, c_uint32, c_uint64, 8)


counts: Any = Counts()


def number_of_the_packet(ctx: Any) -> int:
    first = ctx.packet(c_uint8, 20)
    if first is None:
        return 1
    return first + 2


def number_of_a_map(skb: Any) -> int:
    count = counts.get(skb.len)
    if count is None:
        return 1
    return count + 2


def joined_again(ctx: Any) -> int:
    first = ctx.packet(c_uint8, 20)
    if first is not None:
        counts[0] = first
    counts[1] = 5
    if first is not None:
        counts[2] = first
    return 3


def branches(fn: Any, kind: ProgType) -> int:
    stages: dict[str, str] = {}
    pipeline.compile_function(fn, XDP_MD if kind is ProgType.XDP else SK_BUFF, SPECS[kind], dump=stages.__setitem__)
    return stages["stack_init"].count("branch")


@pytest.mark.parametrize(
    ("fn", "kind"), [(number_of_the_packet, ProgType.XDP), (number_of_a_map, ProgType.SOCKET_FILTER)]
)
def test_one_test_is_enough(fn: Any, kind: ProgType) -> None:
    assert branches(fn, kind) == 1


def test_what_lies_between_stays() -> None:
    assert branches(joined_again, ProgType.XDP) == 3 + 3, "and one after each insertion, which may be lost"
