"""On which paths into a block a pointer was tested: through blocks in a row, and where paths meet."""

# ruff: noqa: E501 - a block of IR reads best in one line

from __future__ import annotations

import pytest
from ir_text import parse

from py2bpf.compiler.analysis import pointer_tests

BEGIN = "b0:\n %0 = ctx ctx*\n %1 = load value*? %0, offset=0, bytes=8, unsigned\n"
WAYS: dict[str, tuple[str, tuple[int, int], bool]] = {
    "the edge of a branch": (f"{BEGIN} branch %1, then=b1, else=b2\nb1:  ; from b0\n return 1\nb2:  ; from b0\n return 2\n", (0, 1), True),
    "the other edge": (f"{BEGIN} branch %1, then=b1, else=b2\nb1:  ; from b0\n return 1\nb2:  ; from b0\n return 2\n", (0, 2), False),
    "a comparison with null": (
        f"{BEGIN} %2 = eq i64 %1, 0\n branch %2, then=b1, else=b2\nb1:  ; from b0\n return 1\nb2:  ; from b0\n return 2\n", (0, 2), True),
    "a block in between": (
        f"{BEGIN} branch %1, then=b1, else=b2\nb1:  ; from b0\n jump b3\nb2:  ; from b0\n return 2\nb3:  ; from b1\n return 3\n", (1, 3), True),
    "a guard in between": (
        f"{BEGIN} jump b1\nb1:  ; from b0\n guard %1\n jump b2\nb2:  ; from b1\n return 2\n", (1, 2), True),
    "two ways, of which one has tested it": (
        f"{BEGIN} branch %1, then=b1, else=b2\nb1:  ; from b0\n jump b3\nb2:  ; from b0\n jump b3\nb3:  ; from b1, b2\n jump b4\nb4:  ; from b3\n return 4\n",
        (3, 4), False),
    "no test": (f"{BEGIN} jump b1\nb1:  ; from b0\n return 1\n", (0, 1), False),
}  # fmt: skip


@pytest.mark.parametrize("row", WAYS)
def test_ways(row: str) -> None:
    text, (pred, block), wanted = WAYS[row]
    fn = parse(text)
    pointer = next(value for value in fn.blocks[0].body if value.op.value == "load")
    assert pointer_tests.tested(fn.blocks[pred], fn.blocks[block], pointer) == wanted
