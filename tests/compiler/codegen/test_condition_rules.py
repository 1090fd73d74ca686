"""Rules for comparisons and choices: IR and the instructions for it."""

from __future__ import annotations

import pytest
from rule_rows import Rows, check

ROWS: Rows = {
    "conditions.steering: a guard compares by itself": ("""
        %3 = ult i64 %1, 5
        guard %3, raises=ValueError
        return 1
    """, """
            r0 = *(u64 *)(r1 + 0)
            if r0 >= 5 goto L0
            r0 = 1
            exit
        L0:
            r1 = map 0 value + 0 ll
            r2 = 1
            lock *(u64 *)(r1 + 0) += r2
            r0 = 2147483647
            exit
    """),
    "conditions.truth: as a number": ("""
        %3 = ult i64 %1, %2
        return %3
    """, """
            r0 = *(u64 *)(r1 + 0)
            r1 = *(u64 *)(r1 + 8)
            r2 = 0
            if r0 >= r1 goto L0
            r2 = 1
        L0:
            r0 = r2
            exit
    """),
    "conditions.truth: with a constant on the left": ("""
        %3 = slt i64 5, %1
        return %3
    """, """
            r0 = *(u64 *)(r1 + 0)
            r1 = 0
            if r0 s<= 5 goto L0
            r1 = 1
        L0:
            r0 = r1
            exit
    """),
    "conditions.truth: with a number that is no immediate operand": ("""
        %3 = eq i64 %1, 4294967296
        return %3
    """, """
            r0 = *(u64 *)(r1 + 0)
            r1 = 4294967296 ll
            r2 = 0
            if r0 != r1 goto L0
            r2 = 1
        L0:
            r0 = r2
            exit
    """),
    "conditions.select: of two registers": ("""
        %3 = load u64 %0, offset=16, bytes=8, unsigned
        %4 = select u64 %3, %1, %2
        return %4
    """, """
            r2 = *(u64 *)(r1 + 0)
            r0 = *(u64 *)(r1 + 8)
            r1 = *(u64 *)(r1 + 16)
            if r1 != 0 goto L0
            r2 = r0
        L0:
            r0 = r2
            exit
    """),
    "conditions.select: a comparison is part of the jump": ("""
        %3 = ult i64 %1, 5
        %4 = select u64 %3, %1, %2
        return %4
    """, """
            r2 = *(u64 *)(r1 + 0)
            r0 = *(u64 *)(r1 + 8)
            if r2 < 5 goto L0
            r2 = r0
        L0:
            r0 = r2
            exit
    """),
    "conditions.select: a 0 comes first": ("""
        %3 = ult i64 %1, 5
        %4 = select u64 %3, 7, 0
        return %4
    """, """
            r0 = *(u64 *)(r1 + 0)
            r1 = 0
            if r0 >= 5 goto L0
            r1 = 7
        L0:
            r0 = r1
            exit
    """),
    "conditions.select: a bit is tested": ("""
        %3 = and i64 %1, 4
        %4 = select u64 %3, %1, %2
        return %4
    """, """
            r2 = *(u64 *)(r1 + 0)
            r0 = *(u64 *)(r1 + 8)
            if r2 & 4 goto L0
            r2 = r0
        L0:
            r0 = r2
            exit
    """),
    "conditions.select: bits for a choice that is stored, with the 0 first": ("""
        %3 = alloca stack* bytes=8
        %4 = and i64 %1, 4
        %5 = select u64 %4, %2, 0
        store %3, %5, offset=0, bytes=8
        return 0
    """, """
            r2 = *(u64 *)(r1 + 0)
            r0 = *(u64 *)(r1 + 8)
            r2 &= 4
            r1 = 0
            if r2 == 0 goto L0
            r1 = r0
        L0:
            *(u64 *)(r10 - 8) = r1
            r0 = 0
            exit
    """),
    "conditions.select: bits of a number whose distance from another is known": ("""
        %3 = add u64 %1, 1
        %4 = and i64 %3, 4
        %5 = select u64 %4, %1, %2
        return %5
    """, """
            r2 = *(u64 *)(r1 + 0)
            r0 = *(u64 *)(r1 + 8)
            r1 = r2
            r1 += 1
            r1 &= 4
            if r1 != 0 goto L0
            r2 = r0
        L0:
            r0 = r2
            exit
    """),
}


@pytest.mark.parametrize("name", ROWS)
def test_row(name: str) -> None:
    check(name, ROWS)
