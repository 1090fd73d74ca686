"""Measures contestants side by side: rounds interleaved, so that noise affects all alike; medians; ratios.

On a shared machine only the ratios within one run mean something.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from py2bpf.optional import need


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
        """Calls every contestant once a round; each call gives one sample in ``unit``. All contestants are compared
        with the first.
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
    """Numbers below ten thousand get at most four significant digits, others all."""
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


def arguments(description: str, rounds: int, plot: bool = False) -> argparse.ArgumentParser:
    """The options that all benchmarks have; ``plot`` adds the option to draw the results."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=rounds, help="samples of each contestant (default %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples to this file")
    if plot:
        parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the medians (needs matplotlib)")
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
    if getattr(options, "plot", None):
        draw(results, options.plot)


def draw(results: Results, path: Path) -> None:
    """Draws the medians as bars, one panel a measurement, with lines from the least to the greatest sample. The suffix
    of the file's name selects the format: .svg, .png.
    """
    try:
        need("matplotlib", "--plot", "matplotlib.figure")
    except ImportError as error:
        sys.exit(str(error))
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    measurements = list(dict.fromkeys(series.measurement for series in results.series))
    by_name = {name: [one for one in results.series if one.measurement == name] for name in measurements}
    figure = Figure(figsize=(8, 0.6 * len(measurements) + 0.35 * len(results.series) + 0.6), layout="constrained")
    heights = [len(racing) + 1 for racing in by_name.values()]
    panels = figure.subplots(len(measurements), squeeze=False, height_ratios=heights)
    for name, panel in zip(measurements, panels[:, 0], strict=True):
        draw_panel(panel, name, by_name[name])
    figure.suptitle(results.title, fontsize="medium")
    with rc_context({"svg.fonttype": "none"}):  # text as text
        figure.savefig(path)


def draw_panel(panel: Any, name: str, racing: list[Series]) -> None:
    medians = [series.median for series in racing]
    spread = [[m - min(s.samples) for m, s in zip(medians, racing, strict=True)],
              [max(s.samples) - m for m, s in zip(medians, racing, strict=True)]]
    bars = panel.barh([series.contestant for series in racing], medians, xerr=spread, height=0.6, color="tab:blue",
                      error_kw={"ecolor": "0.3", "elinewidth": 1})
    panel.bar_label(bars, [f" {number(median)}" for median in medians], fontsize="small")
    panel.invert_yaxis()
    panel.set_title(f"{name}, {racing[0].unit}", fontsize="small", loc="left")
    panel.margins(x=0.12)
    panel.spines[["top", "right"]].set_visible(False)
