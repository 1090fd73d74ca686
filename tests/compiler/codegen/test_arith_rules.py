"""Rules for arithmetic: IR and the instructions for it."""

from __future__ import annotations

import pytest
from rule_rows import Rows, check

ROWS: Rows = {
    "arith.with_immediate: a number of 32 bits": ("""
        %3 = add u64 %1, 5
        return %3
    """, """
        r0 = *(u64 *)(r1 + 0)
        r0 += 5
        exit
    """),
    "arith.with_immediate: the constant is exchanged to the right": ("""
        %3 = mul u64 7, %1
        return %3
    """, """
        r0 = *(u64 *)(r1 + 0)
        r0 *= 7
        exit
    """),
    "arith.with_immediate: the least immediate operand": ("""
        %3 = and i64 %1, -2147483648
        return %3
    """, """
        r0 = *(u64 *)(r1 + 0)
        r0 &= -2147483648
        exit
    """),
    "arith.with_register: two registers": ("""
        %3 = add u64 %1, %2
        return %3
    """, """
        r2 = *(u64 *)(r1 + 0)
        r0 = *(u64 *)(r1 + 8)
        r2 += r0
        r0 = r2
        exit
    """),
    "arith.with_register: a constant that is no immediate operand": ("""
        %3 = add u64 %1, 2147483648
        return %3
    """, """
        r0 = *(u64 *)(r1 + 0)
        w1 = -2147483648
        r0 += r1
        exit
    """),
    "arith.with_register: wide constants are loaded once a block": ("""
        %3 = add u64 %1, 4294967296
        %4 = xor u64 %3, 4294967296
        return %4
    """, """
        r1 = *(u64 *)(r1 + 0)
        r0 = 4294967296 ll
        r1 += r0
        r1 ^= r0
        r0 = r1
        exit
    """),
    "arith.with_register: what is used no more is overwritten": ("""
        %3 = mul u64 %1, %2
        %4 = xor u64 %1, %3
        return %4
    """, """
        r0 = *(u64 *)(r1 + 0)
        r1 = *(u64 *)(r1 + 8)
        r1 *= r0
        r1 ^= r0
        r0 = r1
        exit
    """),
    "arith.subtract_immediate: as an addition": ("""
        %3 = sub u64 %1, 5
        return %3
    """, """
        r0 = *(u64 *)(r1 + 0)
        r0 += -5
        exit
    """),
    "arith.with_immediate: a number without a negative of 32 bits": ("""
        %3 = sub u64 %1, -2147483648
        return %3
    """, """
        r0 = *(u64 *)(r1 + 0)
        r0 -= -2147483648
        exit
    """),
    "arith.shift_immediate: by less than 64": ("""
        %3 = shl u64 %1, 3
        return %3
    """, """
        r0 = *(u64 *)(r1 + 0)
        r0 <<= 3
        exit
    """),
    "arith.shift_immediate: by more, as a register would": ("""
        %3 = ashr u64 %1, 67
        return %3
    """, """
        r0 = *(u64 *)(r1 + 0)
        r0 s>>= 3
        exit
    """),
    "arith.with_register: a shift by a register": ("""
        %3 = lshr u64 %1, %2
        return %3
    """, """
        r2 = *(u64 *)(r1 + 0)
        r0 = *(u64 *)(r1 + 8)
        r2 >>= r0
        r0 = r2
        exit
    """),
    "arith.divide_immediate: a positive number": ("""
        %3 = udiv u64 %1, 7
        return %3
    """, """
        r0 = *(u64 *)(r1 + 0)
        r0 /= 7
        exit
    """),
    "arith.with_register: division by what is negative as an operand": ("""
        %3 = umod u64 %1, -7
        return %3
    """, """
        r0 = *(u64 *)(r1 + 0)
        r1 = -7
        r0 %= r1
        exit
    """),
    "arith.low_half: a mask of 32 bits": ("""
        %3 = and u64 %1, 4294967295
        return %3
    """, """
        r0 = *(u64 *)(r1 + 0)
        w0 = w0
        exit
    """),
    "arith.steering: a conjunction for a branch": ("""
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
    "arith.with_register: a disjunction that is kept": ("""
        %3 = or u64 %1, %2
        return %3
    """, """
        r2 = *(u64 *)(r1 + 0)
        r0 = *(u64 *)(r1 + 8)
        r2 |= r0
        r0 = r2
        exit
    """),
    "arith.negative: in place": ("""
        %3 = neg u64 %1
        return %3
    """, """
        r0 = *(u64 *)(r1 + 0)
        r0 = -r0
        exit
    """),
    "arith.swap: four bytes": ("""
        %3 = bswap u64 %1, bytes=4
        return %3
    """, """
        r0 = *(u64 *)(r1 + 0)
        r0 = be32 r0
        exit
    """),
    "arith.cast: the same register": ("""
        %3 = cast i64 %1
        return %3
    """, """
        r0 = *(u64 *)(r1 + 0)
        exit
    """),
    "arith.held: a constant that is stored from a register": ("""
        %3 = alloca stack* bytes=8
        %4 = held u64 5
        store %3, %4, offset=0, bytes=8
        return 0
    """, """
        r0 = 5
        *(u64 *)(r10 - 8) = r0
        r0 = 0
        exit
    """),
    "arith.hide: a sum of registers": ("""
        %3 = unseen u64
        %4 = hide u64 5, %3
        return %4
    """, """
        call get_prandom_u32
        r0 >>= 32
        r1 = r0
        r1 <<= 32
        r1 |= r0
        r0 = 5
        r0 += r1
        exit
    """),
    "arith.with_register: wide constants are loaded in each block": ("""
        b0:
          %0 = ctx ctx*
          %1 = load u64 %0, offset=0, bytes=8, unsigned
          branch %1, then=b1, else=b2
        b1:  ; from b0
          %2 = add u64 %1, 4294967296
          return %2
        b2:  ; from b0
          %3 = xor u64 %1, 4294967296
          return %3
    """, """
            r1 = *(u64 *)(r1 + 0)
            if r1 == 0 goto L0
            r0 = 4294967296 ll
            r1 += r0
            r0 = r1
            exit
        L0:
            r0 = 4294967296 ll
            r1 ^= r0
            r0 = r1
            exit
    """),
}


@pytest.mark.parametrize("name", ROWS)
def test_row(name: str) -> None:
    check(name, ROWS)
