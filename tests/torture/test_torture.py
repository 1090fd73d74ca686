"""A few rounds of every campaign, and the faults that the runner notices. `make torture` goes on for as long as one
likes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import guarded
import pytest
from campaigns import CAMPAIGNS
from torture import faults

HERE = Path(__file__).parent
SECONDS, LONGER = 4, {"functions": 25, "failures": 15, "shutdown": 15}
"""How long each goes on; what has more to do in a round goes on for longer."""
QUICK = ("captures", "programs")
"""These run under the sanitizers too."""


def marks(name: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.kernel] * CAMPAIGNS[name].root + [pytest.mark.slow] * (name not in QUICK)


@pytest.mark.parametrize("name", [pytest.param(name, marks=marks(name)) for name in CAMPAIGNS])
def test_campaign(name: str, tmp_path: Path) -> None:
    seconds = str(LONGER.get(name, SECONDS))
    command = [sys.executable, "torture.py", "--seconds", seconds, "--jobs", "1", "--out", str(tmp_path), name]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True)
    told = "\n".join(each.read_text()[:4000] for each in sorted(tmp_path.iterdir())[:3])
    assert done.returncode == 0, f"{done.stdout}{done.stderr}{told}"
    assert f"{name}: " in done.stdout and ", 0 faults, " in done.stdout and " 0 rounds" not in done.stdout


PLANTED = """
import os, time
from campaigns import Outcome

def plays(bad):
    def begin():
        def play(seed):
            if seed == 2:
                bad()
            return Outcome("fine")
        return play
    return begin

class Last:
    def __del__(self):
        raise ValueError("of a finalizer")

def fails():
    raise KeyError("of a round")

def hangs():
    while True:
        pass

raises, dies, hoards, goes_on = plays(fails), plays(os.abort), plays(lambda: bytearray(3 << 30)), plays(hangs)
sleeps, finalizes = plays(lambda: time.sleep(60)), plays(Last)
never = None
"""


@pytest.mark.parametrize(("bad", "kind", "text"), [
    ("raises", "faults", "KeyError: 'of a round'"), ("dies", "deaths", "the process ended with -6"),
    pytest.param("hoards", "faults", "MemoryError", marks=pytest.mark.unsanitized("they map more than any limit")),
    ("goes_on", "hangs", "more than 1 s of processor time"),
    ("sleeps", "hangs", "more than 3 s"), ("finalizes", "fine", "ValueError: of a finalizer"),
])  # fmt: skip
def test_faults_are_noticed(
    bad: str, kind: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rounds go on behind them."""
    (tmp_path / "planted.py").write_text(PLANTED)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setattr(guarded, "SECONDS", 1)
    monkeypatch.setattr(guarded, "WAITING", 3 if bad == "sleeps" else guarded.WAITING)
    figures = guarded.play(f"planted:{bad}", 60, 0, 1, rounds=5)
    assert figures.rounds == 5 and len(figures.faults) == 1
    seed, outcome = figures.faults[0]
    assert (seed, outcome.kind) == (2, kind) and text in outcome.fault, outcome
    assert figures.kinds["fine"] == 4 + (kind == "fine")


def test_a_campaign_that_cannot_begin_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "planted.py").write_text(PLANTED)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    figures = guarded.play("planted:never", 60, 0, 2, rounds=5)
    assert len(figures.faults) == 2 and "TypeError" in figures.faults[0][1].fault


def test_few_of_what_is_tolerated_are_no_fault() -> None:
    campaign = CAMPAIGNS["functions"]
    rejected = next(iter(campaign.tolerated))
    figures = guarded.Figures(rounds=3000)
    for seed in range(3):
        figures.faults.append((seed, guarded.Outcome(rejected, "...")))
    assert faults(campaign, figures) == 0
    figures.faults.append((4, guarded.Outcome(rejected, "...")))
    assert faults(campaign, figures) == 4


def test_seeds_are_shared_among_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each plays its own, from the first on."""
    text = "from campaigns import Outcome\ndef begin():\n    return lambda seed: Outcome(str(seed))\n"
    (tmp_path / "planted.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    figures = guarded.play("planted:begin", 60, 7, 2, rounds=3)
    assert figures.kinds == {str(seed): 1 for seed in range(7, 13)}
