"""Extends loops by their ways out until these have released the loop's spin lock.

b2: call spin_lock %1            (in the loop b1)        b2: call spin_lock %1
    branch %2, b3, b4                                        branch %2, b3, b4
b3: call spin_unlock %1                                  b3: call spin_unlock %1
    jump b1                                         ->       jump b1
b4: call spin_unlock %1          (not in it)             b4: call spin_unlock %1     (in the loop as well)
    return 0                                                 jump b5
                                                         b5: return 0

A callback can't return with a lock that its caller would release, and before Linux 6.14 no iterator may be destroyed
while a lock is held.
"""

from __future__ import annotations

from typing import Final

from ...ir.natural_loops import Loop
from ...ir.ops import Op
from ...ir.values import Block, Function, Value, connect, is_zero, split_block
from .loop_edges import enter

Held = frozenset[Value]
"""The map entries whose locks are held."""

_NONE: Final[Held] = frozenset()


def absorb(fn: Function, loops: list[Loop]) -> set[Loop]:
    """Adds blocks that hold the lock to the loops, inner ones first; gives loops that can still be left with a lock."""
    if not any_locks(fn):
        return set()
    held = _held(fn)
    return {loop for loop in loops if not held[loop.header] and not _absorb(fn, loop, held)}


def any_locks(fn: Function) -> bool:
    """Whether the function takes a lock."""
    return any(_is_call(value, "spin_lock") for block in fn.blocks for value in block.body)


def _absorb(fn: Function, loop: Loop, held: dict[Block, Held]) -> bool:
    while ways := [s for b in fn.blocks if b in loop.blocks for s in b.succs if s not in loop.blocks and held.get(s)]:
        block = ways[0]
        if any(pred not in loop.blocks for pred in block.preds) or not _ends_unlocked(fn, block, held):
            return False
        enter(loop, block)
    return True


def _ends_unlocked(fn: Function, block: Block, held: dict[Block, Held]) -> bool:
    """Splits a block after its last unlocking; False if the block ends the program with a lock instead."""
    now = held[block]
    for i, value in enumerate(block.body):
        now = _step(now, value)
        if not now:
            rest = split_block(block, i + 1)
            connect(block, Op.JUMP, [], (rest,), value.span)
            fn.blocks.insert(fn.blocks.index(block) + 1, rest)
            return True
    return bool(block.succs)


def _held(fn: Function) -> dict[Block, Held]:
    """The locks that are held at the beginning of each block."""
    found: dict[Block, Held] = {fn.blocks[0]: _NONE}
    work = [fn.blocks[0]]
    while work:
        block = work.pop()
        now = found[block]
        for value in block.body:
            now = _step(now, value)
        for i, succ in enumerate(block.succs):
            there = found.get(succ, _NONE) | (now - _absent(block.end, i))
            if found.get(succ) != there:
                found[succ] = there
                work.append(succ)
    return dict.fromkeys(fn.blocks, _NONE) | found


def _step(now: Held, value: Value) -> Held:
    if _is_call(value, "spin_lock"):
        return now | {_entry(value)}
    return now - {_entry(value)} if _is_call(value, "spin_unlock") else now


def _absent(end: Value, way: int) -> Held:
    """The entry that is null on one side of a branch: there its lock is not held."""
    if end.op is not Op.BRANCH:
        return _NONE
    test, null = end.args[0], 1
    if test.op in (Op.EQ, Op.NE) and is_zero(test.args[1]):
        test, null = test.args[0], int(test.op is Op.NE)
    return frozenset({test}) if way == null else _NONE


def _entry(call: Value) -> Value:
    """The map entry that contains a lock."""
    address = call.args[0]
    return address.args[0] if address.op is Op.PTRADD else address


def _is_call(value: Value, name: str) -> bool:
    return value.op is Op.CALL and value.attr.name == name
