"""Makes a loop a function of its own that the helper bpf_loop calls, for kernels without the iterator.

b0: jump b1                        b0: %4 = unseen
b1: %1 = phi 0, %2                     %5 = alloca bytes=16
    branch lt %1, %0, b2, b3           store %5, 0, offset=0                   (how the loop ended)
b2: %2 = add %1, 1           ->        store %5, (hide 0, %4), offset=8  ...   (what it carries and uses)
    jump b1                            loop %5, 8388608, callback
b3: ...                                branch eq (load %5, offset=0), 2, b3, ...

callback:                          b0: %0 = param register=2
                                       %1 = load %0, offset=8  ...
                                       branch lt %1, ..., b1, b2
                                   b1: store %0, (add %1, 1), offset=8         once more
                                       return 0
                                   b2: store %0, 2, offset=0                   the way out with the number 2
                                       return 1

Linux 5.17 to 6.6 verify the callback once, with the values of the first call, and trust that other calls do the same.
So values that differ from call to call must be unknown at the first call, or branches that only later calls take would
be removed as dead: numbers are hidden, pointers can't be carried, and stack objects that the loop writes get unknown
contents on a separate path (taken if a bit of ``unseen`` is set, so never).

If tests come before the turn (``turn`` in the IR), a callback that was called 8388608 times is called once more for its
tests alone: then slot 0 holds LAST_TEST, which is tested where the turn begins.
"""

from __future__ import annotations

from ...ir.dominators import dominators
from ...ir.loop_policy import MAX_ITERATIONS
from ...ir.natural_loops import Loop
from ...ir.ops import Op
from ...ir.types import Int
from ...ir.values import Block, Function, Value, connect
from ..shared import loop_turns
from ..shared.callback_values import hoistable, stack_roots, used_after, used_in
from ..shared.loop_edges import entry_of, split_latches
from .callback_body import CallbackBody
from .callback_caller import CallbackCaller
from .callback_context import CallbackContext
from .hiding import hide_carried


def outline(fn: Function, loop: Loop, unseen: Value, turn: Value | None, raises: str) -> None:
    """Takes a loop's blocks out of the function, and puts a call of bpf_loop in their place. Turns begin at ``turn`` or
    the header; ``raises`` is counted if the loop needs more than MAX_ITERATIONS."""
    context = CallbackContext(fn, loop, unseen)
    entry = entry_of(fn, loop)
    split_latches(fn, loop)
    cut = _cut_at(fn, loop, turn) if turn is not None else None
    hide_carried(loop, unseen)
    tree = dominators(fn)
    inside = {value for block in loop.blocks for value in block.values()}
    live_out = _hoist(loop, entry, used_after(fn, loop, inside), inside)
    live_in = used_in(fn, loop, inside)
    blocks = [block for block in fn.blocks if block in loop.blocks]
    homes = {value: block for block in blocks for value in block.values()}
    first = {phi: phi.args[loop.header.preds.index(entry)] for phi in loop.header.phis}
    at = fn.blocks.index(entry)
    fn.blocks = [block for block in fn.blocks if block not in loop.blocks]
    entry.body.pop()
    body = CallbackBody(context, cut, homes, tree)
    body.make(blocks, live_in)
    ways = body.ways_out(blocks, live_out)
    given = [value for value in context.slots if value not in inside]
    caller = CallbackCaller(context, body, entry, raises)
    here = caller.share(first, given, at)
    here = caller.call(here, MAX_ITERATIONS, [value for value in given if stack_roots([value])])
    caller.dispatch(here, ways, live_out)
    _leave_loops_around(loop)


def _cut_at(fn: Function, loop: Loop, turn: Value) -> tuple[Block, Block]:
    """The tests and the turn as two blocks."""
    tests, rest = loop_turns.split(fn, loop, turn)
    connect(tests, Op.JUMP, [], (rest,), loop.header.end.span)
    return tests, rest


def _hoist(loop: Loop, entry: Block, live_out: list[Value], inside: set[Value]) -> list[Value]:
    """Moves values before the loop if possible; gives those that the callback has to hand over."""
    for value in live_out:
        if not isinstance(value.type, Int) and hoistable(value, inside):
            _move(loop, entry, value, inside)
    return [value for value in live_out if value in inside]


def _move(loop: Loop, entry: Block, value: Value, inside: set[Value]) -> None:
    if value in inside:
        for arg in value.args:
            _move(loop, entry, arg, inside)
        home = next(block for block in loop.blocks if value in block.body)
        home.body.remove(value)
        entry.body.insert(len(entry.body) - 1, value)
        inside.remove(value)


def _leave_loops_around(loop: Loop) -> None:
    """Removes the loop's blocks, which are in the callback now, from the loops around."""
    outer = loop.parent
    while outer is not None:
        outer.blocks -= loop.blocks
        outer = outer.parent
