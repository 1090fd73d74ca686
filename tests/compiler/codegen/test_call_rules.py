"""Rules for calls: IR and the instructions for it."""

from __future__ import annotations

import pytest
from rule_rows import Rows, check

ROWS: Rows = {
    "calls.helper: arguments and result": ("""
        %3 = alloca stack* bytes=8
        zero %3, offset=0, bytes=8
        %4 = map map* map=0
        %5 = call i64 %4, %3, %3, %1, helper=map_update_elem
        return %5
    """, """
        r4 = *(u64 *)(r1 + 0)
        *(u64 *)(r10 - 8) = 0
        r1 = map 0 ll
        r2 = r10
        r2 += -8
        r3 = r10
        r3 += -8
        call map_update_elem
        exit
    """),
    "calls.helper: two values": ("""
        %3 = call i64 %1, %2, helper=ktime_get_ns
        return %3
    """, """
        r0 = *(u64 *)(r1 + 0)
        r2 = *(u64 *)(r1 + 8)
        r1 = r0
        call ktime_get_ns
        exit
    """),
    "calls.helper: a result that nobody uses": ("""
        %3 = call i64 helper=ktime_get_ns
        return 0
    """, """
        call ktime_get_ns
        r0 = 0
        exit
    """),
    "calls.subprogram: the context first": ("""
        %3 = call_sub i64 %0, %1, function=callee
        return %3
    """, """
            r2 = *(u64 *)(r1 + 0)
            call L0
            exit
        L0:
            r0 = 0
            exit
    """),
    "calls.begin_counting: the kernel's iterator": ("""
        %3 = alloca stack* bytes=8
        %4 = iter_new u64 %3, %1
        %5 = iter_next mem*? %3
        iter_destroy %3
        return %4
    """, """
        r3 = *(u64 *)(r1 + 0)
        r1 = r10
        r1 += -8
        r2 = 0
        call kfunc 0
        r6 = r0
        r1 = r10
        r1 += -8
        call kfunc 1
        r1 = r10
        r1 += -8
        call kfunc 2
        r0 = r6
        exit
    """),
    "calls.count: its next number": ("""
        %3 = alloca stack* bytes=8
        %4 = iter_next mem*? %3
        return %4
    """, """
        r1 = r10
        r1 += -8
        call kfunc 0
        exit
    """),
    "calls.count: its end": ("""
        %3 = alloca stack* bytes=8
        iter_destroy %3
        return 0
    """, """
        r1 = r10
        r1 += -8
        call kfunc 0
        r0 = 0
        exit
    """),
    "calls.loop: a callback": ("""
        %3 = alloca stack* bytes=8
        %4 = loop i64 %3, %1, callback=callee
        return %4
    """, """
            r1 = *(u64 *)(r1 + 0)
            r2 = function L0 ll
            r3 = r10
            r3 += -8
            r4 = 0
            call 181
            exit
        L0:
            r0 = 0
            exit
    """),
    "calls.unseen: half a random number twice": ("""
        %3 = unseen u64
        return %3
    """, """
        call get_prandom_u32
        r0 >>= 32
        r1 = r0
        r1 <<= 32
        r1 |= r0
        r0 = r1
        exit
    """),
    "calls.packet: at a constant offset": ("""
        %3 = packet u64 %0, bytes=2, offset=12
        return %3
    """, """
        r6 = r1
        r0 = *(u16 *)skb[12]
        exit
    """),
    "calls.packet_at_index: at an offset of the run": ("""
        %3 = packet u64 %0, %1, bytes=2, offset=12
        return %3
    """, """
        r6 = r1
        r0 = *(u64 *)(r6 + 0)
        r0 = *(u16 *)skb[r0 + 12]
        exit
    """),
}


@pytest.mark.parametrize("name", ROWS)
def test_row(name: str) -> None:
    check(name, ROWS)
