"""Finds the values that the verifier widens: in an iterator's loop, it forgets values that change from turn to turn.

    %1 = load (0, 1, unsigned)            0 to 255, for us and for the verifier
b1: branch lt %3, %4, b2, b5
b2: %2 = iter_next ...                    the verifier forgets on the second way here what it learned of %3 on the first
    branch lt %1, 7, b3, b4               the verifier learns more of %1 here, so that %1 "changes"
b3: ...                                   jump b1: %1 is any number for the verifier now, in the loop and after it

The verifier does the same to the values of a callback's caller, at each call that bpf_loop makes.

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
"""Operations for which the verifier applies what it learns of the result to the arguments: copies and distances."""
_TESTS: Final = frozenset({Op.BRANCH, Op.GUARD, Op.SELECT})


class Widening:
    """The values of a function that tests narrow, and the loops that they are older than.

    ``headers`` are the headers of iterators' loops, ``asking`` the blocks that ask an iterator or call bpf_loop. The
    blocks must be in dominance order, as they always are."""

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
    """The values that were computed before a place."""

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
    """All values that a test may narrow, including tests in a callback of values that are shared with it."""
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
