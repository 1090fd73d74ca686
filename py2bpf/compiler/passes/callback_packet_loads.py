"""Turns packet loads into helper calls if a loop becomes a callback, where a failing load would end only the callback.
The pass ``packet_loads`` rewrites other loads after the loops have their forms, which depend on the calls' cost.

b1: %3 = packet %0, %1 (2, 0)         b1: %5 = call skb_load_bytes %0, %1, %4, 2   ...
    jump b1                     ->        branch eq %5, 0, b2, b3
"""

from __future__ import annotations

from ..ir.loop_policy import Form
from ..ir.values import Function
from .shared.loop_plan import plan_loops
from .shared.packet_calls import has_any, rewrite


def run(fn: Function) -> None:
    """Rewrites all loads of a function with a loop that becomes a callback."""
    if not fn.target.iterators and has_any(fn) and Form.CALLBACK in plan_loops(fn).forms.values():
        rewrite(fn)
