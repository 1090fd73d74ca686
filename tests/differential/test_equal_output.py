"""Equal functions are compiled to equal programs, whatever the order of sets in a process (PYTHONHASHSEED)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SEEDS = [700400377, 700401287, 700402090, 700402488, 700403732, *range(60)]
"""The first ones had variables of loops in the order of a set."""


@pytest.mark.slow
def test_random_functions_in_two_processes() -> None:
    found = [
        subprocess.run(
            [sys.executable, HERE / "compile_seeds.py", *map(str, SEEDS)], capture_output=True, text=True, check=True,
            env={"PYTHONHASHSEED": order, "PYTHONPATH": f"{HERE.parents[1]}:{HERE}:{HERE.parent}"},
        ).stdout.splitlines()
        for order in ("1", "2", "3")
    ]  # fmt: skip
    assert len(found[0]) == len(SEEDS)
    for one, *others in zip(*found, strict=True):
        assert all(other == one for other in others), one
