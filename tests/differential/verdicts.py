"""Compares the results of one random program in all worlds, and explains the verdict."""

from __future__ import annotations

import errno
import signal
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import Enum

import hooks
from compiled import Compiled
from grammar import Program
from oracle import LeavesType
from pools import Pool
from samples import Sample
from worlds import Answer, BpfRun, PythonRun

from py2bpf.exception import InternalCompilerError, KernelError, TranslationError, VerifierError, VmFault
from py2bpf.prog import easier
from py2bpf.spec import Target

SECONDS = 20
"""A program that takes longer is counted as hanging."""
OUTSIDE = ("does not fit 64 bits", "does not fit a c_", "out of the bounds of", "doesn't fit ")
"""What the compiler rightly refuses in constants: where they leave their type, Python has numbers or an IndexError."""


_FAULTS = (AssertionError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError)
"""What a compiler's bug raises."""


class Kind(Enum):
    AGREE = "agree"
    OUTSIDE = "constants outside of the language"
    REFUSED = "refused by the compiler"
    VERIFIER = "rejected by the verifier"
    SIGNS = "unlike CPython, where a path makes a number unsigned"
    DISAGREE = "disagreement"
    INTERNAL = "internal error of the compiler"
    FAULT = "fault in a world"
    HANG = "took too long"
    CRASH = "the process died"


WORTH_A_LOOK = (Kind.REFUSED, Kind.VERIFIER, Kind.SIGNS)
"""What may happen, and is kept. SIGNS: the compiler has warned (MixedSigns) of a number that is negative on one path
and unsigned on another, as -5 and abs(-2**63) are, and kernel and VM agree."""

BAD = (Kind.DISAGREE, Kind.INTERNAL, Kind.FAULT, Kind.HANG, Kind.CRASH)
"""What must not happen once."""


@dataclass
class Verdict:
    """The outcome for one program. ``about`` is its class in the summary, ``detail`` the whole story."""

    kind: Kind
    about: str = ""
    detail: str = ""
    samples: int = 0
    outside: int = 0
    """Samples that were compared, and those where an integer left its type in CPython."""
    instructions: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


class TookTooLong(BaseException):
    """Raised by the alarm: no part of the program under test may catch it."""


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Raises TookTooLong after so many seconds of work, whatever else a machine does; in a main thread only."""

    def ring(number: int, frame: object) -> None:
        raise TookTooLong

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def examine(
    program: Program, inputs: Sequence[Sample], pools: Sequence[Pool], target: Target | None = None,
    seconds: int = SECONDS,
) -> Verdict:  # fmt: skip
    """Compiles the program (for ``target``) and compares its runs in CPython and in the pools' worlds."""
    try:
        with time_limit(seconds):
            return _examine(program, inputs, pools, target)
    except TookTooLong:
        return Verdict(Kind.HANG, "time limit", f"more than {seconds} seconds\n{program.source}")


def _examine(program: Program, inputs: Sequence[Sample], pools: Sequence[Pool], target: Target | None) -> Verdict:
    begin = time.perf_counter()
    if not hooks.is_here(program.hook):
        return Verdict(Kind.OUTSIDE, f"{program.hook} is not here")
    pools = [pool for pool in pools if pool.world == "vm" or hooks.ROWS[program.hook].in_kernel]
    try:
        compiled = Compiled(program, pools[0], target)
    except TranslationError as error:
        outside = any(text in error.msg for text in OUTSIDE)
        return Verdict(Kind.OUTSIDE if outside else Kind.REFUSED, general(error.msg), str(error))
    except InternalCompilerError as error:
        return Verdict(Kind.INTERNAL, f"{error.stage}: {general(error.msg)}", f"{error}\n{_trace(error)}")
    except (NameError, SyntaxError) as error:  # in a program that is being made small
        return Verdict(Kind.FAULT, "no program", _trace(error))
    except _FAULTS as error:
        return Verdict(Kind.INTERNAL, f"{type(error).__name__}: {general(str(error))}", _trace(error))
    with ExitStack() as stack:
        loaded = time.perf_counter()
        runs = []
        for pool in pools:
            try:
                runs.append(stack.enter_context(BpfRun(compiled, pool)))
            except KernelError as error:
                other = isinstance(error, VerifierError) and easier(compiled.spec, error, target or Target())
                if other:  # as create_prog() does
                    stack.close()
                    return _examine(program, inputs, pools, other)
                if error.errno in (errno.EPERM, errno.ENOMEM, errno.EMFILE) and not isinstance(error, VerifierError):
                    raise
                reason = str(error).split(": ", 1)[-1].split("\n")[0].split(" (")[0].split(" To help")[0]
                return Verdict(Kind.VERIFIER, general(reason), str(error))
            except VmFault as error:
                return Verdict(Kind.FAULT, f"VM, when it loads: {general(str(error))}", str(error))
        ran = time.perf_counter()
        verdict = _compare(program, compiled, inputs, runs)
        verdict.instructions = len(compiled.spec.code)
        verdict.seconds = {"compile": loaded - begin, "load": ran - loaded, "run": time.perf_counter() - ran}
        return verdict


def _compare(program: Program, compiled: Compiled, inputs: Sequence[Sample], runs: Sequence[BpfRun]) -> Verdict:
    python = PythonRun(program, compiled.used)
    verdict = Verdict(Kind.AGREE)
    for sample in inputs:
        answers: dict[str, Answer] = {}
        try:
            answers[python.name] = python.run(sample)
            verdict.samples += 1
        except LeavesType:
            verdict.outside += 1
            continue
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the simulation is a finding
            return Verdict(Kind.FAULT, f"CPython: {type(error).__name__}: {general(str(error))}", _trace(error))
        for run in runs:
            try:
                answers[run.name] = run.run(sample)
            except VmFault as error:
                return Verdict(Kind.FAULT, f"VM: {general(str(error))}", f"{sample}\n{error}")
        first, *others = answers.items()
        for name, answer in others:
            if answer != first[1]:
                about = f"{name} and {first[0]}: {parts(first[1], answer)}"
                errors = {run.name: run.errors() for run in runs} | {python.name: python.raised}
                alike = all(each == others[0][1] for _, each in others)
                kind = Kind.SIGNS if compiled.mixes_signs and alike else Kind.DISAGREE
                return Verdict(kind, about, report(sample, answers, errors))
    for run in runs:
        if run.errors() != python.raised:
            detail = f"errors in CPython {python.raised}\nerrors in {run.name}  {run.errors()}"
            alike = all(each.errors() == runs[0].errors() for each in runs)
            kind = Kind.SIGNS if compiled.mixes_signs and alike else Kind.DISAGREE
            return Verdict(kind, f"{run.name} and CPython: errors", detail)
    return verdict


def parts(expected: Answer, got: Answer) -> str:
    """Which parts of an answer differ."""
    return ", ".join(name for name in vars(expected) if getattr(expected, name) != getattr(got, name))


def report(sample: Sample, answers: dict[str, Answer], errors: dict[str, dict[tuple[int, str], int]]) -> str:
    """The input, what differs, and the errors of all samples so far."""
    maps = "filled" if sample.filled else "empty"
    lines = [f"input    {dict(sample.values)}", f"packet   {sample.packet.hex()}, maps {maps}"]
    for name, answer in answers.items():
        others = [other for other in answers.values() if other != answer]
        lines.append(f"{name:8} {difference(answer, others)}")
    return "\n".join([*lines, *(f"errors   {name}: {counts}" for name, counts in errors.items())])


def difference(mine: Answer, others: Sequence[Answer]) -> str:
    """What one answer has that one of the others hasn't."""
    found = []
    if any(mine.retval != other.retval for other in others):
        found.append(f"retval {mine.retval:#x}")
    for name, entries in mine.maps.items():
        for key in sorted(set(entries).union(*(other.maps[name] for other in others))):
            if any(entries.get(key) != other.maps[name].get(key) for other in others):
                value = entries.get(key)
                found.append(f"{name}[{key.hex()}] {'missing' if value is None else value.hex()}")
    for name, records in mine.events.items():
        if any(records != other.events[name] for other in others):
            found.append(f"{name} {[record.hex() for record in records]}")
    if any(mine.packet != other.packet for other in others):
        found.append(f"packet {mine.packet.hex()}")
    return "; ".join(found) or "the same"


def general(message: str) -> str:
    """A message without the parts that vary from program to program."""
    words = []
    for word in message.split("\n")[0].split():
        digits = sum(character.isdigit() for character in word)
        words.append("N" if digits and not word.startswith("c_") else word)
    return " ".join(words)[:110]


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))
