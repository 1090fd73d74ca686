"""CPython 3.12: inlined comprehensions, methods by LOAD_ATTR, slices, one conditional jump for both directions."""

from __future__ import annotations

from . import v311
from .canonical import Op
from .emitter import Emitter
from .rules import LOCAL, SKIP, Jump, Plain, Rules, Unsupported, Version, derive

AFTER_LOOP = ("END_FOR",)

INTRINSICS_1: dict[int, tuple[Op, str | None]] = {
    1: (Op.UNSUPPORTED, "interactive code"),
    2: (Op.UNSUPPORTED, "import"),
    3: (Op.UNSUPPORTED, "yield"),
    4: (Op.UNSUPPORTED, "yield"),
    5: (Op.UNARY, "+"),
    6: (Op.LIST_TO_TUPLE, None),
    7: (Op.UNSUPPORTED, "type parameters"),
    8: (Op.UNSUPPORTED, "type parameters"),
    9: (Op.UNSUPPORTED, "type parameters"),
    10: (Op.UNSUPPORTED, "type parameters"),
    11: (Op.UNSUPPORTED, "type alias"),
}
"""CALL_INTRINSIC_1's operand -> what it does (CPython's Include/internal/pycore_intrinsics.h)."""


def load_attr(emitter: Emitter, arg: int, unit: int) -> None:
    if arg & 1:
        emitter.emit(Op.LOAD_METHOD, emitter.names[arg >> 1], unit)
    else:
        v311.load_attr(emitter, arg >> 1, unit)


def load_super_attr(emitter: Emitter, arg: int, unit: int) -> None:
    """[super, class, self] -> the call that it abbreviates; bit 0 asks for a method."""
    emitter.emit(Op.PUSH_NULL, None, unit)
    for depth in (4, 3, 2):
        emitter.emit(Op.SWAP, depth, unit)
    emitter.emit(Op.CALL, (2, ()), unit)
    emitter.emit(Op.LOAD_METHOD if arg & 1 else Op.LOAD_ATTR, emitter.names[arg >> 2], unit)


def make_cell(emitter: Emitter, arg: int, unit: int) -> None:
    """Cells that are made when the function starts are implied; an inlined comprehension makes its own."""
    if emitter.out and emitter.out[-1].op is Op.LOAD_FAST_AND_CLEAR:
        emitter.emit(Op.MAKE_CELL, emitter.locals[arg], unit)


def binary_slice(emitter: Emitter, arg: int, unit: int) -> None:
    """``object[a:b] op= value`` copies all three operands, where it suffices to copy object and slice."""
    augmented = emitter.copies(3)
    if augmented:
        del emitter.out[-3:]
    emitter.emit(Op.BUILD_SLICE, 2, unit)
    emitter.emit(Op.AUG_SUBSCR if augmented else Op.LOAD_SUBSCR, None, unit)


def store_slice(emitter: Emitter, arg: int, unit: int) -> None:
    if [(instr.op, instr.arg) for instr in emitter.out[-3:]] == [(Op.SWAP, 4), (Op.SWAP, 3), (Op.SWAP, 2)]:
        del emitter.out[-3]  # the end of object[a:b] op= value: the slice is one operand here
    else:
        emitter.emit(Op.BUILD_SLICE, 2, unit)
    emitter.emit(Op.STORE_SUBSCR, None, unit)


def return_const(emitter: Emitter, arg: int, unit: int) -> None:
    emitter.emit(Op.LOAD_CONST, emitter.constants[arg], unit)
    emitter.end(Op.RETURN, None, unit)


def call_intrinsic_1(emitter: Emitter, arg: int, unit: int) -> None:
    op, operand = INTRINSICS_1[arg]
    if op is Op.UNSUPPORTED:
        emitter.end(op, operand, unit)
    else:
        emitter.emit(op, operand, unit)


GONE = """
    ASYNC_GEN_WRAP IMPORT_STAR JUMP_IF_FALSE_OR_POP JUMP_IF_TRUE_OR_POP LIST_TO_TUPLE LOAD_CLASSDEREF LOAD_METHOD
    POP_JUMP_BACKWARD_IF_FALSE POP_JUMP_BACKWARD_IF_NONE POP_JUMP_BACKWARD_IF_NOT_NONE POP_JUMP_BACKWARD_IF_TRUE
    POP_JUMP_FORWARD_IF_FALSE POP_JUMP_FORWARD_IF_NONE POP_JUMP_FORWARD_IF_NOT_NONE POP_JUMP_FORWARD_IF_TRUE
    PRECALL PREP_RERAISE_STAR PRINT_EXPR UNARY_POSITIVE
"""

RULES: Rules = derive(
    v311.RULES,
    GONE,
    {
        "BINARY_SLICE": binary_slice,
        "CALL_INTRINSIC_1": call_intrinsic_1,
        "CALL_INTRINSIC_2": Unsupported("type parameters"),
        "CLEANUP_THROW": Unsupported("await"),
        "COMPARE_OP": Plain(Op.COMPARE, tuple(name for name in v311.COMPARISONS for _ in range(16))),
        "END_FOR": SKIP,
        "END_SEND": Unsupported("await"),
        "LOAD_ATTR": load_attr,
        "LOAD_FAST_AND_CLEAR": Plain(Op.LOAD_FAST_AND_CLEAR, LOCAL),
        "LOAD_FAST_CHECK": Plain(Op.LOAD_FAST, LOCAL),
        "LOAD_FROM_DICT_OR_DEREF": Unsupported("class"),
        "LOAD_FROM_DICT_OR_GLOBALS": Unsupported("class"),
        "LOAD_LOCALS": Unsupported("class"),
        "LOAD_SUPER_ATTR": load_super_attr,
        "MAKE_CELL": make_cell,
        "POP_JUMP_IF_FALSE": Jump("false"),
        "POP_JUMP_IF_NONE": Jump("none"),
        "POP_JUMP_IF_NOT_NONE": Jump("not none"),
        "POP_JUMP_IF_TRUE": Jump("true"),
        "RETURN_CONST": return_const,
        "STORE_SLICE": store_slice,
    },
)


def version() -> Version:
    """The rules, ready for use on CPython 3.12."""
    return Version(RULES, v311.SUSPENDING, AFTER_LOOP)
