"""Random functions over the whole language: CPython, the embedded VM and the kernel agree. `make fuzz` makes more."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from collections.abc import Iterator
from multiprocessing import resource_tracker
from pathlib import Path

import pytest
from choices import Drawn, Seeded
from constructs import CALLS, TABLES
from fuzz import BAD, SAMPLES, generate, run
from grammar import Program, program
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pools import Pool
from reduce import reduced
from samples import samples
from shared import ON_STACK
from templates import Row
from verdicts import Kind, examine

FUNCTIONS = int(os.environ.get("PY2BPF_FUZZ", "2000"))
RARE = 8
"""How many of 2000 functions have each construct, at least."""


@pytest.fixture(scope="module")
def spawning() -> Iterator[None]:
    """What multiprocessing makes once in a process and keeps: shared memory, and the pipe to its tracker."""
    kept = multiprocessing.get_context("spawn").Value("q", 0)
    resource_tracker.ensure_running()
    yield
    del kept


@pytest.mark.kernel
@pytest.mark.slow
def test_seeded(spawning: None) -> None:
    """Functions 0 to 1999 of `make fuzz`: the same ones in every run."""
    summary = run(FUNCTIONS, 0, os.cpu_count() or 1)
    wrong = [f"seed {seed}: {v.kind.value}, {v.about}\n{v.detail}" for seed, v in summary.failures if v.kind in BAD]
    assert not wrong, "\n\n".join([summary.table(), *wrong[:3]])
    assert summary.kinds[Kind.VERIFIER] <= 1 + FUNCTIONS // 1000, summary.table()
    assert summary.kinds[Kind.REFUSED] <= FUNCTIONS // 200, summary.table()
    assert summary.kinds[Kind.SIGNS] <= 1 + FUNCTIONS // 1000, summary.table()
    assert summary.kinds[Kind.OUTSIDE] <= FUNCTIONS // 25, summary.table()
    assert summary.samples > SAMPLES * FUNCTIONS // 2, "too many samples leave their 64-bit type"


@pytest.mark.kernel
@settings(max_examples=100, database=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_drawn(pools: list[Pool], data: st.DataObject) -> None:
    """Other functions in every run, which hypothesis makes small where they fail."""
    made = program(Drawn(data.draw))
    verdict = examine(made, samples(made.source, SAMPLES), pools)
    assert verdict.kind not in BAD, f"{verdict.kind.value} {verdict.about}\n{verdict.detail}\n{made.source}"


def test_same_for_the_same_seed() -> None:
    assert [generate(seed) for seed in range(20)] == [generate(seed) for seed in range(20)]
    assert len({generate(seed).source for seed in range(200)}) == 200


def test_covers_the_language() -> None:
    """Every construct of the tables comes up often enough in what the suite runs."""
    used: Counter[str] = Counter()
    text = []
    for seed in range(2000):
        made = program(Seeded(seed))
        used.update(made.used.keys())
        text.append(made.source)
    names = [f"{table}: {name}" for table, rows in TABLES.items() for name in rows]
    names += [f"struct: {name}" for name in ON_STACK] + ["place: run-time index"]
    rare = {name: used[name] for name in names if used[name] < RARE}
    assert not rare
    whole = "\n".join(text)
    uncalled = [call for call in CALLS if call.split("(")[0] + "(" not in whole and call != "steps.twice"]
    assert not uncalled
    assert "nonlocal" in whole and "steps.twice" in whole


def test_sizes() -> None:
    """Functions of 5 to 60 lines, mostly."""
    sizes = sorted(len(generate(seed).source.splitlines()) for seed in range(500))
    assert 15 < sizes[250] < 60 and sizes[0] >= 5 and sizes[-1] < 150


def test_weights_are_positive() -> None:
    rows: list[Row] = [row for table in TABLES.values() for row in table.values()]
    assert all(row.weight > 0 and row.trips > 0 and (row.text or row.makes) for row in rows)


def test_reduction_keeps_what_matters() -> None:
    source = generate(3).source

    def interesting(text: str) -> bool:
        return "OUT[2]" in text and "return" in text

    small = reduced(source, interesting, 5)
    assert interesting(small) and len(small.splitlines()) <= 6


def test_reduction_leaves_what_ends_a_loop() -> None:
    loops = ["while n:", "    n -= 1", "    x = 1", "while True:", "    n += 1", "    if n > 5:", "        break"]
    source = "\n    ".join(["def program(ctx):", "n = 9", *loops]) + "\n"
    small = reduced(source, lambda text: text.count("while") == 2, 5)
    assert "n -= 1" in small and "break" in small and "n += 1" in small and "x = 1" not in small


@pytest.mark.kernel
@pytest.mark.parametrize(("body", "kind"), [
    ("return 5", Kind.AGREE), ("return ctx.len / 2", Kind.REFUSED), ("OUT[70] = 1", Kind.OUTSIDE),
    ("return len(funcs.__name__)", Kind.DISAGREE), ("return nothing", Kind.REFUSED),
    ("z = -5\n    if ctx.len > 9999:\n        z = 1 << 63\n    return z < 0", Kind.SIGNS),
])  # fmt: skip
def test_verdicts(body: str, kind: Kind, pools: list[Pool]) -> None:
    """The comparison notices a wrong result."""
    verdict = examine(Program(f"def program(ctx):\n    {body}\n", "sched_cls", Counter()), samples(0, 2), pools)
    assert verdict.kind is kind, verdict


def test_a_pool_gives_the_process_its_name_back() -> None:
    """Other tests' processes are found by their name."""
    comm = Path("/proc/self/comm")
    before = comm.read_text()
    comm.write_text("a test")
    try:
        with Pool("vm"):
            assert comm.read_text() == "random program\n"
        assert comm.read_text() == "a test\n"
    finally:
        comm.write_text(before.strip())
