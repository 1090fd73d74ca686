"""How often loops run at most: each loop's bound, and what Python's own loop does."""

from __future__ import annotations

import pytest
from ir_text import parse

from py2bpf.compiler.analysis.trip_counts import Bound, bound
from py2bpf.compiler.analysis.value_ranges import Ranges
from py2bpf.compiler.ir.dominators import dominators
from py2bpf.compiler.ir.natural_loops import find_loops


def loop(
    test: str, start: str = "0", step: str = "add i64 %2, 1", branch: str = "then=b2, else=b3", between: str = ""
) -> str:
    """A loop whose counter is %2; %1 is a byte of the context."""
    return (
        "b0:\n %0 = ctx ctx*\n %1 = load i64 %0, offset=0, bytes=1, unsigned\n jump b1\n"
        f"b1:  ; from b0, b2\n %2 = phi i64 {start}, %4\n{between} %3 = {test}\n branch %3, {branch}\n"
        f"b2:  ; from b1\n %4 = {step}\n jump b1\nb3:  ; from b1\n return %2\n"
    )


def bound_of(text: str, backwards: bool = False) -> Bound | None:
    """``backwards``: the set of the loop's blocks gives the last one first, as sets may."""
    fn = parse(text)
    tree, ranges = dominators(fn), Ranges()
    (found,) = find_loops(fn)
    if backwards:
        blocks = [block for block in reversed(fn.blocks) if block in found.blocks]
        found.blocks = dict.fromkeys(blocks).keys()  # type: ignore[assignment]
    for at, block in enumerate(fn.blocks):
        ranges.enter(block, fn.blocks[tree.idom[at]] if at else None)
        for value in block.values():
            ranges.note(value)
        if block is found.header:
            break
    return bound(found, tree, ranges)


NEXT = " %5 = add i64 %2, {}\n"
BOUNDS: dict[str, tuple[str, tuple[int, bool, bool] | None]] = {
    "up to a byte": (loop("lt i64 %2, %1"), (255, True, False)),
    "up to and with a byte": (loop("le i64 %2, %1"), (256, True, False)),
    "exactly": (loop("lt i64 %2, 10"), (10, True, True)),
    "in steps": (loop("lt i64 %2, 10", step="add i64 %2, 4"), (3, True, True)),
    "the other way round": (loop("gt i64 10, %2"), (10, True, True)),
    "until": (loop("ge i64 %2, 10", branch="then=b3, else=b2"), (10, True, True)),
    "down": (loop("gt i64 %2, 0", "%1", "sub i64 %2, 1"), (255, True, False)),
    "down to and with": (loop("ge i64 %2, 3", "9", "sub i64 %2, 2"), (4, True, True)),
    "down to zero": (loop("ne i64 %2, 0", "%1", "sub i64 %2, 1"), (255, True, False)),
    "down to zero in larger steps": (loop("ne i64 %2, 0", "%1", "sub i64 %2, 2"), None),
    "up to not zero": (loop("ne i64 %2, 0", "%1"), None),
    "not equal to another number": (loop("ne i64 %2, 5", "%1", "sub i64 %2, 1"), None),
    "away from its end": (loop("lt i64 %2, 10", step="sub i64 %2, 1"), None),
    "what comes next": (loop("lt i64 %5, 10", between=NEXT.format(1)), (9, True, True)),
    "what comes long after": (loop("lt i64 %5, %1", between=NEXT.format(100)), (155, True, False)),
    "what was before": (loop("gt i64 %5, 0", "%1", "sub i64 %2, 1", between=NEXT.format(-5)), (250, True, False)),
    "down to zero, what comes next": (
        loop("ne i64 %5, 0", "9", "sub i64 %2, 1", between=NEXT.format(-1)), (8, True, True)),
    "down to zero, what was before": (
        loop("ne i64 %5, 0", "9", "sub i64 %2, 1", between=NEXT.format(1)), (10, True, True)),
    "down past zero": (loop("ne i64 %5, 0", "%1", "sub i64 %2, 1", between=NEXT.format(-1)), None),
    "never": (loop("lt i64 %2, 10", "20"), (0, True, True)),
    "up to the end of the type": (loop("le i64 %2, 9223372036854775807", "9223372036854775800"), (8, False, True)),
    "an end that changes": (loop("lt i64 %2, %5", between=" %5 = load i64 %0, offset=8, bytes=1, unsigned\n"), None),
    "another step each time": (loop("lt i64 %2, %1", step="add i64 %2, %1"), None),
}  # fmt: skip


@pytest.mark.parametrize("row", BOUNDS)
def test_bounds(row: str) -> None:
    text, wanted = BOUNDS[row]
    found = bound_of(text)
    assert (found and found[:3]) == wanted


def test_a_test_of_the_number_itself_counts_down() -> None:
    text = loop("ne i64 %2, 0", "%1", "sub i64 %2, 1").replace(" %3 = ne i64 %2, 0\n branch %3,", " branch %2,")
    found = bound_of(text)
    assert found is not None and found[:3] == (255, True, False)


def test_the_first_of_two_equal_bounds_is_taken() -> None:
    """The order of a set of blocks differs from run to run; the result must not."""
    text = (
        "b0:\n %0 = ctx ctx*\n jump b1\n"
        "b1:  ; from b0, b3\n %1 = phi i64 0, %7\n %2 = phi i64 0, %6\n"
        " %3 = lt i64 %1, 10\n branch %3, then=b2, else=b4\n"
        "b2:  ; from b1\n %4 = load i64 %0, offset=0, bytes=1, unsigned\n"
        " %5 = lt i64 %2, 20\n branch %5, then=b3, else=b4\n"
        "b3:  ; from b2\n %6 = add i64 %2, 2\n %7 = add i64 %1, 1\n jump b1\nb4:  ; from b1, b2\n return 0\n"
    )  # fmt: skip
    forwards, backwards = bound_of(text), bound_of(text, backwards=True)
    assert forwards is not None and backwards is not None
    assert forwards.by[1].attr == backwards.by[1].attr == 10
