"""Discards records of ring buffers that a path reserves and forgets, since the verifier refuses programs that keep one.

%1 = call record*? ringbuf_reserve ...       %1 = call record*? ringbuf_reserve ...
branch %1, b1, b3                            branch %1, b1, b3
b1: guard %2                            ->   b1: branch %2, b2, b4
    call ringbuf_submit %1                   b2: call ringbuf_submit %1
    jump b3                                      jump b3
b3: return 0                                 b3: return 0
                                             b4: call ringbuf_discard %1
                                                 exit

Python would drop a record that is never submitted, so a discard has the same meaning: where the program ends, and where
paths meet of which another one has given the record back. Later uses of the record are errors.
"""

from __future__ import annotations

from ...ir.values import Function
from .discards import Discards
from .record_flow import RecordFlow, is_record, is_root


def run(fn: Function) -> None:
    """Finds where each record is held, then adds the discards."""
    if not any(is_root(value) for block in fn.blocks for value in block.values()):
        return
    _drop_unused(fn)
    Discards(fn, RecordFlow(fn)).run()


def _drop_unused(fn: Function) -> None:
    """Drops unused phis of records, which would count as the new owners of records that are still used."""
    used = {arg for block in fn.blocks for value in block.values() for arg in value.args}
    unused = {phi for block in fn.blocks for phi in block.phis if is_record(phi) and phi not in used}
    for block in fn.blocks:
        block.phis = [phi for phi in block.phis if phi not in unused]
    if unused:
        _drop_unused(fn)
