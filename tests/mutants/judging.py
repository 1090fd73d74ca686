"""Runs the tests on mutants, several children at once, and reaches the verdicts."""

from __future__ import annotations

import select
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final, TypeVar

from c_core import Core
from mutant import Mutant
from mutation_targets import SUITES, asked
from recorded import Record
from trial import Child, Work, start

QUICK: Final = 40
"""Tests of a suite that are asked at first: most changes are noticed by them."""
ENOUGH: Final = 15.0
"""Seconds of a suite's tests that are asked at first. The others are asked when no suite has noticed by then: so it
makes no difference how fast the machine is."""
TIMED_OUT: Final = 1000
"""Stands for the exit status of a child that had to be ended."""


class End(Enum):
    """The verdict on a mutant; the value is its name in the table."""

    NOTICED = "noticed"
    HUNG = "hung"
    DIED = "died"
    SAME = "same code"
    BROKEN = "no code"
    EXPLAINED = "explained"
    SURVIVED = "survived"


@dataclass(frozen=True)
class Verdict:
    mutant: Mutant
    end: End
    by: str = ""
    seconds: float = 0.0


T = TypeVar("T")
Asking = Generator[tuple[Work, Mapping[str, float]], tuple[Child, int], T]
"""Gives work, with what its tests take, and gets back each child that did it, with its status; in the end a T."""


def judge(mutant: Mutant, records: Mapping[str, Record], core: Core, folder: Path) -> Asking[Verdict]:
    """Asks one suite after the other, each in a child of its own."""
    begun = time.monotonic()
    for suite, tests in parts(mutant, records):
        child, status = yield Work(SUITES[suite], mutant, folder, core, tests), records[suite].seconds
        end = _end(child, status)
        if end is not End.SURVIVED:
            return Verdict(mutant, end, _noticed_by(child, suite), time.monotonic() - begun)
    return Verdict(mutant, End.SURVIVED, seconds=time.monotonic() - begun)


def parts(mutant: Mutant, records: Mapping[str, Record]) -> list[tuple[str, list[str]]]:
    """The tests to ask, in this order, with their suites: some of each suite, then all others. A function that no test
    was seen to call may be one that is called only where nothing else watches calls, as a profiler's."""
    unseen = not any(records[suite].tests_of(mutant) for suite in asked(mutant.file))
    first, rest = [], []
    for suite in asked(mutant.file):
        tests = records[suite].tests_of(mutant, near=unseen)
        enough = len(records[suite].tests_of(mutant, ENOUGH, unseen))
        first += [(suite, tests[: min(QUICK, enough)]), (suite, tests[QUICK:enough])]
        rest.append((suite, tests[enough:]))
    return [(suite, tests) for suite, tests in (*first, *rest) if tests]


def _end(child: Child, status: int) -> End:
    told = {name for what in child.told for name in what}
    if "broken" in told or "same" in told:
        return End.BROKEN if "broken" in told else End.SAME
    if "failed" in told:
        return End.NOTICED
    if status == TIMED_OUT:
        return End.HUNG
    return End.SURVIVED if status == 0 else End.DIED


def _noticed_by(child: Child, suite: str) -> str:
    return next((what["failed"] for what in child.told if "failed" in what), child.at or f"{suite}, before its tests")


class Pool:
    """Runs generators of work, so many children at once."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs

    def run(self, trials: Iterator[Asking[T]]) -> Iterator[T]:
        """Their results, in the order of arrival."""
        running: dict[int, tuple[Asking[T], Child]] = {}
        try:
            while True:
                while len(running) < self.jobs and (trial := next(trials, None)):
                    yield from self._go_on(trial, None, running)
                if not running:
                    return
                for trial, result in self._ended(running):
                    yield from self._go_on(trial, result, running)
        finally:
            for _, child in running.values():
                child.end()

    def _go_on(
        self, trial: Asking[T], result: tuple[Child, int] | None, running: dict[int, tuple[Asking[T], Child]]
    ) -> Iterator[T]:
        try:
            work, seconds = trial.send(result) if result else next(trial)
        except StopIteration as stop:
            yield stop.value
        else:
            child = start(work, seconds)
            running[child.pipe] = trial, child

    def _ended(self, running: dict[int, tuple[Asking[T], Child]]) -> Iterator[tuple[Asking[T], tuple[Child, int]]]:
        ready, _, _ = select.select(list(running), [], [], 1.0)
        for pipe, (trial, child) in list(running.items()):
            late = child.late()
            if (pipe in ready and not child.read()) or late:
                del running[pipe]
                status = child.end()
                yield trial, (child, TIMED_OUT if late else status)
