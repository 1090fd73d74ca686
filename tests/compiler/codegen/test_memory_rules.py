"""Rules for loads, stores and pointers: IR and the instructions for it."""

from __future__ import annotations

import pytest
from rule_rows import Rows, check

ROWS: Rows = {
    "memory.load: four bytes": ("""
        %3 = load u64 %0, offset=16, bytes=4, unsigned
        return %3
    """, """
        r0 = *(u32 *)(r1 + 16)
        exit
    """),
    "memory.load_extended: four bytes with a sign": ("""
        %3 = load i64 %0, offset=16, bytes=4, signed
        return %3
    """, """
        r0 = *(u32 *)(r1 + 16)
        r0 <<= 32
        r0 s>>= 32
        exit
    """),
    "memory.load: eight bytes have their sign": ("""
        %3 = load i64 %0, offset=16, bytes=8, signed
        return %3
    """, """
        r0 = *(u64 *)(r1 + 16)
        exit
    """),
    "memory.load: at an address too far for one instruction": ("""
        %3 = load u64 %0, offset=32766, bytes=4, unsigned
        return %3
    """, """
        r1 += 32766
        r0 = *(u32 *)(r1 + 0)
        exit
    """),
    "memory.store_immediate: what fits": ("""
        store %0, 7, offset=16, bytes=4
        return 0
    """, """
        *(u32 *)(r1 + 16) = 7
        r0 = 0
        exit
    """),
    "memory.store_immediate: only the bytes that are stored count": ("""
        store %0, 4294967295, offset=16, bytes=4
        return 0
    """, """
        *(u32 *)(r1 + 16) = -1
        r0 = 0
        exit
    """),
    "memory.store: a constant of 64 bits": ("""
        store %0, 4294967296, offset=16, bytes=8
        return 0
    """, """
        r0 = 4294967296 ll
        *(u64 *)(r1 + 16) = r0
        r0 = 0
        exit
    """),
    "memory.store: a register": ("""
        store %0, %1, offset=16, bytes=4
        return 0
    """, """
        r0 = *(u64 *)(r1 + 0)
        *(u32 *)(r1 + 16) = r0
        r0 = 0
        exit
    """),
    "memory.zero: in the widest pieces": ("""
        zero %0, offset=16, bytes=12
        return 0
    """, """
        *(u64 *)(r1 + 16) = 0
        *(u32 *)(r1 + 24) = 0
        r0 = 0
        exit
    """),
    "memory.zero: across the farthest offset": ("""
        zero %0, offset=32752, bytes=24
        return 0
    """, """
        *(u64 *)(r1 + 32752) = 0
        *(u64 *)(r1 + 32760) = 0
        r1 += 32768
        *(u64 *)(r1 + 0) = 0
        r0 = 0
        exit
    """),
    "memory.copy: aligned where both must be": ("""
        %3 = alloca stack* bytes=16
        copy %3, %0, to_offset=0, from_offset=16, bytes=8
        %4 = load u64 %3, offset=0, bytes=8, unsigned
        return %4
    """, """
        r0 = *(u64 *)(r1 + 16)
        *(u64 *)(r10 - 16) = r0
        r0 = *(u64 *)(r10 - 16)
        exit
    """),
    "memory.copy: narrower where an address is not aligned": ("""
        %3 = alloca stack* bytes=16
        copy %3, %0, to_offset=4, from_offset=8, bytes=8
        %4 = load u64 %3, offset=4, bytes=4, unsigned
        return %4
    """, """
        r0 = *(u32 *)(r1 + 8)
        *(u32 *)(r10 - 12) = r0
        r0 = *(u32 *)(r1 + 12)
        *(u32 *)(r10 - 8) = r0
        r0 = *(u32 *)(r10 - 12)
        exit
    """),
    "memory.copy: any address of a map's value": ("""
        %3 = mapvalue value* map=0
        copy %3, %3, to_offset=1, from_offset=20, bytes=9
        return 0
    """, """
        r0 = map 0 value + 0 ll
        r1 = *(u64 *)(r0 + 20)
        *(u64 *)(r0 + 1) = r1
        r1 = *(u8 *)(r0 + 28)
        *(u8 *)(r0 + 9) = r1
        r0 = 0
        exit
    """),
    "memory.copy: eight bytes": ("""
        copy %0, %0, to_offset=16, from_offset=24, bytes=8
        return 0
    """, """
        r0 = *(u64 *)(r1 + 24)
        *(u64 *)(r1 + 16) = r0
        r0 = 0
        exit
    """),
    "memory.atomic: an addition": ("""
        atomic %0, %1, offset=16, bytes=8, op=add
        return 0
    """, """
        r0 = *(u64 *)(r1 + 0)
        lock *(u64 *)(r1 + 16) += r0
        r0 = 0
        exit
    """),
    "memory.atomic: other bits of four bytes": ("""
        atomic %0, %1, offset=16, bytes=4, op=xor
        return 0
    """, """
        r0 = *(u64 *)(r1 + 0)
        lock *(u32 *)(r1 + 16) ^= w0
        r0 = 0
        exit
    """),
    "memory.made_where_used: a place on the stack is part of accesses": ("""
        %3 = alloca stack* bytes=8
        store %3, %1, offset=0, bytes=8
        return 0
    """, """
        r0 = *(u64 *)(r1 + 0)
        *(u64 *)(r10 - 8) = r0
        r0 = 0
        exit
    """),
    "memory.made_where_used: a map for one call": ("""
        %3 = alloca stack* bytes=8
        zero %3, offset=0, bytes=8
        %4 = map map* map=0
        %5 = call i64 %4, %3, helper=map_delete_elem
        return %5
    """, """
        *(u64 *)(r10 - 8) = 0
        r1 = map 0 ll
        r2 = r10
        r2 += -8
        call map_delete_elem
        exit
    """),
    "memory.made_once: a place on the stack that is used three times": ("""
        %3 = alloca stack* bytes=16
        zero %3, offset=0, bytes=16
        %4 = ptradd stack* %3, 8
        %5 = add u64 %4, %1
        %6 = add u64 %4, %5
        %7 = add u64 %4, %6
        return %7
    """, """
        r1 = *(u64 *)(r1 + 0)
        *(u64 *)(r10 - 16) = 0
        *(u64 *)(r10 - 8) = 0
        r0 = r10
        r0 += -8
        r1 += r0
        r1 += r0
        r1 += r0
        r0 = r1
        exit
    """),
    "memory.made_once: a map that is used three times": ("""
        %3 = alloca stack* bytes=8
        zero %3, offset=0, bytes=8
        %4 = map map* map=0
        %5 = call i64 %4, %3, helper=map_delete_elem
        %6 = call i64 %4, %3, helper=map_delete_elem
        %7 = call i64 %4, %3, helper=map_delete_elem
        return 0
    """, """
        r6 = r10
        r6 += -8
        *(u64 *)(r10 - 8) = 0
        r7 = map 0 ll
        r1 = r7
        r2 = r6
        call map_delete_elem
        r1 = r7
        r2 = r6
        call map_delete_elem
        r1 = r7
        r2 = r6
        call map_delete_elem
        r0 = 0
        exit
    """),
    "memory.map_value: the value of an array": ("""
        %3 = mapvalue value* map=0
        %4 = load u64 %3, offset=8, bytes=8, unsigned
        return %4
    """, """
        r0 = map 0 value + 0 ll
        r0 = *(u64 *)(r0 + 8)
        exit
    """),
    "memory.folded: an offset that accesses add": ("""
        %3 = ptradd ctx* %0, 16
        %4 = load u64 %3, offset=8, bytes=8, unsigned
        return %4
    """, """
        r0 = *(u64 *)(r1 + 24)
        exit
    """),
    "memory.pointer_immediate: an offset that no access can add": ("""
        %3 = ptradd ctx* %0, 100000
        %4 = load u64 %3, offset=8, bytes=8, unsigned
        return %4
    """, """
        r1 += 100000
        r0 = *(u64 *)(r1 + 8)
        exit
    """),
    "memory.pointer_register: an offset of the run": ("""
        %3 = mapvalue value* map=0
        %4 = ptradd value* %3, %1
        %5 = load u64 %4, offset=8, bytes=8, unsigned
        return %5
    """, """
        r0 = *(u64 *)(r1 + 0)
        r1 = map 0 value + 0 ll
        r1 += r0
        r0 = *(u64 *)(r1 + 8)
        exit
    """),
    "memory.copy: where a pointer may be one to the stack": ("""
        b0:
          %0 = ctx ctx*
          %1 = load u64 %0, offset=0, bytes=8, unsigned
          %2 = alloca stack* bytes=16
          zero %2, offset=0, bytes=16
          %3 = mapvalue value* map=0
          branch %1, then=b1, else=b2
        b1:  ; from b0
          jump b3
        b2:  ; from b0
          jump b3
        b3:  ; from b1, b2
          %4 = phi value* %3, %2
          copy %3, %4, to_offset=0, from_offset=4, bytes=8
          return 0
    """, """
            r0 = *(u64 *)(r1 + 0)
            *(u64 *)(r10 - 16) = 0
            *(u64 *)(r10 - 8) = 0
            r1 = map 0 value + 0 ll
            if r0 == 0 goto L0
            r0 = r1
            goto L1
        L0:
            r0 = r10
            r0 += -16
        L1:
            r2 = *(u32 *)(r0 + 4)
            *(u32 *)(r1 + 0) = r2
            r0 = *(u32 *)(r0 + 8)
            *(u32 *)(r1 + 4) = r0
            r0 = 0
            exit
    """),
}


@pytest.mark.parametrize("name", ROWS)
def test_row(name: str) -> None:
    check(name, ROWS)
