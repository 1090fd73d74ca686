"""Random functions on random inputs: CPython and the kernel agree. PY2BPF_FUZZ=N makes N functions of each kind."""

from __future__ import annotations

import os
import random

import pytest
from generate import INPUTS, OUTPUTS, expression_programs, statement_programs
from hypothesis import HealthCheck, given, settings
from runner import TYPES, Case

pytestmark = pytest.mark.kernel

FUNCTIONS = int(os.environ.get("PY2BPF_FUZZ", "150"))
SAMPLES = 24
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
            name: TYPES[kind](numbers.getrandbits(bits) * numbers.choice((1, -1))).value for name, kind in INPUTS.items()
        })  # fmt: skip
    return found


def agree(source: str) -> None:
    with Case(source, INPUTS, OUTPUTS) as case:
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
