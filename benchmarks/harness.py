"""Measures contestants side by side: rounds interleaved, so that a noisy spell hits all alike; medians; ratios.

On a shared machine only the ratios within one run mean something.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Series:
    """The samples of one contestant in one measurement."""

    measurement: str
    contestant: str
    unit: str
    samples: list[float] = field(default_factory=list)
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.samples)


class Results:
    """All series of a benchmark in the order of their measurement, and how they are shown."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.series: list[Series] = []

    def compete(
        self, measurement: str, unit: str, contestants: dict[str, Callable[[], float]], rounds: int, note: str = ""
    ) -> dict[str, Series]:
        """Calls every contestant once a round; each call gives one sample in ``unit``.

        The first contestant is the one that the others are compared with.
        """
        racing = {name: Series(measurement, name, unit, note=note) for name in contestants}
        for _ in range(rounds):
            for name, measure in contestants.items():
                racing[name].samples.append(measure())
        self.series += racing.values()
        return racing

    def record(self, measurement: str, contestant: str, unit: str, value: float) -> None:
        """A number that is the same every time, such as a count of instructions."""
        self.series.append(Series(measurement, contestant, unit, [value]))

    def table(self) -> str:
        """One line a contestant; the ratio is to the first contestant of the same measurement."""
        rows = [("measurement", "contestant", "median", "min", "max", "unit", "ratio")]
        reference: dict[str, float] = {}
        for series in self.series:
            base = reference.setdefault(series.measurement, series.median)
            spread = (min(series.samples), max(series.samples)) if len(series.samples) > 1 else (None, None)
            ratio = f"{series.median / base:.2f}" if base else "-"
            numbers = [number(value) for value in (series.median, *spread)]
            rows.append((series.measurement, series.contestant, *numbers, series.unit, ratio))
        return "\n".join([self.title, *align(rows)])

    def as_json(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "machine": {"kernel": os.uname().release, "cpus": os.cpu_count()},
            "series": [{**vars(series), "median": series.median} for series in self.series],
        }


def number(value: float | None) -> str:
    """At most four significant digits below ten thousand, none lost above."""
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.4g}"


def align(rows: list[tuple[str, ...]]) -> Iterable[str]:
    """Columns padded to their widest cell; names to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    numeric = {2, 3, 4, 6}
    for row in rows:
        cells = [
            cell.rjust(width) if i in numeric else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  " + "  ".join(cells).rstrip()


def arguments(description: str, rounds: int) -> argparse.ArgumentParser:
    """The options that all benchmarks have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=rounds, help="samples of each contestant (default %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples to this file")
    parser.add_argument("--quick", action="store_true", help="few rounds and repeats: checks more than it measures")
    parser.add_argument("--cpu", type=int, default=None, help="run on this processor (default: the last allowed)")
    return parser


def pin(cpu: int | None) -> None:
    """Keeps this process and its children on one processor, so that rounds are comparable."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu if cpu is not None else max(allowed)})


def report(results: Results, options: argparse.Namespace) -> None:
    print(results.table())
    if options.json:
        options.json.write_text(json.dumps(results.as_json(), indent=1) + "\n")
