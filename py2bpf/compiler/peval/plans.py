"""Plans, which say how a loop is evaluated. A transition gives another plan, with which the next attempt begins.

    Unrolled    a run-time branch decides whether the loop goes on, or it is long  ->  RunTime
    RunTime     its body, or code after it, failed                                 ->  Forced
    RunTime     a variable needs another phi                                       ->  RunTime
    any         its items are known at run time only                               ->  RunTime, which can't be unrolled

There are no other transitions, and none from Forced back to Unrolled, so that plans stop changing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..ir.types import Int
from .values import CellId, KernelRef, OptionalInt, Ref, TupleOf

Slot = tuple[Any, ...]
"""A variable of a loop: ("local", name), ("cell", id) or ("stack", index), then the way to a part of it."""
Wanted = Int | Ref | KernelRef | OptionalInt | TupleOf | str
"""The form of a variable's phi: an integer type, a model value, or (a str) the reason why no phi can hold it."""


@dataclass(frozen=True, slots=True)
class Unrolled:
    """The loop is unrolled, iteration by iteration. ``leaves``: a run-time branch leads out of it."""

    leaves: bool = False


@dataclass(frozen=True, slots=True)
class RunTime:
    """The loop runs at run time. Its header has a phi for everything that the body may change.

    ``tried``: planned only because the loop is long. ``types``: the forms of phis that differ from the variable's value
    on entry. ``mixed``: the phis that are a bool on some paths only. ``cells``: the variables that functions called in
    the loop change.
    """

    can_unroll: bool = True
    tried: bool = False
    types: Mapping[Slot, Wanted] = field(default_factory=dict)
    mixed: frozenset[Slot] = frozenset()
    cells: frozenset[CellId] = frozenset()

    def holding(self, slot: Slot, wanted: Wanted) -> RunTime:
        """The plan with a phi of the form ``wanted`` for the variable."""
        return replace(self, types={**self.types, slot: wanted})

    def mixing(self, slot: Slot) -> RunTime:
        """The plan with a variable that is a bool on some paths only."""
        return replace(self, mixed=self.mixed | {slot})

    def carrying(self, cell: CellId) -> RunTime:
        """The plan with a variable that functions called in the loop change."""
        return replace(self, cells=self.cells | {cell})


@dataclass(frozen=True, slots=True)
class Forced:
    """The loop is unrolled, however many iterations there are; ``reason`` says why it can't run at run time."""

    reason: str


Plan = Unrolled | RunTime | Forced

LoopAt = tuple[Any, int, tuple[int, ...]]
"""A loop in one context: the path of calls, its header, the iterations of the loops around it."""
Plans = dict[LoopAt, Plan]


def left(plan: Plan) -> Plan:
    """The plan after a run-time branch that leads out of the loop."""
    return Unrolled(leaves=True) if isinstance(plan, Unrolled) else plan


def given_up(plan: Plan, tried: bool = False) -> Plan:
    """The plan of a loop whose unrolling has no end in sight. ``tried``: the loop may have an end, but is long."""
    return RunTime(tried=tried) if isinstance(plan, Unrolled) else plan


def without_end(plan: Plan) -> Plan:
    """The plan of a loop whose number of items is known at run time only."""
    return plan if isinstance(plan, RunTime) else RunTime(can_unroll=False)


def forced(plan: Plan, reason: str) -> Plan:
    """The plan after an attempt failed because the loop ran at run time."""
    return Forced(reason) if isinstance(plan, RunTime) and plan.can_unroll else plan
