"""The status of ring buffer records at the beginning of blocks and on edges."""

from __future__ import annotations

from enum import Enum
from typing import Final

from ...analysis.pointer_tests import without_zero_tests
from ...ir.ops import Op
from ...ir.types import Ptr, Region
from ...ir.values import Block, Function, Value

RESERVE: Final = "ringbuf_reserve"
"""The helper that reserves a record."""
ENDS: Final = {"ringbuf_submit", "ringbuf_discard"}
"""The helpers that give a record back."""


class Status(Enum):
    """The status of a record at one place. A record that is not computed on all paths there has none."""

    NULL = "the ring was full"
    MAYBE = "held, or null"
    HELD = "held"
    GONE = "given back, or handed over to a phi"


OPEN: Final = frozenset({Status.MAYBE, Status.HELD})
"""The statuses of records that must be given back."""
Known = dict[Value, Status]
"""The status of each record at one place; records are the calls and phis that give them."""


def is_root(value: Value) -> bool:
    """Whether a value is a record from a call or a phi, not a pointer to a part of one."""
    return is_record(value) and value.op in (Op.CALL, Op.PHI)


def is_record(value: Value) -> bool:
    """Whether a value points into a record."""
    return isinstance(value.type, Ptr) and value.type.region is Region.RECORD


def root_of(pointer: Value) -> Value:
    """The pointer from which a pointer into a record, or another one, was computed."""
    while pointer.op is Op.PTRADD:
        pointer = pointer.args[0]
    return pointer


def _test(condition: Value) -> tuple[Value, bool] | None:
    """The record that a condition tests, and whether the record exists if the condition holds."""
    record, there = without_zero_tests(condition)
    return (record, there) if is_root(record) else None


def learn(known: Known, condition: Value, holds: bool) -> Known:
    """The statuses if a condition holds, or doesn't."""
    tested = _test(condition)
    if tested is None or known.get(tested[0], Status.GONE) is Status.GONE:
        return known
    record, there = tested
    return known | {record: Status.HELD if there == holds else Status.NULL}


def after(known: Known, value: Value) -> Known:
    """The statuses after an operation."""
    if value.op is Op.CALL and value.attr.name == RESERVE:
        return known | {value: Status.MAYBE}
    if value.op is Op.CALL and value.attr.name in ENDS:
        return known | {value.args[0]: Status.GONE}
    if value.op is Op.GUARD:
        return learn(known, value.args[0], True)
    return known


def held_records(known: Known) -> list[tuple[Value, Status]]:
    """The records that are held at a place, or may be."""
    return [(record, status) for record, status in known.items() if status in OPEN]


class RecordFlow:
    """The statuses at the beginning of each block, and on each edge."""

    def __init__(self, fn: Function) -> None:
        self.live = _live(fn)
        self.begin: dict[Block, Known] = {fn.blocks[0]: {}}
        self.out: dict[tuple[Block, Block], Known] = {}
        changed = True
        while changed:
            changed = False
            for block in fn.blocks:
                if block is not fn.blocks[0]:
                    joined = self._join(block)
                    if joined is None or self.begin.get(block) == joined:
                        continue
                    self.begin[block] = joined
                changed |= self._leave(block)

    def _leave(self, block: Block) -> bool:
        known = self.begin[block]
        for value in block.body:
            known = after(known, value)
        changed = False
        for succ in dict.fromkeys(block.succs):
            if block.end.op is Op.BRANCH and block.end.attr[0] is not block.end.attr[1]:
                there = learn(known, block.end.args[0], block.end.attr[0] is succ)
            else:
                there = known
            if self.out.get((block, succ)) != there:
                self.out[block, succ] = there
                changed = True
        return changed

    def edge(self, pred: Block, block: Block) -> Known:
        """The statuses after an edge, where the phis take over the records of their arguments."""
        before = self.out[pred, block]
        known = before.copy()
        for phi in filter(is_root, block.phis):
            arg = phi.args[block.preds.index(pred)]
            if arg.op is Op.CONST:
                known[phi] = Status.NULL
            else:
                known[phi] = known.get(arg, Status.GONE)
                known[arg] = Status.GONE
        return known

    def _join(self, block: Block) -> Known | None:
        edges = [self.edge(pred, block) for pred in block.preds if (pred, block) in self.out]
        if not edges:
            return None
        common = set(edges[0]).intersection(*edges[1:])
        needed = common & self.live[block]
        return {record: _joined({known[record] for known in edges}) for record in edges[0] if record in needed}

    def forgotten(self, pred: Block, block: Block) -> list[tuple[Value, Status]]:
        """The records that an edge must give back, as the values that they have before it."""
        names = {phi: phi.args[block.preds.index(pred)] for phi in block.phis}
        kept = self.begin[block]
        return [
            (names.get(record, record), status)
            for record, status in self.edge(pred, block).items()
            if status in OPEN and kept.get(record) not in OPEN
        ]


def _live(fn: Function) -> dict[Block, set[Value]]:
    """The records that each block, or a block after it, uses. Others are given back before, so that the verifier walks
    loops without them, which saves it much work."""
    live: dict[Block, set[Value]] = {}
    for block in fn.blocks:
        used = {root_of(arg) for value in block.body for arg in value.args}
        live[block] = {record for record in used if is_root(record)} | set(filter(is_root, block.phis))
    changed = True
    while changed:
        changed = False
        for block in reversed(fn.blocks):
            found = set(live[block])
            for succ in block.succs:
                at = succ.preds.index(block)
                found |= live[succ].difference(succ.phis)
                found |= {phi.args[at] for phi in succ.phis if is_root(phi) and is_root(phi.args[at])}
            if found != live[block]:
                live[block], changed = found, True
    return live


def _joined(found: set[Status]) -> Status:
    if len(found) == 1:
        return next(iter(found))
    return Status.GONE if Status.GONE in found else Status.MAYBE
