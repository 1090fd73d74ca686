"""Makes the error for a refused program: the verifier's reason, its place in the source, and advice."""

from __future__ import annotations

import errno
import os
from array import array
from typing import Final

from .. import asm
from ..core import privileges
from ..core.failures import failure
from ..exception import KernelError, Span, VerifierError
from ..programs import span_at
from ..spec import ProgramSpec
from ..uapi.operations import loading
from . import verifier
from .prog_load import LoadResult

_GAVE_UP: Final = (errno.E2BIG, errno.ENOMEM)


def refusal(spec: ProgramSpec, slot_of: array[int], loaded: LoadResult) -> KernelError:
    error = -loaded.result
    what = f"the kernel refused to load {spec.name}, a {spec.hook.name} program"
    verdict = verifier.parse(loaded.log)
    loop = _last_loop(spec)
    if not verdict.reason and (error not in _GAVE_UP or loop is None):
        return failure(error, what, loading(spec.hook.prog_type))
    hint = verifier.hint(verdict.reason, loop is not None)
    span = (loop if hint else None) if verdict.insn is None else span_at(spec, slot_of, verdict.insn)
    reason = verdict.reason or f"the verifier gave up ({os.strerror(error)})"
    guess = " (the kernel names no instruction, shown is the last loop)" if loop and verdict.insn is None else ""
    bounds = verifier.about_result(verdict.reason, spec.hook.results)
    advice = f"{guess}. To help it, {hint}." if hint else f"; {bounds}." if bounds else ""
    advice += privileges.verifier_advice(verdict.reason)
    advice += f" The kernel's advice: {verdict.suggestion}" if verdict.suggestion else ""
    cut = " (the log was too long to be kept whole)" if loaded.truncated else ""
    said = reason.rstrip(".") if hint else reason
    mistaken = error == errno.EFAULT
    if mistaken:
        advice += ". This is a mistake of the kernel's verifier: write the code around that line another way"
    return VerifierError(error, f"{what}: {said}{cut}{advice}", loaded.log, span, gave_up=bool(hint) or mistaken)


def _last_loop(spec: ProgramSpec) -> Span | None:
    """The source of the last backward jump: if a complaint names no instruction, it is probably about this loop."""
    labels: set[int] = set()
    found = None
    for insn, span in zip(spec.code, spec.lines, strict=True):
        if insn.kind == asm.Kind.LABEL:
            labels.add(insn.ref)
        elif insn.kind == asm.Kind.JUMP and insn.ref in labels:
            found = span or found
    return found
