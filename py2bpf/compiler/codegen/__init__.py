"""Machine code: selection, register allocation, emission."""

from __future__ import annotations

from ...spec import ProgramSpec
from ..ir.values import Function
from . import edges, frame, regalloc, select
from .emit import Emitter


def generate(fn: Function) -> ProgramSpec:
    """A lowered IR function as a program specification.

    Raises LimitExceeded where it needs more stack than BPF has.
    """
    edges.split_critical(fn)
    places = frame.lay_out(fn)
    code = select.Selector(fn, edges.loop_depths(fn), places.slots).run()
    allocation = regalloc.allocate(code)
    insns, lines = Emitter(code, allocation, places, fn.hook.safe).run()
    return ProgramSpec(fn.name, fn.hook, insns, lines, tuple(fn.maps), tuple(fn.captures))
