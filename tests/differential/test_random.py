"""Random functions on random inputs: CPython and the kernel agree. PY2BPF_FUZZ=N makes N functions of each kind."""

from __future__ import annotations

import errno
import os
import random

import pytest
from generate import INPUTS, OUTPUTS, expression_programs, statement_programs
from hypothesis import HealthCheck, given, reject, settings
from runner import TYPES, Case

from py2bpf.exception import KernelError, TypeMismatch

pytestmark = pytest.mark.kernel

FUNCTIONS = int(os.environ.get("PY2BPF_FUZZ", "300"))
SAMPLES = 24
REFUSED: list[str] = []
"""Functions that the verifier gave up on after a million steps: at most one in a thousand."""
_settings = settings(
    max_examples=FUNCTIONS, deadline=None, derandomize="PY2BPF_FUZZ" not in os.environ, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


def samples(seed: str) -> list[dict[str, int]]:
    """Inputs near the boundaries and anywhere, the same for the same source."""
    numbers = random.Random(seed)
    found: list[dict[str, int]] = [dict.fromkeys(INPUTS, 0), dict.fromkeys(INPUTS, 1)]
    while len(found) < SAMPLES:
        bits = numbers.choice((3, 8, 16, 33, 64))
        found.append({
            name: TYPES[kind](numbers.getrandbits(bits) * numbers.choice((1, -1))).value
            for name, kind in INPUTS.items()
        })  # fmt: skip
    return found


def agree(source: str) -> None:
    try:
        case = Case(source, INPUTS, OUTPUTS)
    except TypeMismatch as error:  # constants that leave 64 bits are refused, and outside of the promise
        if "does not fit 64 bits" not in str(error):
            raise
        reject()
    except KernelError as error:
        if error.errno != errno.E2BIG:
            raise
        REFUSED.append(source)
        reject()
    with case:
        for values in samples(source):
            case.check(values)


@_settings
@given(expression_programs())
def test_expressions(source: str) -> None:
    agree(source)


@_settings
@given(statement_programs())
def test_statements(source: str) -> None:
    agree(source)
    assert len(REFUSED) <= FUNCTIONS // 1000, REFUSED[-1]
