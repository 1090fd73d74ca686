"""Gives back the records of ring buffers that a path reserves and forgets: the verifier lets no program keep one.

%1 = call record*? ringbuf_reserve ...       %1 = call record*? ringbuf_reserve ...
branch %1, b1, b3                            branch %1, b1, b3
b1: guard %2                            ->   b1: branch %2, b2, b4
    call ringbuf_submit %1                   b2: call ringbuf_submit %1
    jump b3                                      jump b3
b3: return 0                                 b3: return 0
                                             b4: call ringbuf_discard %1
                                                 exit

Python would drop what nobody submits, so a discard is exact: where the program ends, and where paths meet of which
another one has given the record back. Whoever uses it after that gets an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Final, NoReturn

from ...exception import Span, UnsupportedSyntax
from ...uapi.helpers import HELPERS
from ...uapi.ring_buffers import RingFlags
from ..analysis.pointer_tests import without_zero_tests
from ..ir.natural_loops import Loop, find_loops
from ..ir.ops import INFO, Op
from ..ir.types import VOID, Ptr, Region
from ..ir.values import Block, Function, Value, append, connect, const

RESERVE: Final = "ringbuf_reserve"
_ENDS: Final = {"ringbuf_submit", "ringbuf_discard"}


class Status(Enum):
    """What is known of a record at one place. Where it isn't computed on all paths, nothing."""

    NULL = "the ring was full"
    MAYBE = "held, or null"
    HELD = "held"
    GONE = "given back, or handed over to a phi"


_OPEN: Final = frozenset({Status.MAYBE, Status.HELD})
Known = dict[Value, Status]
"""The records that exist at one place, the calls and phis that give them."""


def run(fn: Function) -> None:
    """Finds where each record is held, then adds the discards."""
    if not any(_is_root(value) for block in fn.blocks for value in block.values()):
        return
    _drop_unused(fn)
    _Discards(fn, _Flow(fn)).run()


def _is_root(value: Value) -> bool:
    return _is_record(value) and value.op in (Op.CALL, Op.PHI)


def _is_record(value: Value) -> bool:
    return isinstance(value.type, Ptr) and value.type.region is Region.RECORD


def _drop_unused(fn: Function) -> None:
    """Phis of records that nobody asks for would take over what others use."""
    used = {arg for block in fn.blocks for value in block.values() for arg in value.args}
    unused = {phi for block in fn.blocks for phi in block.phis if _is_record(phi) and phi not in used}
    for block in fn.blocks:
        block.phis = [phi for phi in block.phis if phi not in unused]
    if unused:
        _drop_unused(fn)


def _root(pointer: Value) -> Value:
    while pointer.op is Op.PTRADD:
        pointer = pointer.args[0]
    return pointer


def _test(condition: Value) -> tuple[Value, bool] | None:
    """The record that a condition tests, and whether it is there where the condition holds."""
    record, there = without_zero_tests(condition)
    return (record, there) if _is_root(record) else None


def _learn(known: Known, condition: Value, holds: bool) -> Known:
    """What is known where a condition holds, or doesn't."""
    tested = _test(condition)
    if tested is None or known.get(tested[0], Status.GONE) is Status.GONE:
        return known
    record, there = tested
    return known | {record: Status.HELD if there == holds else Status.NULL}


class _Flow:
    """What is known where each block begins, and on each edge."""

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
                there = _learn(known, block.end.args[0], block.end.attr[0] is succ)
            else:
                there = known
            if self.out.get((block, succ)) != there:
                self.out[block, succ] = there
                changed = True
        return changed

    def edge(self, pred: Block, block: Block) -> Known:
        """What is known behind an edge: the phis there are the records now that come to them."""
        before = self.out[pred, block]
        known = before.copy()
        for phi in filter(_is_root, block.phis):
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
        """The records that an edge must give back, by the names that they have before it."""
        names = {phi: phi.args[block.preds.index(pred)] for phi in block.phis}
        kept = self.begin[block]
        return [
            (names.get(record, record), status)
            for record, status in self.edge(pred, block).items()
            if status in _OPEN and kept.get(record) not in _OPEN
        ]


def _live(fn: Function) -> dict[Block, set[Value]]:
    """The records that each block, or one behind it, asks for: others are given back before it, so that loops are
    walked without them, which saves the verifier much."""
    live: dict[Block, set[Value]] = {}
    for block in fn.blocks:
        used = {_root(arg) for value in block.body for arg in value.args}
        live[block] = {record for record in used if _is_root(record)} | set(filter(_is_root, block.phis))
    changed = True
    while changed:
        changed = False
        for block in reversed(fn.blocks):
            found = set(live[block])
            for succ in block.succs:
                at = succ.preds.index(block)
                found |= live[succ].difference(succ.phis)
                found |= {phi.args[at] for phi in succ.phis if _is_root(phi) and _is_root(phi.args[at])}
            if found != live[block]:
                live[block], changed = found, True
    return live


def _joined(found: set[Status]) -> Status:
    if len(found) == 1:
        return next(iter(found))
    return Status.GONE if Status.GONE in found else Status.MAYBE


def after(known: Known, value: Value) -> Known:
    """What is known behind an operation."""
    if value.op is Op.CALL and value.attr.name == RESERVE:
        return known | {value: Status.MAYBE}
    if value.op is Op.CALL and value.attr.name in _ENDS:
        return known | {value.args[0]: Status.GONE}
    if value.op is Op.GUARD:
        return _learn(known, value.args[0], True)
    return known


class _Discards:
    """The rewriting."""

    def __init__(self, fn: Function, flow: _Flow) -> None:
        self.fn = fn
        self.flow = flow
        self.loops = find_loops(fn)
        self.exits: dict[object, Block] = {}

    def run(self) -> None:
        forgotten = {(pred, block): found for block in self.fn.blocks for pred in dict.fromkeys(block.preds)
                     if (pred, block) in self.flow.out and (found := self.flow.forgotten(pred, block))}  # fmt: skip
        for (pred, block), records in forgotten.items():
            self._edge(pred, block, records)
        for block in list(self.fn.blocks):
            if block in self.flow.begin:
                self._block(block)
        self.fn.blocks += list(self.exits.values())

    # inside of blocks

    def _block(self, block: Block) -> None:
        known = self.flow.begin[block]
        old, block.body = block.body, []
        first = block
        for value in old:
            _check(known, value)
            held = _held(known)
            if value.op is Op.GUARD:
                held = _held(_learn(known, value.args[0], False))
            known = after(known, value)
            if held and value.op is Op.GUARD:
                block = self._guard(block, value, held)
            else:
                if held and value.op in (Op.EXIT, Op.RETURN):
                    block = self._discard(block, held, value.span)
                block.body.append(value)
        if block is not first:
            for succ in dict.fromkeys(block.succs):
                succ.preds = [block if pred is first else pred for pred in succ.preds]

    def _after(self, block: Block) -> Block:
        """A new block behind another, in the same loops."""
        new = Block()
        self.fn.blocks.insert(self.fn.blocks.index(block) + 1, new)
        for loop in self.loops:
            if block in loop.blocks:
                loop.blocks.add(new)
        return new

    def _discard(self, block: Block, held: list[tuple[Value, Status]], span: Span | None) -> Block:
        """Gives records back at the end of a block without terminator; the block that goes on."""
        for record, status in held:
            if status is Status.HELD:
                _call(block, record, span)
                continue
            there = self._after(block)
            rest = self._after(there)
            connect(block, Op.BRANCH, [record], (there, rest), span)
            _call(there, record, span)
            connect(there, Op.JUMP, [], (rest,), span)
            block = rest
        return block

    def _guard(self, block: Block, guard: Value, held: list[tuple[Value, Status]]) -> Block:
        """What fails gives back first; equal ways out are shared."""
        key = (tuple(held), guard.attr, guard.span.line if guard.span else None)
        leave = self.exits.get(key)
        if leave is None:
            leave = self.exits[key] = Block()
            self._leave(leave, guard, held)
        rest = self._after(block)
        connect(block, Op.BRANCH, guard.args, (rest, leave), guard.span)
        return rest

    def _leave(self, block: Block, guard: Value, held: list[tuple[Value, Status]]) -> None:
        for record, status in held:
            if status is Status.HELD:
                _call(block, record, guard.span)
                continue
            there, rest = Block(), Block()
            connect(block, Op.BRANCH, [record], (there, rest), guard.span)
            _call(there, record, guard.span)
            connect(there, Op.JUMP, [], (rest,), guard.span)
            self.exits[object()] = there
            self.exits[object()] = rest
            block = rest
        append(block, Op.EXIT, [], VOID, guard.attr, guard.span)

    # on edges

    def _edge(self, pred: Block, block: Block, records: list[tuple[Value, Status]]) -> None:
        """Puts a block onto an edge."""
        middle = Block()
        self._place(middle, pred, block)
        self.flow.begin[middle] = {}
        middle.preds = [pred]
        end = self._discard(middle, records, pred.end.span)
        append(end, Op.JUMP, [], VOID, (block,), pred.end.span)
        block.preds = [end if each is pred else each for each in block.preds]
        pred.end.attr = tuple(middle if succ is block else succ for succ in pred.succs)

    def _place(self, middle: Block, pred: Block, block: Block) -> None:
        """Before the target, or, on a loop's way back, behind the last block of what the edge leaves."""
        blocks = self.fn.blocks
        around = [loop for loop in self.loops if block in loop.blocks and (pred in loop.blocks)]
        if blocks.index(block) > blocks.index(pred):
            blocks.insert(blocks.index(block), middle)
        else:
            left = [loop for loop in self.loops if pred in loop.blocks and block not in loop.blocks]
            behind = max((blocks.index(last) for last in _widest(left)), default=blocks.index(pred))
            blocks.insert(behind + 1, middle)
        for loop in around:
            loop.blocks.add(middle)


def _widest(loops: list[Loop]) -> Iterator[Block]:
    """The blocks of the outermost of nested loops."""
    return iter(max(loops, key=lambda loop: len(loop.blocks)).blocks if loops else ())


def _held(known: Known) -> list[tuple[Value, Status]]:
    return [(record, status) for record, status in known.items() if status in _OPEN]


def _call(block: Block, record: Value, span: Span | None) -> None:
    assert isinstance(record.type, Ptr) and record.type.spec is not None
    flags = const(int(RingFlags.NO_WAKEUP) if record.type.spec.wakeup else 0)
    append(block, Op.CALL, [record, flags], VOID, HELPERS["ringbuf_discard"], span)


# what can't be


def _check(known: Known, value: Value) -> None:
    """Refuses uses of a record after its end, and what no program may do while it holds one."""
    held = _held(known)
    if held and (value.op is Op.PACKET or (value.op is Op.CALL and value.attr.name == "tail_call")):
        _refuse_while_held(value, held[0][0])
    if INFO[value.op].compare or value.op in (Op.PTRADD, Op.BRANCH, Op.GUARD, Op.PHI):
        return
    for arg in value.args:
        record = _root(arg)
        if _is_root(record) and known.get(record) is Status.GONE:
            _refuse_use(value, record)


def _refuse_use(value: Value, record: Value) -> NoReturn:
    again = value.op is Op.CALL and value.attr.name in _ENDS
    what = "given back again" if again else "used"
    error = UnsupportedSyntax(
        value.span.line if value.span else 0,
        f"a record of a ring buffer is {what} after it was submitted, discarded or passed on, on at least one path "
        "to this line",
        span=value.span, hints=("submit it last, and once: in the branch that filled it",),
    )  # fmt: skip
    raise _noted(error, record)


def _refuse_while_held(value: Value, record: Value) -> NoReturn:
    packet = value.op is Op.PACKET
    name = "load_skb_*" if packet else "tail_call"
    hint = "do it before reserve() or after submit()"
    error = UnsupportedSyntax(
        value.span.line if value.span else 0,
        f"{name}() may end the program, which the kernel forbids while it holds a record of a ring buffer",
        span=value.span, hints=(f"{hint}; packet_copy() reads the packet at any time" if packet else hint,),
    )  # fmt: skip
    raise _noted(error, record)


def _noted(error: UnsupportedSyntax, record: Value) -> UnsupportedSyntax:
    if record.op is Op.CALL and record.span is not None:
        error.notes = ((record.span, "it is reserved here"),)
    return error
