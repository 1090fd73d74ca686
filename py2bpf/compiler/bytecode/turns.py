"""Finds where the turns of loops begin, and makes one loop of each ``while``.

    while a:                    H: branch a -> B, end             the test, and up to 3.13 its copy T at the loop's end
        if b: continue          B: branch b -> H, C
        c                       C: c
                                T: branch a -> B, end

``continue`` goes to H, so that H and B would be headers of two loops. T does the same as H, so edges back to H are led
to T instead, and only B is a header. From 3.14 on there is no T, and H is the header.

A turn begins after the tests at a loop's beginning: at B in both forms. ``while True`` that begins with ``if not a:
break`` has the same code as ``while a``, and so the same turns.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import Any

from .canonical import Block, Draft, Drafts, Instr, Op
from .stack import effect

Pairs = set[tuple[int, int]]


def join_continues(drafts: Drafts) -> None:
    """Leads edges back to the test of a ``while`` to the test's copy, if there is one."""
    for head in [key for key, draft in drafts.items() if draft.instrs[-1].op is Op.BRANCH]:
        back = [key for key, draft in drafts.items() if head in draft.succ and _unit(key) > _unit(head)]
        seen: Pairs = set()
        copy = _copy_of(drafts, head, seen) if back else None
        if copy is not None:
            # Edges to the test from its own blocks, or from behind its copy, begin a turn of the loop around.
            tests = {key for key, _ in seen}
            inside = [key for key in back if _unit(key) < _unit(copy[0]) and key not in tests]
            _lead(drafts, inside, head, _split(drafts, *copy) if inside else head)


def _unit(key: int) -> int:
    return key if key >= 0 else ~key


def _copy_of(drafts: Drafts, head: int, seen: Pairs) -> tuple[int, int] | None:
    """The later block that ends in the same test, and the index where the test begins. ``seen`` gets the blocks of
    both."""
    length = len(drafts[head].instrs)
    for key, draft in drafts.items():
        begin = len(draft.instrs) - length
        seen.clear()
        if _unit(key) > _unit(head) and begin >= 0 and _same(drafts, (head, 0), (key, begin), seen):
            return key, begin
    return None


def _same(drafts: Drafts, first: tuple[int, int], second: tuple[int, int], seen: Pairs) -> bool:
    """Whether two blocks, each from an instruction on, do the same and have the same successors."""
    if first == second or (first[0], second[0]) in seen:
        return True
    seen.add((first[0], second[0]))
    (one, begin), (other, later) = first, second
    left, right = drafts[one].instrs[begin:], drafts[other].instrs[later:]
    if left[-1].op is Op.RETURN:  # at the end of a function each way has its own, without a place
        return [_what(each)[:-1] for each in left] == [_what(each)[:-1] for each in right]
    if list(map(_what, left[:-1])) != list(map(_what, right[:-1])) or _kind(left[-1]) != _kind(right[-1]):
        return False
    turned = left[-1].op is Op.BRANCH and left[-1].arg != right[-1].arg
    ways = drafts[other].succ[:: -1 if turned else 1]
    return all(_same(drafts, (a, 0), (b, 0), seen) for a, b in zip(drafts[one].succ, ways, strict=True))


def _kind(end: Instr) -> tuple[Op, Any]:
    """The kind of a block's end, without the direction of its branch."""
    return end.op, end.arg in ("none", "not none") if end.op is Op.BRANCH else end.arg


def _what(instr: Instr) -> tuple[Any, ...]:
    """An instruction's operation, operand and place in the source, for comparison."""
    return instr.op, type(instr.arg), instr.arg, instr.source.position(instr.unit)


def _split(drafts: Drafts, key: int, begin: int) -> int:
    """The key of a block that begins at the instruction ``begin``; splits the block if necessary."""
    if not begin:
        return key
    instrs, succ = drafts[key]
    rest = _fresh(drafts)
    drafts[rest] = Draft(instrs[begin:], succ)
    drafts[key] = Draft([*instrs[:begin], jump(instrs[begin])], (rest,))
    return rest


def jump(at: Instr) -> Instr:
    """A jump with the place of another instruction."""
    return Instr(Op.JUMP, None, at.unit, at.source)


def _fresh(drafts: Drafts) -> int:
    return 1 + max(map(_unit, drafts))


def _lead(drafts: Drafts, keys: list[int], old: int, new: int) -> None:
    for key in keys:
        instrs, succ = drafts[key]
        target = new
        if new in succ:  # a BRANCH keeps two ways
            target = _fresh(drafts)
            drafts[target] = Draft([jump(instrs[-1])], (new,))
        drafts[key] = Draft(instrs, tuple(target if way == old else way for way in succ))


# turns


class Beginning:
    """The tests at the beginning of the loop with a header and a body (blocks by index).

    ``turn`` is the block in which its turns begin. The turns need a block of their own if an inner loop begins there,
    or if the next turn does, since the loop has no body; then ``shared`` are the tests that lead there.
    """

    def __init__(self, blocks: Sequence[Block], header: int, body: frozenset[int], headers: Container[int]) -> None:
        self.blocks = blocks
        self.header = header
        self.body = body
        self.turn = header
        self.shared: list[int] = []
        if blocks[header].instrs[0].op is Op.FOR_ITER:
            self.turn = blocks[header].succ[1]
        else:
            self._behind_tests(headers)

    def _behind_tests(self, headers: Container[int]) -> None:
        tests = self._tests()
        back = [index for index in tests if self.header in self.blocks[index].succ]
        for some in (tests, [index for index in tests if index < min(back)] if back else []):
            inside = self._until_left(some)
            ways = self._ways(inside)
            if len(ways) == 1 and (self.header not in ways or some is tests):
                (self.turn,) = ways
                if self.turn in headers:
                    self.shared = [index for index in inside if self.turn in self.blocks[index].succ]
                return

    def _until_left(self, tests: list[int]) -> list[int]:
        """The tests up to the last that leads out of the loop; blocks stand behind their predecessors."""
        leaving = [index for index in tests if not self.body.issuperset(self.blocks[index].succ)]
        return [index for index in tests if index <= max(leaving, default=-1)]

    def _ways(self, inside: list[int]) -> set[int]:
        """The blocks of the loop to which the tests lead."""
        ways = {way for index in inside for way in self.blocks[index].succ}
        return (ways & self.body) - (set(inside) - {self.header})

    def _tests(self) -> list[int]:
        """The blocks from the header on that only compute parts of conditions."""
        depths = {self.header: 0}
        found = []
        for index in sorted(self.body):
            if index in depths and self._is_test(index, depths[index]):
                found.append(index)
                for way, depth in self._leaving(index, depths[index]):
                    depths.setdefault(way, depth)
        return found

    def _leaving(self, index: int, depth: int) -> Iterator[tuple[int, int]]:
        """The block's successors, with the depth of the stack at each."""
        *instrs, last = self.blocks[index].instrs
        depth = _deep(instrs, depth)[-1]
        steps = {Op.BRANCH: (-1, -1), Op.FOR_ITER: (-1, 1)}.get(last.op, (0,))
        for way, step in zip(self.blocks[index].succ, steps, strict=True):
            yield way, depth + step

    def _is_test(self, index: int, depth: int) -> bool:
        """Whether no statement ends in the block or continues after it, and the block isn't the copy of a test before
        the loop."""
        *instrs, last = self.blocks[index].instrs
        depths = _deep(instrs, depth)
        if min(depths[1:], default=depth) <= 0 or any(instr.op is Op.WITH_ENTER for instr in instrs):
            return False
        if last.op is Op.FOR_ITER:  # of a comprehension: the list lies below the iterator
            return depths[-1] > 1
        return last.op in (Op.BRANCH, Op.JUMP) and not (instrs and self._has_copy(list(map(_what, instrs))))

    def _has_copy(self, instrs: list[tuple[Any, ...]]) -> bool:
        """Whether a block outside of the loop ends with the same instructions."""
        outside = (block.instrs for block in self.blocks if block.index not in self.body)
        return any(list(map(_what, each[-1 - len(instrs) : -1])) == instrs for each in outside)


def _deep(instrs: list[Instr], depth: int) -> list[int]:
    """The depth of the stack before the instructions, and after each."""
    depths = [depth]
    for instr in instrs:
        pops, pushes = effect(instr)
        depths.append(depths[-1] + pushes - pops)
    return depths


def give_block(drafts: Drafts, turn: int, tests: list[int]) -> None:
    """Gives a turn that begins after the tests a block of its own, which jumps on."""
    own = _fresh(drafts)
    drafts[own] = Draft([jump(drafts[tests[0]].instrs[-1])], (turn,))
    for key in tests:
        instrs, succ = drafts[key]
        drafts[key] = Draft(instrs, tuple(own if way == turn else way for way in succ))
