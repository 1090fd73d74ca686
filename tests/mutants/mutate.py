"""Breaks the compiler, the VM and the encoder in small ways, and tells which ones no test notices.

    make mutants                   # one in 60 of all
    make mutants ONE_IN=240        # fewer; 1: all
    .venv/bin/python tests/mutants/mutate.py --files 'csrc/vm/helpers/strings.c' --one-in 5
    .venv/bin/python tests/mutants/mutate.py --only 3fa2b1c0     # one, by its name
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

import recorded
from c_core import Core
from explained import TABLE, Key, explained, outdated
from judging import Asking, End, Pool, Verdict, judge
from mutant import ROOT, Mutant, sample
from mutation_targets import SUITES, asked, mutants
from recorded import Record

CACHE: Final = ROOT / ".cache/mutants"
ONE_IN: Final = 60


def record(suites: Sequence[str], pool: Pool, core: Core, folder: Path) -> Iterator[tuple[str, Record]]:
    """Runs suites without a change. Raises SystemExit where a suite ends before its end."""

    def one(suite: str) -> Asking[tuple[str, Record]]:
        begun, inside = time.monotonic(), folder / suite.replace(" ", "-")
        child, status = yield recorded.recording(suite, inside, core), {}
        made = recorded.heard(child)
        if status not in (0, 1) or not made.seconds:
            output = (inside / "output").read_text(errors="replace")
            raise SystemExit(f"{output}\nwithout a change {suite} ends with {status} at {child.at}")
        print(f"recorded {suite}: {len(made.seconds)} tests, {time.monotonic() - begun:.0f} s", flush=True)
        return suite, made

    yield from pool.run(one(suite) for suite in suites)


def table(verdicts: Sequence[Verdict]) -> str:
    """The number of mutants by file and verdict."""
    ends = [end for end in End if any(verdict.end is end for verdict in verdicts)]
    counts = Counter((verdict.mutant.file, verdict.end) for verdict in verdicts)
    files = sorted({verdict.mutant.file for verdict in verdicts})
    width = max(map(len, [*files, "all"]))
    rows = [("", *(end.value for end in ends))]
    rows += [(file, *(str(counts[file, end] or "") for end in ends)) for file in files]
    rows.append(("all", *(str(sum(counts[file, end] for file in files)) for end in ends)))
    return "\n".join(f"{row[0]:{width}}" + "".join(f"{cell:>10}" for cell in row[1:]) for row in rows)


def entry(mutant: Mutant) -> str:
    """The mutant as an entry of explained.toml."""
    fields = zip(("file", "function", "before", "after"), mutant.key, strict=True)
    return "[[mutant]]\n" + "".join(f"{name} = {_quoted(value)}\n" for name, value in fields) + 'why = ""\n'


def _quoted(text: str) -> str:
    return f"'{text}'" if "'" not in text else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--one-in", type=int, default=ONE_IN, help="one of so many mutants (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="which ones")
    parser.add_argument("--files", default="*", help="a pattern of names")
    parser.add_argument("--only", nargs="*", help="these, by their names")
    parser.add_argument("--without", nargs="*", default=[], choices=SUITES, help="suites that are not asked")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--stale", action="store_true", help="use the last record, though the tree changed")
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no mutant after so long")
    parser.add_argument("--list", action="store_true", help="only print the mutants")
    parser.add_argument("--log", type=Path, help="append each verdict to this file; what it has is not done again")
    return parser.parse_args(arguments)


def chosen(options: argparse.Namespace, every: Iterable[Mutant]) -> list[Mutant]:
    """Each key once: two equal changes of equal lines of a function stand for each other."""
    if options.only:
        picked: Iterable[Mutant] = (mutant for mutant in every if mutant.name in options.only)
    else:
        picked = sample((m for m in every if fnmatch(m.file, options.files)), options.one_in, options.seed)
    return sorted({mutant.key: mutant for mutant in picked}.values(), key=lambda mutant: mutant.number)


def main(arguments: Sequence[str] | None = None) -> int:
    chosen_options = options(arguments)
    every = list(mutants())
    picked = chosen(chosen_options, every)
    reasons = explained()
    if gone := outdated(reasons, every):
        print(f"{TABLE.name} has entries that fit nothing any more:", *gone, sep="\n  ")
    if chosen_options.list:
        print(*picked, sep="\n")
        return 0
    with tempfile.TemporaryDirectory(prefix="py2bpf-mutants-") as name:
        verdicts = run(picked, reasons, chosen_options, Path(name))
    survivors = [verdict.mutant for verdict in verdicts if verdict.end is End.SURVIVED]
    if survivors:
        print("\nNo test notices these:", *(f"\n{mutant}\n\n{entry(mutant)}" for mutant in survivors), sep="\n")
    print(f"\n{table(verdicts)}" if verdicts else "no mutants")
    return int(bool(survivors or gone))


def run(
    picked: Sequence[Mutant], reasons: Mapping[Key, str], options: argparse.Namespace, folder: Path
) -> list[Verdict]:
    """Judges all, printing the verdicts as they come."""
    core, pool = Core(CACHE / f"core-{recorded.state_of('csrc', 'tests/core')}"), Pool(options.jobs)
    core.prepare()
    latest = max(CACHE.glob("record-*.json"), key=lambda path: path.stat().st_mtime, default=CACHE / "none")
    state = recorded.state_of("py2bpf", "csrc", "tests")
    path = latest if options.stale else CACHE / f"record-{state}.json"
    records = recorded.load(path)
    needed = {suite for mutant in picked for suite in asked(mutant.file)} - set(options.without)
    missing = [suite for suite in SUITES if suite in needed - records.keys()]
    for suite, made in record(missing, pool, core, folder / "record"):
        records[suite] = made
        recorded.save(records, path)
    records = {suite: records.get(suite, Record()) if suite in needed else Record() for suite in SUITES}
    begun, done = time.monotonic(), _logged(options.log)

    def trials() -> Iterator[Asking[Verdict]]:
        for mutant in picked:
            if mutant not in known and mutant.name not in done and time.monotonic() - begun < options.seconds:
                yield _cleared(judge(mutant, records, core, folder / mutant.name), folder / mutant.name)

    known = set() if options.only else {mutant for mutant in picked if mutant.key in reasons}
    verdicts = [Verdict(mutant, End.EXPLAINED) for mutant in picked if mutant in known]
    for verdict in pool.run(trials()):
        verdicts.append(verdict)
        line = f"{verdict.end.value:9} {verdict.mutant.name} {verdict.seconds:5.1f} s  "
        line += f"{verdict.mutant.file}:{verdict.mutant.line}  {verdict.by}"
        print(line, flush=True)
        if options.log:
            with options.log.open("a") as log:
                log.write(f"{line}\n")
    return verdicts


def _cleared(trials: Asking[Verdict], folder: Path) -> Asking[Verdict]:
    """The same; the mutant's folder goes in the end."""
    try:
        return (yield from trials)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _logged(log: Path | None) -> set[str]:
    lines = log.read_text().splitlines() if log and log.exists() else []
    return {line[10:18] for line in lines}


if __name__ == "__main__":
    sys.exit(main())
