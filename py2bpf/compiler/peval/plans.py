"""How a loop is evaluated. A plan is a value: a transition gives another plan, and the next attempt begins with it.

    Unrolled    a run-time branch decides whether it goes on, or it is long        ->  RunTime
    RunTime     its body, or what comes after it, failed                           ->  Forced
    RunTime     a variable needs another phi                                       ->  RunTime
    any         its items are known at run time only                               ->  RunTime, which can't be unrolled

No other transitions exist, and no way leads back from Forced to Unrolled, so plans settle.
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
"""What the phi of a variable must hold: an integer type, a model, or (a str) why none can hold it."""


@dataclass(frozen=True, slots=True)
class Unrolled:
    """Iteration by iteration. ``leaves``: a run-time branch leads out of it."""

    leaves: bool = False


@dataclass(frozen=True, slots=True)
class RunTime:
    """As a loop, whose header has a phi for whatever the body may change.

    ``tried``: only since it is long. ``types`` tells what the phi of a variable must hold where that isn't what the
    variable is on entry; ``mixed`` are the phis that are a bool on some paths only, ``cells`` the variables that
    functions called in the loop change.
    """

    can_unroll: bool = True
    tried: bool = False
    types: Mapping[Slot, Wanted] = field(default_factory=dict)
    mixed: frozenset[Slot] = frozenset()
    cells: frozenset[CellId] = frozenset()

    def holding(self, slot: Slot, wanted: Wanted) -> RunTime:
        """With a phi for the variable that holds ``wanted``."""
        return replace(self, types={**self.types, slot: wanted})

    def mixing(self, slot: Slot) -> RunTime:
        """With a variable that is a bool on some paths only."""
        return replace(self, mixed=self.mixed | {slot})

    def carrying(self, cell: CellId) -> RunTime:
        """With a variable that is changed by functions which the loop calls."""
        return replace(self, cells=self.cells | {cell})


@dataclass(frozen=True, slots=True)
class Forced:
    """Iteration by iteration, however many there are: ``reason`` tells why it can't be a loop."""

    reason: str


Plan = Unrolled | RunTime | Forced

LoopAt = tuple[Any, int, tuple[int, ...]]
"""A loop on one way to it: the path of calls, its header, the iterations of the loops around it."""
Plans = dict[LoopAt, Plan]


def left(plan: Plan) -> Plan:
    """A run-time branch leads out of the loop."""
    return Unrolled(leaves=True) if isinstance(plan, Unrolled) else plan


def given_up(plan: Plan, tried: bool = False) -> Plan:
    """Unrolling the loop has no end in sight. ``tried``: it may have one, but is long."""
    return RunTime(tried=tried) if isinstance(plan, Unrolled) else plan


def without_end(plan: Plan) -> Plan:
    """Only run time knows how many items there are."""
    return plan if isinstance(plan, RunTime) else RunTime(can_unroll=False)


def forced(plan: Plan, reason: str) -> Plan:
    """The program can't be made with the loop at run time."""
    return Forced(reason) if isinstance(plan, RunTime) and plan.can_unroll else plan
