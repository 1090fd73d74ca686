"""Calls of py2bpf.funcs: kernel helpers, and functions that the compiler expands."""

from __future__ import annotations

from ...exception import TypeMismatch
from ...intrinsics import Helper, Intrinsic, Pseudo
from . import helper_calls, hints, losses, pseudo_functions, rings, text
from .kind import Args
from .machine import Machine
from .state import State
from .values import Abstract, RuntimeInt


def call(ev: Machine, state: State, fn: Intrinsic, args: Args, kwargs: dict[str, Abstract]) -> Abstract:
    """Translates a call of a helper or pseudo function."""
    if kwargs:
        call = helper_calls.call_of(fn.info) if isinstance(fn, Helper) else getattr(fn, "signature", fn.__name__)
        raise TypeMismatch(0, f"{fn.__name__}() takes no keyword arguments",
                           hints=(f"give the values without names: {call}",))  # fmt: skip
    if isinstance(fn, Pseudo):
        return _call_pseudo(ev, fn, args)
    assert isinstance(fn, Helper)
    if fn.info.name == "trace_printk":
        return text.call_trace_printk(ev, args)
    rings.refuse_plain(fn.info.name)
    marshal = helper_calls.HelperCall(ev, fn.info)
    result = marshal.call(args)
    if marshal.map is not None and isinstance(result, RuntimeInt):
        if fn.info.name in losses.WRITING:
            losses.count_failure(ev.b, marshal.map, result.ir, losses.WRITING[fn.info.name])
        if fn.info.name == "map_update_elem":
            losses.count_refused(ev.b, marshal.map, result.ir, losses.NOT_LOST)
    if fn.info.name in helper_calls._INTS and isinstance(result, RuntimeInt):
        return RuntimeInt(losses.whole(ev.b, result.ir))
    return result


def _call_pseudo(ev: Machine, fn: Pseudo, args: Args) -> Abstract:
    counts = fn.counts
    if len(args) not in counts:
        wanted = hints.count(counts[-1], "argument") if len(counts) == 1 else f"{counts[0]} or {counts[1]} arguments"
        raise TypeMismatch(
            0,
            f"{fn.__name__}() takes {wanted}, but {len(args)} are given",
            hints=(f"call it as {fn.signature}",),
        )
    return pseudo_functions.PSEUDO[fn.__name__](ev, args)
