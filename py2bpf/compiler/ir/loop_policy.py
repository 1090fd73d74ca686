"""The policy for the forms of loops, for subprograms, and for the limits of attempts: the only place of these decisions
and of their numbers, which were found by measuring.

| form | what it is | when |
| --- | --- | --- |
| unrolled | the body once for each item, the variable constant | few items, or a body that needs constants |
| bounded | a jump back, which the verifier walks iteration by iteration | the walk is surely short: the fastest |
| iterator | the kernel's bpf_iter_num around it: the verifier walks the body two or three times | all else, Linux 6.4 |
| callback | a function that bpf_loop calls: the verifier walks the body once, or a few times | all else, Linux 5.17 |

A loop that can't be a callback is bounded. If the kernel has neither iterators nor bpf_loop, so is every loop that
isn't unrolled; then the verifier decides whether it accepts the loop.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from ...spec import Target

UNROLL_ITERATIONS: Final = 32
"""A range of more numbers becomes a run-time loop, unless its body needs its variable as a constant."""
UNROLL_INSTRUCTIONS: Final = 512
"""So does a range if its iterations times the canonical instructions of the body exceed this."""

LEAVING_ITERATIONS: Final = 256
"""After this many iterations, a ``while`` that leaves run-time code in each, or that run-time branches leave, is tried
as a run-time loop."""
LEAVING_BLOCKS: Final = 2048
"""After this many blocks, a ``while`` that run-time branches leave is also tried as a run-time loop."""
PATIENCE: Final = 3
"""After this many iterations that change a plan again, a loop is no longer unrolled."""
CALLS_PATIENCE: Final = 16
"""The same for plans of loops in functions that the loop calls, since each iteration has its own plans."""
MAX_UNROLLED: Final = 4096
"""The most iterations to which a loop is unrolled."""

MAX_ATTEMPTS: Final = 200
"""The most attempts to evaluate one form of a function."""
MAX_BLOCKS: Final = 30_000
"""The most blocks that one attempt may evaluate. No attempt begins after the earlier ones have evaluated as many
together, which takes minutes."""
MAX_KEPT: Final = 4_000_000
"""The most heap objects in all states that wait to be merged. Lists and dicts of one iteration are in the states of all
later ones."""

MAX_ITERATIONS: Final = 8 * 1024 * 1024
"""BPF_MAX_LOOPS of the kernel: the most turns of a loop."""
TOO_LONG: Final = "TimeoutError"
"""The error name under which a loop with more than MAX_ITERATIONS turns is counted."""

SUBPROGRAM_INSTRUCTIONS: Final = 256
"""A function of at least this many canonical instructions becomes a BPF subprogram instead of being inlined, if it is
called from SUBPROGRAM_CALLS places with the same constants. A call takes 5 ns, a fifth of such a function's time."""
SUBPROGRAM_CALLS: Final = 2

WALKED: Final = 1_000_000
"""BPF_COMPLEXITY_LIMIT_INSNS of the kernel: the most steps that the verifier takes for a program."""
STRAIGHT_STEPS: Final = 40_000
"""The most verifier steps for a bounded loop without branches. Branches around the loop may bring several states there,
so this is a fraction of the verifier's limit."""
BRANCHING_STEPS: Final = 6_000
"""The same for a loop with branches, each of which may double the verifier's steps after it."""
ITERATOR_WALKS: Final = 4
"""How often the verifier walks the body of an iterator's loop, or a callback, until it finds no new state."""


MAX_CONTEXT: Final = 256
"""The most bytes of stack that a loop may share with its callback: half of the stack for all frames of a program."""


def is_short(iterations: int, instructions: int) -> bool:
    """Whether a loop is unrolled even if its body needs no constants, because it is short."""
    return iterations <= UNROLL_ITERATIONS and iterations * instructions <= UNROLL_INSTRUCTIONS


class Form(Enum):
    """The form of a run-time loop."""

    BOUNDED = "bounded"
    ITERATOR = "iterator"
    CALLBACK = "callback"


class Shape(NamedTuple):
    """Properties of a loop: the most turns (None: unknown), the operations of one turn as the verifier walks them,
    inner loops included, and the branches among them. The loop's own test counts as a branch unless the number of turns
    is constant. ``around`` is the number of the program's branches outside of the loop."""

    trips: int | None
    steps: int
    forks: int
    around: int


def walk(shape: Shape, form: Form) -> int:
    """An estimate of the verifier's steps for the loop."""
    trips = ITERATOR_WALKS if form is not Form.BOUNDED or shape.trips is None else shape.trips
    return trips * shape.steps * (1 + shape.forks)


def choose(shape: Shape, target: Target) -> Form:
    """The form of a loop that isn't unrolled."""
    if not target.iterators and not target.bpf_loop:
        return Form.BOUNDED
    endless = Form.ITERATOR if target.iterators else Form.CALLBACK
    if shape.trips is None:
        return endless
    limit = BRANCHING_STEPS if shape.forks else STRAIGHT_STEPS
    return Form.BOUNDED if walk(shape, Form.BOUNDED) * (1 + shape.around) <= limit else endless
