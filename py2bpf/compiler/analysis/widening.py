"""Of which values the verifier forgets what it knew: in an iterator's loop it widens what changes from turn to turn.

    %1 = load (0, 1, unsigned)            0 to 255, for us and for the verifier
b1: branch lt %3, %4, b2, b5
b2: %2 = iter_next ...                    what it learned of %3 on one way here, it forgets on the next
    branch lt %1, 7, b3, b4               here it learns more of %1, so that %1 "changes"
b3: ...                                   jump b1: it takes %1 for any number from now on, in the loop and after it

It does the same to what the caller of a callback holds, at each of the calls that bpf_loop makes.

Linux: widen_imprecise_scalars in kernel/bpf/verifier.c, since 6.7.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container, Iterable
from typing import Final

from ..ir.natural_loops import find_loops
from ..ir.ops import INFO, Op
from ..ir.values import Block, Function, Value

_COPIES: Final = frozenset({Op.CAST, Op.ADD, Op.SUB, Op.PHI, Op.HIDE, Op.TRUNC})
"""What the verifier learns of their results, it learns of their arguments: it follows copies and distances."""
_TESTS: Final = frozenset({Op.BRANCH, Op.GUARD, Op.SELECT})


class Widening:
    """The values of a function that tests narrow, and which loops they come from before.

    ``headers`` are those of the iterators' loops, ``asking`` the blocks that end where an iterator is asked or bpf_loop
    called. The blocks must stand in dominance order, as they always do."""

    def __init__(self, fn: Function, headers: Iterable[Block], asking: Iterable[Block] = ()) -> None:
        self.places = {block: i for i, block in enumerate(fn.blocks)}
        self.headers = sorted([*map(self.places.__getitem__, headers), *(self.places[block] + 1 for block in asking)])
        self.born: dict[Value, int] = {}
        if self.headers:
            tested = _tested(fn)
            self.born = {value: i for i, block in enumerate(fn.blocks) for value in block.values() if value in tested}

    def at(self, block: Block) -> Container[Value]:
        """The values that are widened in a block of the function."""
        before = bisect_right(self.headers, self.places[block]) if self.headers else 0
        return _Older(self.born, self.headers[before - 1]) if before else ()


class _Older:
    """The values from before a place."""

    def __init__(self, born: dict[Value, int], place: int) -> None:
        self.born = born
        self.place = place

    def __contains__(self, value: object) -> bool:
        return isinstance(value, Value) and self.born.get(value, self.place) < self.place


def iterators(fn: Function) -> list[Block]:
    """The headers of the loops that have an iterator."""
    asked = {block for block in fn.blocks if any(value.op is Op.ITER_NEXT for value in block.body)}
    loops = find_loops(fn) if asked else []
    return [loop.header for loop in loops if asked & loop.blocks.difference(*(inner.blocks for inner in loop.inner))]


def asking(fn: Function) -> list[Block]:
    """The blocks that ask an iterator or call bpf_loop."""
    return [block for block in fn.blocks if any(value.op in (Op.ITER_NEXT, Op.LOOP) for value in block.body)]


def _tested(fn: Function) -> set[Value]:
    """All values of which a test may say something, also a callback's of what is shared with it."""
    shared = {value.args[0] for block in fn.blocks for value in block.body if value.op is Op.LOOP}
    stores = (value for block in fn.blocks for value in block.body if value.op is Op.STORE)
    work = [value.args[1] for value in stores if value.args[0] in shared]
    work += [
        arg
        for block in fn.blocks
        for value in block.values()
        if value.op in _TESTS or INFO[value.op].compare
        for arg in value.args
    ]
    found: set[Value] = set()
    while work:
        value = work.pop()
        if value not in found:
            found.add(value)
            if value.op in _COPIES:
                work += value.args
    return found
