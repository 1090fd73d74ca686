"""Predicates for rules: can a value be an immediate operand, part of an address, a condition of several jumps?

They look only at values of the IR; ``uses.py`` counts how often values are used.
"""

from __future__ import annotations

from typing import Final

from ...asm import fits
from ..ir.fold import signed
from ..ir.ops import INFO, Op
from ..ir.types import Ptr, Region
from ..ir.values import Value, plain
from .target import Isa

_DEEPEST: Final = 64
"""Conditions nested up to this depth become jumps; deeper ones are computed as numbers."""
_NEAR: Final = 0x4000
"""Offsets up to here become part of an access, which has 16 bits for them."""
_FOLDED: Final = 0x2000
"""An offset below this, added to a pointer, becomes part of each access, so that the access's own offset still fits."""
_LENIENT: Final = frozenset({Region.VALUE, Region.MEM, Region.PACKET, Region.RECORD})
"""Memory in which the verifier allows unaligned accesses if the processor can make them."""


def immediate(value: Value) -> int | None:
    """The value as an immediate operand, if it is one."""
    value = plain(value)
    if value.op is Op.CONST:
        number = signed(value.attr)
        if fits(number):
            return number
    return None


def is_light(value: Value) -> bool:
    """Whether a value is a map, a function or a place on the stack, which can be made anywhere without reading a
    register."""
    while value.op is Op.PTRADD and value.args[1].op is Op.CONST:
        value = value.args[0]
        if value.op is Op.ALLOCA:
            return True
    return value.op in (Op.MAP, Op.FUNC, Op.ALLOCA)


def address_mode(pointer: Value, offset: int) -> tuple[Value, int]:
    """The base pointer of an access, and the offset from it: constants that are added to pointers are part of the
    access."""
    while (
        pointer.op is Op.PTRADD
        and pointer.args[1].op is Op.CONST
        and -_NEAR < offset + pointer.args[1].attr < _NEAR
    ):
        offset += pointer.args[1].attr
        pointer = pointer.args[0]
    return pointer, offset


def folds_into_accesses(pointer: Value) -> bool:
    """Whether a sum of a pointer and a number can be part of the accesses through it."""
    return pointer.args[1].op is Op.CONST and -_FOLDED < pointer.args[1].attr < _FOLDED


def is_condition(value: Value) -> bool:
    """Whether a value is a conjunction or disjunction of comparisons that a branch can make by several jumps. The depth
    is limited, since the jumps are made by recursion."""
    return value.op in (Op.AND, Op.OR) and _is_tree(value, _DEEPEST)


def _is_tree(value: Value, depth: int) -> bool:
    inner = value.op in (Op.AND, Op.OR) and depth > 0
    return inner and all(INFO[arg.op].compare or _is_tree(arg, depth - 1) for arg in value.args)


def is_strict(pointer: Value, isa: Isa) -> bool:
    """Whether the verifier requires aligned accesses: always on the stack and in contexts, elsewhere if the processor
    does."""
    while pointer.op is Op.PTRADD:
        pointer = pointer.args[0]
    if pointer.op is Op.PHI:  # it may be on the stack on one of the paths
        return True
    known = isinstance(pointer.type, Ptr) and pointer.type.region in _LENIENT
    return not (known and isa.unaligned)
