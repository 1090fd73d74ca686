"""Attempts to compile a function: the strategies after a failure, and limits on their cost.

An attempt begins with the decisions of the attempts before. After a failure, the first strategy that can change a
decision does so, and the next attempt begins; if none can, the error is raised. PY2BPF_VERBOSE prints a line for each
attempt. Three places make attempts: the evaluator repeats only evaluation, which fails quickly (up to MAX_ATTEMPTS and
MAX_BLOCKS of ir/loop_policy.py for one form of the program); pipeline.py repeats all stages for each form (with
subprograms, without, without callbacks); prog.py does so for each Target if the verifier gives up.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from ..borders import verbose
from ..exception import InternalCompilerError, LimitExceeded, Py2BpfError, Span, TranslationError, VerifierError
from ..spec import ProgramSpec, Target
from .ir.loop_policy import CALLS_PATIENCE, MAX_ATTEMPTS, MAX_BLOCKS
from .peval import Decisions, Evaluator, Frame, Restart, blame, failures, plans
from .peval.plans import Forced, RunTime


class NoRoom(Exception):  # noqa: N818 - no error: there may be another form that fits
    """A program's frames need more stack than BPF has, or its callbacks share more values than fit."""


class Failure(NamedTuple):
    """The failure of an attempt: ``frame`` is the one that was evaluated, ``spec`` the program that the verifier gave
    up on."""

    error: Exception
    frame: Frame | None = None
    spec: ProgramSpec | None = None

    @property
    def frames(self) -> Iterator[Frame]:
        """The calls in progress, innermost first."""
        return self.frame.callers() if self.frame is not None else iter(())


class Form:
    """A form of the program: the target kernel, and the decisions about the function."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.decisions = Decisions()

    def begin_anew(self) -> None:
        """Forgets the decisions of evaluation, since another form may not need them."""
        self.decisions = Decisions(self.decisions.inline)


class Strategy(NamedTuple):
    """``change`` alters the form after a failure of kind ``after``, and tells whether another attempt is worth it;
    ``says`` describes the change. If the last attempt fails too, the first error is raised."""

    says: str
    after: type[Exception]
    change: Callable[[Form, Failure], bool]


def _settle(form: Form, failure: Failure) -> bool:
    """Evaluation has changed a decision itself. An unrolled ``while`` that changes a decision in every iteration may
    never end, so it is no longer unrolled."""
    known = form.decisions.plans
    for frame in failure.frames:
        for turn in frame.turns():
            if turn.at in known and turn.iteration >= CALLS_PATIENCE and not frame.is_for(turn.loop):
                known[turn.at] = plans.given_up(known[turn.at])
    return True


def _keep_apart(form: Form, failure: Failure) -> bool:
    """After an error on a way out of a loop: evaluates the way out separately for each iteration."""
    apart = form.decisions.apart
    for frame in failure.frames:
        index = frame.context[0]
        if frame.path not in apart and frame.exit_chains()[index] != frame.loop_chains[index]:
            apart.add(frame.path)
            return True
    return False


def _unroll_instead(form: Form, failure: Failure) -> bool:
    """After an error inside a run-time loop: unrolls the innermost one, so that its variables become constants."""
    known = form.decisions.plans
    for frame in failure.frames:
        for turn in reversed(frame.turns()):
            plan = known.get(turn.at)
            if isinstance(plan, RunTime) and plan.can_unroll:
                known[turn.at] = plans.forced(plan, "its body failed at run time")
                return True
            if isinstance(plan, Forced):
                return False
    return False


def _unroll_tried(form: Form, failure: Failure) -> bool:
    """After any other error, if long loops were tried at run time: unrolls them, since code after a loop may need its
    final constants."""
    known = form.decisions.plans
    tried = [at for at, plan in known.items() if isinstance(plan, RunTime) and plan.tried]
    for at in tried:
        known[at] = plans.forced(known[at], "what follows the loop failed")
    return bool(tried)


def _inline(form: Form, failure: Failure) -> bool:
    """Inlines all subprograms, each of which needs a frame of its own."""
    if form.decisions.inline:
        return False
    form.decisions.inline = True
    form.begin_anew()
    return True


def _without_callbacks(form: Form, failure: Failure) -> bool:
    """Makes no callbacks of bpf_loop, each of which needs a frame of its own too."""
    if not form.target.bpf_loop:
        return False
    form.target = form.target.without("bpf_loop")
    form.begin_anew()
    return True


def _without_iterators(form: Form, failure: Failure) -> bool:
    """Uses bpf_loop instead of iterators. In a callback, the verifier forgets the outcomes of branches before the loop.
    Some programs then lack bounds that they need; others stay within the verifier's limit."""
    kfuncs = failure.spec is not None and failure.spec.kfuncs
    if not (_gave_up(failure) and kfuncs and form.target.bpf_loop):
        return False
    form.target = form.target.without("iterators")
    return True


def _without_branches(form: Form, failure: Failure) -> bool:
    """Computes choices between numbers without branches, since the verifier walks both ways of each branch."""
    if not (_gave_up(failure) and form.target.branches):
        return False
    form.target = form.target.without("branches")
    return True


def _gave_up(failure: Failure) -> bool:
    return isinstance(failure.error, VerifierError) and failure.error.gave_up


STRATEGIES: Final = (
    Strategy("", Restart, _settle),
    Strategy("the ways out of a loop are parts of it", TranslationError, _keep_apart),
    Strategy("a loop is unrolled, as its body fails at run time", TranslationError, _unroll_instead),
    Strategy("long loops are unrolled, as what follows them fails", TranslationError, _unroll_tried),
    Strategy("without subprograms, for less stack", NoRoom, _inline),
    Strategy("without callbacks, for less stack", NoRoom, _without_callbacks),
    Strategy("without iterators, as the verifier gave up", VerifierError, _without_iterators),
    Strategy("without branches between numbers, as the verifier gave up", VerifierError, _without_branches),
)
"""The strategies in the order in which they are tried."""


class Attempts:
    """The attempts to compile one function; ``form`` is the form that the next attempt compiles."""

    def __init__(self, name: str, target: Target) -> None:
        self.name = name
        self.form = Form(target)

    def again(self, failure: Failure) -> Strategy | None:
        """The strategy that changed the form for the next attempt; None if nothing else can be tried."""
        for strategy in STRATEGIES:
            if isinstance(failure.error, strategy.after) and strategy.change(self.form, failure):
                if verbose():
                    print(f"== {self.name} again: {strategy.says or failure.error}", file=sys.stderr)
                return strategy
        return None


class Evaluation:
    """The attempts to evaluate one form of a program; ``count`` and ``blocks`` are their number and total cost."""

    def __init__(self, attempts: Attempts) -> None:
        self.attempts = attempts
        self.count = 0
        self.blocks = 0
        self.first: TranslationError | None = None
        self.parted = False

    def again(self, evaluator: Evaluator, error: TranslationError | Restart) -> None:
        """Called after a failed attempt. Raises the error for the user if nothing else can be tried."""
        self.count += 1
        self.blocks += evaluator.blocks
        spent = self.blocks > MAX_BLOCKS
        if isinstance(error, TranslationError):
            self._remember(evaluator.located(error))
        elif spent:
            self.first = self.first or evaluator.located(failures.endless_growth())
        over = spent or (isinstance(error, TranslationError) and error.final)
        strategy = None if over else self.attempts.again(Failure(error, evaluator.frame))
        if isinstance(error, TranslationError):
            self.parted = strategy is not None and strategy.change is _keep_apart
        if strategy is None or self.count == MAX_ATTEMPTS:
            raise self._told(evaluator.b.span) from None if self.first is None else self.first.__cause__

    def _remember(self, error: TranslationError) -> None:
        """Remembers the error for the user: the first one. After paths were kept apart, a new error replaces it, since
        joined values likely caused the first; a new LimitExceeded doesn't, since too many separate paths cause that."""
        if self.first is None or error.final or (self.parted and not isinstance(error, LimitExceeded)):
            self.first = error

    def _told(self, span: Span | None) -> Py2BpfError:
        if self.first is None:
            return InternalCompilerError("peval", "loops do not settle", span)
        return blame.on_the_user(self.first)
