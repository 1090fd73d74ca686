"""Rules for jumps between blocks: IR and the instructions for it."""

from __future__ import annotations

import pytest
from rule_rows import Rows, check

ROWS: Rows = {
    "control.context: comes in r1": ("""
        return %1
    """, """
        r0 = *(u64 *)(r1 + 0)
        exit
    """),
    "control.parameter: comes in its register": ("""
        %3 = param u64 register=2
        return %3
    """, """
        r0 = r2
        exit
    """),
    "control.guard: a number": ("""
        guard %1, raises=ZeroDivisionError
        return %2
    """, """
            r0 = *(u64 *)(r1 + 0)
            r1 = *(u64 *)(r1 + 8)
            if r0 == 0 goto L0
            r0 = r1
            exit
        L0:
            r1 = map 0 value + 0 ll
            r2 = 1
            lock *(u64 *)(r1 + 0) += r2
            r0 = 2147483647
            exit
    """),
    "control.guard: both parts of a conjunction": ("""
        %3 = ult i64 %1, 5
        %4 = ult i64 %2, 6
        %5 = and i64 %3, %4
        guard %5, raises=ValueError
        return 1
    """, """
            r0 = *(u64 *)(r1 + 0)
            r1 = *(u64 *)(r1 + 8)
            if r0 >= 5 goto L0
            if r1 >= 6 goto L0
            r0 = 1
            exit
        L0:
            r1 = map 0 value + 0 ll
            r2 = 1
            lock *(u64 *)(r1 + 0) += r2
            r0 = 2147483647
            exit
    """),
    "control.guard: one part of a disjunction": ("""
        %3 = ult i64 %1, 5
        %4 = ult i64 %2, 6
        %5 = or i64 %3, %4
        guard %5, raises=ValueError
        return 1
    """, """
            r0 = *(u64 *)(r1 + 0)
            r1 = *(u64 *)(r1 + 8)
            if r0 < 5 goto L0
            if r1 >= 6 goto L1
        L0:
            r0 = 1
            exit
        L1:
            r1 = map 0 value + 0 ll
            r2 = 1
            lock *(u64 *)(r1 + 0) += r2
            r0 = 2147483647
            exit
    """),
    "control.leave: an error": ("""
        exit raises=IndexError
    """, """
        r1 = map 0 value + 0 ll
        r2 = 1
        lock *(u64 *)(r1 + 0) += r2
        r0 = 2147483647
        exit
    """),
    "control.jump_with_phis: values change places": ("""
        b0:
          %0 = ctx ctx*
          %1 = load u64 %0, offset=0, bytes=8, unsigned
          %2 = load u64 %0, offset=8, bytes=8, unsigned
          jump b1
        b1:  ; from b0, b2
          %3 = phi u64 %1, %4
          %4 = phi u64 %2, %3
          %5 = ult i64 %3, 5
          branch %5, then=b2, else=b3
        b2:  ; from b1
          jump b1
        b3:  ; from b1
          return %4
    """, """
            r0 = *(u64 *)(r1 + 0)
            r1 = *(u64 *)(r1 + 8)
        L0:
            if r0 >= 5 goto L1
            r2 = r0
            r0 = r1
            r1 = r2
            goto L0
        L1:
            r0 = r1
            exit
    """),
    "control.jump_with_phis: constants come last": ("""
        b0:
          %0 = ctx ctx*
          %1 = load u64 %0, offset=0, bytes=8, unsigned
          branch %1, then=b1, else=b2
        b1:  ; from b0
          %2 = load u64 %0, offset=8, bytes=8, unsigned
          jump b3
        b2:  ; from b0
          jump b3
        b3:  ; from b1, b2
          %3 = phi u64 %2, 7
          return %3
    """, """
            r0 = *(u64 *)(r1 + 0)
            if r0 == 0 goto L0
            r0 = *(u64 *)(r1 + 8)
            goto L1
        L0:
            r0 = 7
        L1:
            exit
    """),
    "control.jump: behind other code": ("""
        b0:
          %0 = ctx ctx*
          %1 = load u64 %0, offset=0, bytes=8, unsigned
          branch %1, then=b1, else=b2
        b1:  ; from b0
          store %0, 1, offset=8, bytes=8
          jump b3
        b2:  ; from b0
          store %0, 2, offset=8, bytes=8
          jump b3
        b3:  ; from b1, b2
          return 0
    """, """
            r0 = *(u64 *)(r1 + 0)
            if r0 == 0 goto L0
            *(u64 *)(r1 + 8) = 1
            goto L1
        L0:
            *(u64 *)(r1 + 8) = 2
        L1:
            r0 = 0
            exit
    """),
    "control.branch: on a number": ("""
        b0:
          %0 = ctx ctx*
          %1 = load u64 %0, offset=0, bytes=8, unsigned
          branch %1, then=b1, else=b2
        b1:  ; from b0
          return 1
        b2:  ; from b0
          return 2
    """, """
            r0 = *(u64 *)(r1 + 0)
            if r0 == 0 goto L0
            r0 = 1
            exit
        L0:
            r0 = 2
            exit
    """),
    "control.branch: on bits": ("""
        b0:
          %0 = ctx ctx*
          %1 = load u64 %0, offset=0, bytes=8, unsigned
          %2 = and i64 %1, 6
          branch %2, then=b1, else=b2
        b1:  ; from b0
          return 1
        b2:  ; from b0
          return 2
    """, """
            r0 = *(u64 *)(r1 + 0)
            if r0 & 6 goto L0
            goto L1
        L0:
            r0 = 1
            exit
        L1:
            r0 = 2
            exit
    """),
    "control.branch: on a condition of several jumps": ("""
        b0:
          %0 = ctx ctx*
          %1 = load u64 %0, offset=0, bytes=8, unsigned
          %2 = ult i64 %1, 5
          %3 = ugt i64 %1, 1
          %4 = and i64 %2, %3
          branch %4, then=b2, else=b1
        b1:  ; from b0
          return 1
        b2:  ; from b0
          return 2
    """, """
            r0 = *(u64 *)(r1 + 0)
            if r0 >= 5 goto L0
            if r0 > 1 goto L1
        L0:
            r0 = 1
            exit
        L1:
            r0 = 2
            exit
    """),
    "control.branch_over: the next block is where the condition holds": ("""
        b0:
          %0 = ctx ctx*
          %1 = load u64 %0, offset=0, bytes=8, unsigned
          %2 = ult i64 %1, 5
          %3 = ugt i64 %1, 1
          %4 = and i64 %2, %3
          branch %4, then=b1, else=b2
        b1:  ; from b0
          return 1
        b2:  ; from b0
          return 2
    """, """
            r0 = *(u64 *)(r1 + 0)
            if r0 >= 5 goto L0
            if r0 <= 1 goto L0
            r0 = 1
            exit
        L0:
            r0 = 2
            exit
    """),
    "control.give_back: a number": ("""
        return %1
    """, """
        r0 = *(u64 *)(r1 + 0)
        exit
    """),
    "control.guard: what one part of a condition loads is loaded again behind it": ("""
        %3 = eq i64 %1, 5
        %4 = eq i64 %2, 4294967296
        %5 = or i64 %3, %4
        guard %5, raises=ValueError
        %6 = xor u64 %2, 4294967296
        return %6
    """, """
            r0 = *(u64 *)(r1 + 0)
            r1 = *(u64 *)(r1 + 8)
            if r0 == 5 goto L0
            r0 = 4294967296 ll
            if r1 != r0 goto L1
        L0:
            r0 = 4294967296 ll
            r1 ^= r0
            r0 = r1
            exit
        L1:
            r1 = map 0 value + 0 ll
            r2 = 1
            lock *(u64 *)(r1 + 0) += r2
            r0 = 2147483647
            exit
    """),
}


@pytest.mark.parametrize("name", ROWS)
def test_row(name: str) -> None:
    check(name, ROWS)
