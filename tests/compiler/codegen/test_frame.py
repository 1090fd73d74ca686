"""Places of objects on the stack, by IR and the instructions for it."""

from __future__ import annotations

import pytest
from rule_rows import assembly, function_of

from py2bpf.exception import LimitExceeded

ROWS = {
    "each begins at a multiple of 8, the larger ones first": ("""
        %3 = alloca stack* bytes=4
        %4 = alloca stack* bytes=12
        store %3, 1, offset=0, bytes=4
        store %4, 2, offset=8, bytes=4
        %5 = load u64 %3, offset=0, bytes=4, unsigned
        return %5
    """, """
        *(u32 *)(r10 - 24) = 1
        *(u32 *)(r10 - 8) = 2
        r0 = *(u32 *)(r10 - 24)
        exit
    """),
    "what is never alive together shares a place": ("""
        %3 = alloca stack* bytes=8
        store %3, 1, offset=0, bytes=8
        %4 = load u64 %3, offset=0, bytes=8, unsigned
        %5 = alloca stack* bytes=8
        store %5, %4, offset=0, bytes=8
        return 0
    """, """
        *(u64 *)(r10 - 8) = 1
        r0 = *(u64 *)(r10 - 8)
        *(u64 *)(r10 - 8) = r0
        r0 = 0
        exit
    """),
    "an object is alive as long as a pointer into it": ("""
        %3 = alloca stack* bytes=16
        %4 = ptradd stack* %3, %1
        %5 = alloca stack* bytes=8
        store %5, 1, offset=0, bytes=8
        store %4, 2, offset=0, bytes=8
        return 0
    """, """
        r0 = *(u64 *)(r1 + 0)
        r1 = r10
        r1 += -16
        r1 += r0
        *(u64 *)(r10 - 24) = 1
        *(u64 *)(r1 + 0) = 2
        r0 = 0
        exit
    """),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_row(name: str) -> None:
    ir, wanted = ROWS[name]
    assert assembly(function_of(ir)).split() == wanted.split()


def test_too_many_objects_are_refused() -> None:
    fits = "%3 = alloca stack* bytes=512\nstore %3, 1, offset=0, bytes=8\nreturn 0"
    assert "r10 - 512" in assembly(function_of(fits))
    with pytest.raises(LimitExceeded, match="needs 520 bytes of stack, and BPF has 512"):
        assembly(function_of(fits.replace("512", "513")))
