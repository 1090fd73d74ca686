"""Machine code: selection, register allocation, emission."""

from __future__ import annotations

import ctypes
import functools

from ...disasm import Shown
from ...spec import LossMap, MapSpec, ProgramSpec
from ...uapi.map_types import MapType
from ..ir.ops import Op
from ..ir.values import Function
from . import distances, edges, frame, regalloc, select, zeros
from .emit import Emitter
from .exits import Sites
from .program import Compiled, FrameSizeError, join

__all__ = ["FrameSizeError", "generate"]

_LEADS = (Op.CALL_SUB, Op.LOOP, Op.FUNC)


def generate(fn: Function) -> ProgramSpec:
    """A lowered IR function and its subprograms as a program specification.

    Raises LimitExceeded if the function needs more stack than BPF has or jumps too far, FrameSizeError if only its
    subprograms need too much stack.
    """
    errors: Sites = {}
    called = _called(fn)
    fn.subprograms[:] = [function for function in fn.subprograms if function in called]
    insns, lines, functions = join([_function(part, errors) for part in (fn, *fn.subprograms)])
    maps, captures = tuple(fn.maps), tuple(fn.captures)
    if errors:
        maps, captures = (*maps, _error_map(len(errors))), (*captures, None)
    return ProgramSpec(
        fn.name, fn.hook, tuple(map(Shown._make, insns)), lines, maps, captures,
        functions=functions, kfuncs=tuple(fn.kfuncs),
        errors=tuple(errors), error_map=len(fn.maps) if errors else None,
        loss_maps=tuple(LossMap(counter, of) for of, counter in fn.losses.items()),
    )  # fmt: skip


def _called(fn: Function) -> set[Function]:
    """The functions that are still called; the verifier refuses others as unreachable."""
    found: set[Function] = set()
    work = [fn]
    while work:
        calls = (value for block in work.pop().blocks for value in block.body if value.op in _LEADS)
        more = {value.attr for value in calls} - found
        found |= more
        work += more
    return found


def _function(fn: Function, errors: Sites) -> Compiled:
    edges.split_critical(fn)
    aside = zeros.put_last(fn)
    places = frame.lay_out(fn)
    code = select.select(fn, edges.loop_depths(fn), places.slots, errors)
    distances.check(code)
    allocation = regalloc.allocate(code)
    emitter = Emitter(code, allocation, places, aside)
    return Compiled(fn, *emitter.run(), emitter.stack)


@functools.cache
def _error_map(count: int) -> MapSpec:
    """The map of ``count`` error counters: the same object each time, so that equal programs have equal specs."""
    return MapSpec(MapType.ARRAY, ctypes.c_uint32, ctypes.c_uint64 * count, 1, name="errors")
