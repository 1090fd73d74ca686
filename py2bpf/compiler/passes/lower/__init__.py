"""Replaces exact operations by raw ones, as cheap as the value ranges allow, and drops guards that can't fail.

%2 = floordiv i64 %1, 8      ->   %2 = ashr i64 %1, 3       (an arithmetic shift floors)
%3 = lt i64 %1, %2           ->   %3 = slt i64 %1, %2       (both fit i64)
guard ne %4, 0               ->                             (%4 in [1, 9])
"""

from __future__ import annotations

from typing import Final

from ...ir.ops import Op
from ...ir.values import Function
from .accesses import lower_call, lower_store, lower_view
from .branches import lower_branch, lower_guard
from .comparisons import lower_equality, lower_order, lower_raw_order
from .divisions import lower_floordiv, lower_mod
from .lowering import Lowering, Rules
from .masks import lower_and, lower_or
from .shifts import lower_bswap, lower_lshift, lower_mul, lower_rshift, lower_trunc

RULES: Final[Rules] = {
    **dict.fromkeys((Op.LT, Op.LE, Op.GT, Op.GE), lower_order),
    **dict.fromkeys((Op.EQ, Op.NE), lower_equality),
    **dict.fromkeys((Op.ULT, Op.ULE, Op.UGT, Op.UGE, Op.SLT, Op.SLE, Op.SGT, Op.SGE), lower_raw_order),
    Op.FLOORDIV: lower_floordiv,
    Op.MOD: lower_mod,
    Op.LSHIFT: lower_lshift,
    Op.RSHIFT: lower_rshift,
    Op.MUL: lower_mul,
    Op.TRUNC: lower_trunc,
    Op.BSWAP: lower_bswap,
    Op.AND: lower_and,
    Op.OR: lower_or,
    Op.STORE: lower_store,
    Op.VIEW: lower_view,
    Op.CALL: lower_call,
    Op.GUARD: lower_guard,
    Op.BRANCH: lower_branch,
}
"""What becomes of each operation; of others only constants are folded."""


def run(fn: Function) -> None:
    """Lowers the whole function."""
    Lowering(fn, RULES).run()
