"""The alignment of addresses: the verifier refuses unaligned accesses to the stack."""

from __future__ import annotations

from typing import Final

from .ops import Op
from .values import Value, plain

WIDEST: Final = 8
_MAX_DEPTH: Final = 4


def alignment(pointer: Value, depth: int = 0) -> int:
    """The largest power of two, at most 8, that certainly divides the address. Stack objects begin at multiples of 8.
    """
    least = WIDEST
    while pointer.op is Op.PTRADD:
        least = min(least, _factor(pointer.args[1]))
        pointer = pointer.args[0]
    if pointer.op is Op.PHI:
        if depth == _MAX_DEPTH:
            return 1
        least = min([least, *(alignment(arg, depth + 1) for arg in pointer.args if arg is not pointer)])
    return least


def _factor(value: Value) -> int:
    """The largest power of two, at most 8, that certainly divides an integer."""
    value = plain(value)
    if value.op is Op.CONST:
        number: int = value.attr
        return min(number & -number, WIDEST) if number else WIDEST
    if value.op is Op.MUL:
        return min(_factor(value.args[0]) * _factor(value.args[1]), WIDEST)
    if value.op is Op.SHL and value.args[1].op is Op.CONST:
        return min(1 << int(value.args[1].attr), WIDEST)
    return 1


def pieces(first: int, second: int, size: int, widest: int = WIDEST) -> list[tuple[int, int]]:
    """(offset, bytes) of the widest accesses that are aligned at both places, and no wider than ``widest``."""
    found = []
    at = 0
    while at < size:
        step = min(widest, size - at)
        width = next(w for w in (8, 4, 2, 1) if w <= step and (first + at) % w == 0 and (second + at) % w == 0)
        found.append((at, width))
        at += width
    return found
