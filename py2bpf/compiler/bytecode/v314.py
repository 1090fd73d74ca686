"""CPython 3.14: small integers and common constants in the opcode, borrowed locals, subscripts by BINARY_OP."""

from __future__ import annotations

from . import second_slots, v311, v313
from .canonical import Drafts, Op
from .emitter import Emitter
from .rules import ANY, RAW, SKIP, Plain, Rules, Suspending, Unsupported, Version, derive

AFTER_LOOP = ("END_FOR", "POP_ITER")
NB_SUBSCR = 2 * len(v311.OPERATORS)
FUNCTION_FLAGS = {1: "defaults", 2: "kwdefaults", 4: "annotations", 8: "closure", 16: "annotations"}

ENTER, EXIT = 0, 1
"""LOAD_SPECIAL's operands for ``__enter__`` and ``__exit__``."""

COMMON_CONSTANTS: tuple[object, ...] = (AssertionError, NotImplementedError, tuple, all, any)
CONSUMERS = (all, any, tuple)
"""Builtins whose call with a generator expression CPython's compiler replaces by a loop."""


def binary_op(emitter: Emitter, arg: int, unit: int) -> None:
    if arg == NB_SUBSCR:
        v311.binary_subscr(emitter, arg, unit)
    else:
        v311.binary_op(emitter, arg, unit)


def load_constant(emitter: Emitter, value: object, unit: int) -> None:
    """LOAD_COMMON_CONSTANT, with the constant looked up."""
    if value is AssertionError:
        emitter.emit(Op.LOAD_ASSERTION_ERROR, None, unit)
    else:
        emitter.emit(Op.LOAD_CONST, value, unit)


def load_common_constant(emitter: Emitter, arg: int, unit: int) -> None:
    load_constant(emitter, COMMON_CONSTANTS[arg], unit)


def compare_identity(emitter: Emitter, consumers: tuple[object, ...], arg: int, unit: int) -> None:
    """IS_OP. A test for ``any``, for example, chooses between an inlined loop and the call: always take the call."""
    if emitter.last is Op.LOAD_CONST and any(emitter.out[-1].arg is consumer for consumer in consumers):
        del emitter.out[-2:]  # the copy of the callable, and the builtin
        while unit not in emitter.targets:
            unit = emitter.next_unit(unit)
        emitter.end(Op.JUMP, None, unit, emitter.targets[unit])
    else:
        emitter.emit(Op.IS, bool(arg), unit)


def is_op(emitter: Emitter, arg: int, unit: int) -> None:
    compare_identity(emitter, CONSUMERS, arg, unit)


def call_function_ex(emitter: Emitter, arg: int, unit: int) -> None:
    """There are always keyword arguments, but they may be NULL."""
    has_keywords = emitter.last is not Op.PUSH_NULL
    if not has_keywords:
        emitter.out.pop()
    emitter.emit(Op.CALL_FUNCTION_EX, has_keywords, unit)


def set_function_attribute(emitter: Emitter, arg: int, unit: int) -> None:
    """The annotations may be the function that makes them."""
    made = emitter.out[-1]
    made.arg = made.arg.union((FUNCTION_FLAGS[arg],))


def load_special(emitter: Emitter, arg: int, unit: int) -> None:
    """``with``: the manager's __exit__, put below, then its __enter__, which is called at once."""
    out = emitter.out
    if arg == EXIT and emitter.last is Op.COPY:
        out.pop()
    elif arg == ENTER and [(instr.op, instr.arg) for instr in out[-2:]] == [(Op.SWAP, 2), (Op.SWAP, 3)]:
        del out[-2:]
        emitter.emit(Op.WITH_ENTER, None, unit)
    else:
        emitter.end(Op.UNSUPPORTED, "async with", unit)


def call(emitter: Emitter, arg: int, unit: int) -> None:
    if arg or emitter.last is not Op.WITH_ENTER:
        v311.call(emitter, arg, unit)


def drop_second_slots(drafts: Drafts) -> None:
    """A with statement's exit has two slots."""
    second_slots.drop(drafts, frozenset((Op.WITH_ENTER,)))


RULES: Rules = derive(
    v313.RULES,
    "BEFORE_ASYNC_WITH BEFORE_WITH BINARY_SUBSCR BUILD_CONST_KEY_MAP LOAD_ASSERTION_ERROR RETURN_CONST",
    {
        "BINARY_OP": binary_op,
        "BUILD_INTERPOLATION": Unsupported("t-string"),
        "BUILD_TEMPLATE": Unsupported("t-string"),
        "CALL": call,
        "CALL_FUNCTION_EX": call_function_ex,
        "IS_OP": is_op,
        "LOAD_COMMON_CONSTANT": load_common_constant,
        "LOAD_FAST_BORROW": v313.load_fast,
        "LOAD_FAST_BORROW_LOAD_FAST_BORROW": v313.load_fast_load_fast,
        "LOAD_SMALL_INT": Plain(Op.LOAD_CONST, RAW),
        "LOAD_SPECIAL": load_special,
        "NOT_TAKEN": SKIP,
        "POP_ITER": Plain(Op.POP_TOP),
        "SET_FUNCTION_ATTRIBUTE": set_function_attribute,
    },
)

SUSPENDING: Suspending = {
    **{key: text for key, text in v311.SUSPENDING.items() if key != ("BEFORE_ASYNC_WITH", ANY)},
    ("LOAD_SPECIAL", 3): "async with",
}


def version() -> Version:
    """The rules, ready for use on CPython 3.14."""
    return Version(RULES, SUSPENDING, AFTER_LOOP, drop_second_slots)
