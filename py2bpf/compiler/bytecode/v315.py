"""CPython 3.15: an iterator on the stack has a second slot for an index; canonical iterators don't."""

from __future__ import annotations

from . import second_slots, v314
from .canonical import Drafts, Op
from .emitter import Emitter
from .rules import ANY, SKIP, Rules, Suspending, Version, derive

COMMON_CONSTANTS = (*v314.COMMON_CONSTANTS, list, set, None, "", True, False, -1)
CONSUMERS = (*v314.CONSUMERS, list, set)
YIELD_FROM = 3
"""GET_ITER's operand in ``yield from``."""


def load_common_constant(emitter: Emitter, arg: int, unit: int) -> None:
    v314.load_constant(emitter, COMMON_CONSTANTS[arg], unit)


def is_op(emitter: Emitter, arg: int, unit: int) -> None:
    v314.compare_identity(emitter, CONSUMERS, arg, unit)


def pop_iter(emitter: Emitter, arg: int, unit: int) -> None:
    emitter.emit(Op.POP_TOP, None, unit)
    emitter.emit(Op.POP_TOP, None, unit)


def drop_second_slots(drafts: Drafts) -> None:
    """Iterators have second slots, as well as exits of with statements."""
    second_slots.drop(drafts, frozenset((Op.GET_ITER, Op.WITH_ENTER)))


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
