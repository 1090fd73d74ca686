"""Plays campaigns against the compiler, the library and the embedded VM, each for some time.

    python tests/torture/torture.py --seconds 600                  all of them
    python tests/torture/torture.py --seconds 60 functions btf     some
    python tests/torture/torture.py --only 4711 functions          one round again, by its seed

Each campaign has processes of its own, which may die: a round that takes more than 10 seconds of processor time, or
1 GB of memory, or the process with it, is a fault. The figures are a line for each campaign; faults are files in --out.
The exit status is 1 when there are any.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from pathlib import Path

from campaigns import CAMPAIGNS, Campaign
from guarded import Figures, play

FILES = 200
"""How many faults of a campaign are told in files."""


def faults(campaign: Campaign, figures: Figures) -> int:
    """How many there are; few of a kind that is tolerated are none."""
    found = Counter(outcome.kind for _, outcome in figures.faults)
    return sum(
        count for kind, count in found.items() if count > max(1, campaign.tolerated.get(kind, 0) * figures.rounds)
        or kind not in campaign.tolerated
    )  # fmt: skip


def line(name: str, figures: Figures, seed: int) -> str:
    kinds = ", ".join(f"{count} {kind}" for kind, count in figures.kinds.most_common())
    number = faults(CAMPAIGNS[name], figures)
    return f"{name}: {figures.rounds} rounds, {number} faults, {figures.seconds:.0f} s, seed {seed} ({kinds})"


def write(name: str, figures: Figures, out: Path) -> None:
    """A file for each fault: how to repeat it, and all about it."""
    out.mkdir(parents=True, exist_ok=True)
    for seed, outcome in figures.faults[:FILES]:
        again = f"python tests/torture/torture.py --only {seed} {name}"
        (out / f"{name}-{seed}.txt").write_text(f"{again}\n{outcome.kind}\n{outcome.fault}\n")


def run(names: list[str], options: argparse.Namespace) -> bool:
    """Whether all went well."""
    good = True
    for name in names:
        campaign = CAMPAIGNS[name]
        if campaign.root and os.geteuid():
            print(f"{name}: left out, since it needs root", flush=True)
            continue
        one = options.only is not None
        seed = options.only if one else options.seed
        figures = play(name, options.seconds, seed, 1 if one else options.jobs, 1 if one else 0)
        print(line(name, figures, seed), flush=True)
        if one:
            print(*(outcome.fault for _, outcome in figures.faults), sep="\n")
        elif figures.faults:
            write(name, figures, options.out)
            print(f"{name}: see {options.out}/{name}-*.txt", flush=True)
        good = good and not faults(campaign, figures)
    return good


def main() -> int:
    rows = "\n".join(f"    {name:10} {campaign.text}" for name, campaign in CAMPAIGNS.items())
    parser = argparse.ArgumentParser(description=f"{__doc__}\n{rows}",
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("campaign", nargs="*", choices=[*CAMPAIGNS, []], help="which (all)")
    parser.add_argument("--seconds", type=float, default=60, help="for each campaign (60)")
    parser.add_argument("--seed", type=int, default=0, help="of the first round (0)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (one for each CPU)")
    parser.add_argument("--only", type=int, metavar="SEED", help="this round alone")
    parser.add_argument("--out", type=Path, default=Path(".cache/torture"), help="where faults go (.cache/torture)")
    options = parser.parse_args()
    return 0 if run(options.campaign or list(CAMPAIGNS), options) else 1


if __name__ == "__main__":
    sys.exit(main())
