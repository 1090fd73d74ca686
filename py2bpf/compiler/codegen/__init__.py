"""Machine code: selection, register allocation, emission."""

from __future__ import annotations

import ctypes
import functools

from ...spec import MapSpec, ProgramSpec
from ...uapi.map_types import MapType
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
    insns, lines = Emitter(code, allocation, places).run()
    errors = tuple(code.errors)
    if not errors:
        return ProgramSpec(
            fn.name, fn.hook, insns, lines, tuple(fn.maps), tuple(fn.captures), kfuncs=tuple(fn.kfuncs)
        )
    return ProgramSpec(
        fn.name, fn.hook, insns, lines, (*fn.maps, _error_map(len(errors))), (*fn.captures, None),
        kfuncs=tuple(fn.kfuncs), errors=errors, error_map=len(fn.maps),
    )  # fmt: skip


@functools.cache
def _error_map(count: int) -> MapSpec:
    """The map of ``count`` error counters: the same object each time, so that equal programs have equal specs."""
    return MapSpec(MapType.ARRAY, ctypes.c_uint32, ctypes.c_uint64 * count, 1, name="errors")
