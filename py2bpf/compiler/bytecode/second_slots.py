"""Follows the stack through a function to remove slots that older versions of CPython don't have.

Since 3.15, an iterator has a second slot for an index; since 3.14, the exit of a with statement is a function and its
argument instead of a bound method.
"""

from __future__ import annotations

from ...exception import InternalCompilerError
from .canonical import Drafts, Instr, Op
from .stack import DEPTHS, effect

Stack = list[bool]
"""True for each slot that is the second one of a pair."""

_EXIT_ARGUMENTS = 3


def drop(drafts: Drafts, pushing: frozenset[Op]) -> None:
    """Remove the second slots that the operations ``pushing`` push, and count without them."""
    if not any(instr.op in pushing for instrs, _ in drafts.values() for instr in instrs):
        return
    entering: dict[int, Stack] = {0: []}
    pending = [0]
    while pending:
        key = pending.pop()
        instrs, succ = drafts[key]
        stack = entering[key].copy()
        instrs[:] = [instr for instr in instrs if _step(stack, instr, pushing)]
        for index, target in enumerate(succ):
            if target not in entering:
                entering[target] = _along(stack, instrs[-1], index, pushing)
                pending.append(target)


def _along(stack: Stack, terminator: Instr, index: int, pushing: frozenset[Op]) -> Stack:
    """The stack at the successor ``index``."""
    if terminator.op is not Op.FOR_ITER:
        return stack.copy()
    slots = 2 if Op.GET_ITER in pushing else 1
    return stack[: len(stack) - slots] if index == 0 else [*stack, False]


def _step(stack: Stack, instr: Instr, pushing: frozenset[Op]) -> bool:
    """Bring ``stack`` and the operand of ``instr`` up to date; False when it only moves or pops a second slot."""
    op, count = instr.op, instr.arg
    if op is Op.FOR_ITER:
        return True
    if op is Op.POP_TOP:
        return not stack.pop()
    if op is Op.GET_ITER:
        stack += [True] if op in pushing else []
    elif op is Op.WITH_ENTER:
        stack += [True, False]
    elif op is Op.SWAP:
        return _swap(stack, instr)
    elif op is Op.COPY:
        instr.arg -= sum(stack[-count:])
        stack.append(False)
    else:
        pops, pushes = effect(instr)
        if op is Op.CALL and count == (_EXIT_ARGUMENTS, ()) and stack[-_EXIT_ARGUMENTS - 1]:
            instr.arg = (_EXIT_ARGUMENTS - 1, ())  # the way out of a with: one slot less
        del stack[len(stack) - pops :]
        if op in DEPTHS:
            instr.arg -= sum(stack[-count:])
        stack += [False] * pushes
    return True


def _swap(stack: Stack, instr: Instr) -> bool:
    count = instr.arg
    if stack[-1] is not stack[-count]:
        if count != 2:
            raise InternalCompilerError("bytecode", "a value of two slots is taken apart", instr.span)
        stack[-2:] = stack[:-3:-1]  # the second half of a rotation, whose value is in place already
        return False
    instr.arg -= sum(stack[-count:])
    return True
