"""Expands views of packets into operations that the verifier accepts: pointers, and comparisons with the packet's end.

    %1 = view packet*? %0, bytes=14, offset=20     %1 = load packet* %0, offset=0       (data)
    guard ne %1, 0                            ->   %2 = load packet* %0, offset=4       (data_end)
    %2 = load i64 %1, offset=8                     guard ule (ptradd %1, 34), %2
                                                   %3 = load i64 %1, offset=28

Every access is dominated by a comparison that covers it: one of the program (``if ip is None``), or an inserted one. If
a helper may have moved the packet, a view that is still used is computed again.
"""

from __future__ import annotations

from ...ir.ops import Op
from ...ir.values import Function, prune
from .expansion import Expansion


def run(fn: Function) -> bool:
    """Expands all views; says whether there are any."""
    if not any(value.op in (Op.VIEW, Op.EXTENT) for block in fn.blocks for value in block.body):
        return False
    Expansion(fn).run()
    prune(fn)
    return True
