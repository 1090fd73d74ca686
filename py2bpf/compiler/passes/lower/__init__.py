"""Replaces exact operations by raw ones, as cheap as the value ranges allow, and drops guards that can't fail.

%2 = floordiv i64 %1, 8      ->   %2 = ashr i64 %1, 3       (an arithmetic shift floors)
%3 = lt i64 %1, %2           ->   %3 = slt i64 %1, %2       (both fit i64)
guard ne %4, 0               ->                             (%4 in [1, 9])
"""

from __future__ import annotations

from typing import Final

from ...ir.values import Function
from . import accesses, branches, comparisons, divisions, masks, shifts
from .lowering import Lowering, Rules

RULES: Final[Rules] = {
    **comparisons.RULES,
    **divisions.RULES,
    **shifts.RULES,
    **masks.RULES,
    **accesses.RULES,
    **branches.RULES,
}
"""The rule of each operation; of other operations, only constants are folded."""


def run(fn: Function) -> None:
    """Lowers the whole function."""
    Lowering(fn, RULES).run()
