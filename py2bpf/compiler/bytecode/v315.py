"""CPython 3.15: an iterator on the stack has a second slot, for an index; canonical iterators have not."""

from __future__ import annotations

from ...exception import InternalCompilerError
from . import v314
from .canonical import Instr, Op
from .decoder import Decoder, Drafts
from .rules import ANY, SKIP, Rules, Suspending, Version, derive
from .stack import DEPTHS, effect

COMMON_CONSTANTS = (*v314.COMMON_CONSTANTS, list, set, None, "", True, False, -1)
CONSUMERS = (*v314.CONSUMERS, list, set)
YIELD_FROM = 3
"""GET_ITER's operand in ``yield from``."""


def load_common_constant(decoder: Decoder, arg: int, unit: int) -> None:
    v314.load_constant(decoder, COMMON_CONSTANTS[arg], unit)


def is_op(decoder: Decoder, arg: int, unit: int) -> None:
    v314.compare_identity(decoder, CONSUMERS, arg, unit)


def pop_iter(decoder: Decoder, arg: int, unit: int) -> None:
    decoder.emit(Op.POP_TOP, None, unit)
    decoder.emit(Op.POP_TOP, None, unit)


Stack = list[bool]
"""A slot is True when it is an iterator's second one."""


def drop_second_slots(drafts: Drafts) -> None:
    """Follow the stack through all blocks; remove the second slots of iterators, and count without them."""
    if not any(instrs[-1].op is Op.FOR_ITER for instrs, _ in drafts.values()):
        return
    entering: dict[int, Stack] = {0: []}
    pending = [0]
    while pending:
        key = pending.pop()
        instrs, succ = drafts[key]
        stack = entering[key].copy()
        instrs[:] = [instr for instr in instrs if _step(stack, instr)]
        for index, target in enumerate(succ):
            if target not in entering:
                entering[target] = _along(stack, instrs[-1], index)
                pending.append(target)


def _along(stack: Stack, terminator: Instr, index: int) -> Stack:
    """The stack at the successor ``index``."""
    if terminator.op is not Op.FOR_ITER:
        return stack.copy()
    return stack[:-2] if index == 0 else [*stack, False]


def _step(stack: Stack, instr: Instr) -> bool:
    """Bring ``stack`` and the operand of ``instr`` up to date; False when only a second slot is popped."""
    op, count = instr.op, instr.arg
    if op is Op.FOR_ITER:
        return True
    if op is Op.POP_TOP:
        return not stack.pop()
    if op is Op.GET_ITER:
        stack.append(True)
    elif op is Op.SWAP:
        if stack[-1] or stack[-count]:
            raise InternalCompilerError("bytecode", "an iterator is taken apart", instr.span)
        instr.arg -= sum(stack[-count:])
    elif op is Op.COPY:
        instr.arg -= sum(stack[-count:])
        stack.append(False)
    else:
        pops, pushes = effect(instr)
        del stack[len(stack) - pops :]
        if op in DEPTHS:
            instr.arg -= sum(stack[-count:])
        stack += [False] * pushes
    return True


RULES: Rules = derive(
    v314.RULES,
    "GET_YIELD_FROM_ITER",
    {
        "IS_OP": is_op,
        "LOAD_COMMON_CONSTANT": load_common_constant,
        "POP_ITER": pop_iter,
        "TRACE_RECORD": SKIP,
    },
)

SUSPENDING: Suspending = {
    **{key: text for key, text in v314.SUSPENDING.items() if key != ("GET_YIELD_FROM_ITER", ANY)},
    ("GET_ITER", YIELD_FROM): "yield from",
}


def version() -> Version:
    """The rules, ready for use on CPython 3.15."""
    return Version(RULES, SUSPENDING, v314.AFTER_LOOP, drop_second_slots)
