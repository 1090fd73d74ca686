"""The order of blocks and their last jumps, by IR and the instructions for it."""

from __future__ import annotations

import pytest
from rule_rows import assembly, function_of

HEAD = "b0:\n%0 = ctx ctx*\n%1 = load u64 %0, offset=0, bytes=8, unsigned\n"

ROWS = {
    "an endless loop stays, for the verifier to refuse": ("""
        jump b1
        b1:  ; from b0, b1
          jump b1
    """, """
        L0:
            goto L0
    """),
    "a block that only leads on is gone, and its way leads on at once": ("""
        branch %1, then=b1, else=b2
        b1:  ; from b0
          jump b3
        b2:  ; from b0
          store %0, 1, offset=8, bytes=8
          jump b3
        b3:  ; from b1, b2
          return 0
    """, """
            r0 = *(u64 *)(r1 + 0)
            if r0 != 0 goto L0
            *(u64 *)(r1 + 8) = 1
        L0:
            r0 = 0
            exit
    """),
    "a branch whose ways lead to the same place is none": ("""
        branch %1, then=b1, else=b2
        b1:  ; from b0
          jump b3
        b2:  ; from b0
          jump b3
        b3:  ; from b1, b2
          return 0
    """, """
            r0 = *(u64 *)(r1 + 0)
            r0 = 0
            exit
    """),
    "of a way to the next block and another the other has the jump": ("""
        %2 = ult i64 %1, 5
        branch %2, then=b1, else=b2
        b1:  ; from b0
          return 1
        b2:  ; from b0
          return 2
    """, """
            r0 = *(u64 *)(r1 + 0)
            if r0 >= 5 goto L0
            r0 = 1
            exit
        L0:
            r0 = 2
            exit
    """),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_row(name: str) -> None:
    ir, wanted = ROWS[name]
    assert assembly(function_of(HEAD + ir.strip())).split() == wanted.split()
