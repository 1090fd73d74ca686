"""Drops unused values: pure operations, loads, phis, look-ups whose result is ignored, stores to objects that are never
read.

    %1 = load %0 (16, 4, unsigned)      (gone, if %1 is not used)
"""

from __future__ import annotations

from ..ir.ops import INFO, Op
from ..ir.types import VOID
from ..ir.values import Function, Value

_WRITES = frozenset({Op.STORE, Op.ZERO, Op.COPY})


def run(fn: Function) -> None:
    """Marks from what has effects, sweeps the rest."""
    live: set[Value] = set()
    work = [v for block in fn.blocks for v in block.values() if not _removable(v)]
    writes: dict[Value, list[Value]] = {}
    for block in fn.blocks:
        for value in block.body:
            if value.op in _WRITES and value.args[0].op is Op.ALLOCA:
                writes.setdefault(value.args[0], []).append(value)
    while work:
        value = work.pop()
        if value in live or value.op is Op.CONST:
            continue
        live.add(value)
        work += value.args
        if value.op is Op.ALLOCA:
            work += writes.get(value, ())
    for block in fn.blocks:
        block.phis = [phi for phi in block.phis if phi in live]
        block.body = [value for value in block.body if value in live]


def _removable(value: Value) -> bool:
    info = INFO[value.op]
    if info.pure or info.removable:
        return value.type is not VOID
    if value.op is Op.CALL:
        return bool(value.attr.droppable)
    return value.op in _WRITES and value.args[0].op is Op.ALLOCA
