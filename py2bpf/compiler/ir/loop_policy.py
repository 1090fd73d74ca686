"""Which form a loop gets, which functions become subprograms, and how long that may be tried: the one place where it
is decided, with the numbers that were found by measuring.

| form | what it is | when |
| --- | --- | --- |
| unrolled | the body once for each item, the variable constant | few items, or a body that needs constants |
| bounded | a jump back, which the verifier walks iteration by iteration | the walk is surely short: the fastest |
| iterator | the kernel's bpf_iter_num around it: the verifier walks the body two or three times | all else, Linux 6.4 |
| callback | a function that bpf_loop calls: the verifier walks the body once, or a few times | all else, Linux 5.17 |

What can't be a callback is a bounded loop, and so is every loop that isn't unrolled where the kernel has neither: the
verifier has the last word then.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from ...spec import Target

UNROLL_ITERATIONS: Final = 32
"""A range of more numbers becomes a run-time loop, unless its body needs its variable as a constant."""
UNROLL_INSTRUCTIONS: Final = 512
"""The same, if iterations times canonical instructions of the body exceed this."""

LEAVING_ITERATIONS: Final = 256
"""After so many iterations a ``while`` that leaves run-time code in each, or that run-time branches leave, is tried as
a run-time loop."""
LEAVING_BLOCKS: Final = 2048
"""And one that run-time branches leave also after so many blocks."""
PATIENCE: Final = 3
"""After so many iterations that change a plan again, a loop is no longer unrolled."""
CALLS_PATIENCE: Final = 16
"""The same where the plans of functions change that it calls: each iteration has its own."""
MAX_UNROLLED: Final = 4096
"""No loop is unrolled to more iterations."""

MAX_ATTEMPTS: Final = 200
"""So often one form of a function is evaluated: each attempt begins with what those before it found out."""
MAX_BLOCKS: Final = 30_000
"""So many blocks may an attempt evaluate, and so many all together that came before it: each may be worth a try, and
together they take minutes."""
MAX_KEPT: Final = 4_000_000
"""Objects in all states that wait to be merged: each iteration's lists and dicts are in those of all later ones."""

MAX_ITERATIONS: Final = 8 * 1024 * 1024
"""BPF_MAX_LOOPS of the kernel: so often an iterator goes on, and no more."""
TOO_LONG: Final = "TimeoutError"
"""The name under which a loop is counted that wants more than MAX_ITERATIONS."""

SUBPROGRAM_INSTRUCTIONS: Final = 256
"""A function of so many canonical instructions becomes a BPF subprogram instead of being inlined, when it is called
from SUBPROGRAM_CALLS places with the same constants. A call takes 5 ns, a fifth of what such a function takes."""
SUBPROGRAM_CALLS: Final = 2

WALKED: Final = 1_000_000
"""BPF_COMPLEXITY_LIMIT_INSNS of the kernel: more steps the verifier takes for no program."""
STRAIGHT_STEPS: Final = 40_000
"""Verifier steps that a loop without branches may take, for all states that branches around it may bring there: a
fraction of what is allowed."""
BRANCHING_STEPS: Final = 6_000
"""The same with branches, each of which may double what the verifier has to walk after it."""
ITERATOR_WALKS: Final = 4
"""How often the verifier walks the body of an iterator's loop, or a callback, until nothing new comes up."""


MAX_CONTEXT: Final = 256
"""The most bytes of stack for what a loop shares with its callback: half of what a program has for all its frames."""


def is_short(iterations: int, instructions: int) -> bool:
    """Whether a loop over so many items, with so many instructions in its body, is unrolled without need."""
    return iterations <= UNROLL_ITERATIONS and iterations * instructions <= UNROLL_INSTRUCTIONS


class Form(Enum):
    """What a run-time loop becomes."""

    BOUNDED = "bounded"
    ITERATOR = "iterator"
    CALLBACK = "callback"


class Shape(NamedTuple):
    """What is known of a loop: the most iterations (None: nobody knows), the operations of one iteration as the
    verifier walks them, inner loops included, and the branches among them; the loop's own test is one unless the
    number of iterations is a constant. ``around`` are the branches of the program outside of the loop."""

    trips: int | None
    steps: int
    forks: int
    around: int


def walk(shape: Shape, form: Form) -> int:
    """About how many steps the verifier takes for the loop."""
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
