"""If there are many paths that store a 0 on the stack, they come last."""

from __future__ import annotations

import pytest
from rule_rows import assembly, function_of

from py2bpf.compiler.codegen.zeros import MANY


def flags(count: int) -> str:
    """A program that stores a 0 over the 1 in so many bytes of the stack, each on a condition of its own."""
    lines = ["b0:", "%0 = ctx ctx*", "%1 = load u64 %0, offset=0, bytes=8, unsigned", "%2 = alloca stack* bytes=64"]
    for i in range(count):
        test, here, there, behind = 3 + i, 2 * i, 2 * i + 1, 2 * i + 2
        lines += [f"store %2, 1, offset={i}, bytes=1", f"%{test} = ult i64 %1, {i + 1}"]
        lines += [f"branch %{test}, then=b{there}, else=b{behind}", f"b{there}:  ; from b{here}"]
        lines += [f"store %2, 0, offset={i}, bytes=1", f"jump b{behind}", f"b{behind}:  ; from b{here}, b{there}"]
    return "\n".join([*lines, "return 0"])


@pytest.mark.parametrize(("count", "aside"), [(MANY - 1, 0), (MANY, MANY)])
def test_many_go_behind_the_end_of_the_code(count: int, aside: int) -> None:
    before, behind = assembly(function_of(flags(count))).split("    exit\n")
    assert behind.count("(u8 *)") == aside
    assert before.count(" = 1\n") == count


def test_of_the_two_ways_of_a_choice_that_with_the_0_comes_last() -> None:
    text = assembly(function_of("""b0:
        %0 = ctx ctx*
        %1 = load u64 %0, offset=0, bytes=8, unsigned
        %2 = alloca stack* bytes=8
        branch %1, then=b1, else=b2
        b1:  ; from b0
        jump b3
        b2:  ; from b0
        %3 = load u64 %0, offset=8, bytes=8, unsigned
        jump b3
        b3:  ; from b1, b2
        %4 = phi u64 0, %3
        store %2, %4, offset=0, bytes=8
        return 0"""))  # fmt: skip
    assert text.index("r0 = *(u64 *)(r1 + 8)") < text.index("r0 = 0\n")
