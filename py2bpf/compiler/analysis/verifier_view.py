"""Estimates what the kernel's verifier knows of a number, from the compiler's ranges."""

from __future__ import annotations

from collections.abc import Container
from typing import Final, Protocol

from ..ir.ops import INFO, Op
from ..ir.types import Int
from ..ir.values import Value
from .intervals import FULL, Range


class Known(Protocol):
    """The ranges of values at one place, and the values of which the verifier may know less."""

    base: dict[Value, Range]
    doubtful: set[Value]


_SHIFTS: Final = frozenset({Op.LSHIFT, Op.RSHIFT, Op.SHL, Op.LSHR, Op.ASHR})
"""Operations of whose results the verifier knows nothing unless the count is constant."""
_MAX_STEPS: Final = 32


def verifier_sees(value: Value, ranges: Known, counters: bool = False, hidden: Container[Value] = ()) -> bool:
    """Whether the kernel's verifier can derive the same range as ``ranges``. Only then may a check that protects memory
    be dropped.

    ``counters``: counters of loops count as known, since the verifier follows them from turn to turn. ``hidden``: the
    values of which the verifier knows nothing."""
    work, steps = [value], 0
    seen: set[Value] = set()
    while work:
        current = work.pop()
        if counters and current in seen:
            continue
        seen.add(current)
        steps += 1
        if INFO[current.op].hidden or current in hidden or current in ranges.doubtful or steps > _MAX_STEPS:
            return False
        if current.op in _SHIFTS and current.args[1].op is not Op.CONST:
            return False
        if not _masked(current, ranges) and current.op is not Op.LOAD and not INFO[current.op].compare:
            work += [arg for arg in current.args if arg is not current and isinstance(arg.type, Int)]
    return True


def _masked(value: Value, ranges: Known) -> bool:
    """Whether the range is that of a constant mask. A smaller range comes from the other operand, of which the verifier
    may know less."""
    if value.op is not Op.AND:
        return False
    high = ranges.base.get(value, FULL[True])[1]
    return any(arg.op is Op.CONST and 0 <= arg.attr <= high for arg in value.args)
