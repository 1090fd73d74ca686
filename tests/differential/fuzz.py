"""Random functions in great number: CPython and BPF must agree on every one. `make fuzz N=100000` runs this.

    python tests/differential/fuzz.py -n 10000 --jobs 2 --seed 0
    python tests/differential/fuzz.py --only 4711     # one function again: its source, what each world says, made small
    python tests/differential/fuzz.py --loops bpf_loop    # compiled as for kernels that have only this form of loops

Function number i of a run is made from the seed SEED + i alone, so that any one can be repeated. The run goes on
after failures and tells all at its end; each failure is a file in the folder --out.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from choices import Seeded
from grammar import Program, program
from pools import Pool
from reduce import reduced
from samples import Sample, samples
from verdicts import BAD, WORTH_A_LOOK, Kind, Verdict, examine

from py2bpf import vm
from py2bpf.spec import Target

SAMPLES = 7
CALLBACKS = 8
"""Of so many functions one has callbacks of bpf_loop for its loops, unless the loops are told."""
SAMPLES_OF_LONG = 2
"""Of programs whose runs take long."""
REJECTIONS = 0.001
"""The share of functions that the verifier may reject."""
REDUCED = 40
"""How many failures are made small."""
LOOPS = {
    "iterators": Target(),
    "bpf_loop": Target(iterators=False),
    "bounded": Target(iterators=False, bpf_loop=False), "branchless": Target(branches=False),
}
"""What loops that aren't plain ones become: as on Linux 6.4 and later, on 5.17 to 6.3, and before. And what is made
where the verifier gave up at branches that choose, of which it refuses some by itself."""
COLLECTED = 1000
"""After so many functions a worker's garbage is collected: 100 kB of each have grown old enough to be overlooked."""
_BATCH = 10


@dataclass
class Summary:
    """What a run found."""

    functions: int = 0
    kinds: Counter[Kind] = field(default_factory=Counter)
    classes: Counter[tuple[Kind, str]] = field(default_factory=Counter)
    examples: dict[tuple[Kind, str], int] = field(default_factory=dict)
    failures: list[tuple[int, Verdict]] = field(default_factory=list)
    used: Counter[str] = field(default_factory=Counter)
    samples: int = 0
    outside: int = 0
    instructions: int = 0
    seconds: float = 0.0
    spent: Counter[str] = field(default_factory=Counter)

    def add(self, seed: int, verdict: Verdict, used: Counter[str]) -> None:
        self.functions += 1
        self.kinds[verdict.kind] += 1
        self.samples += verdict.samples
        self.outside += verdict.outside
        self.instructions += verdict.instructions
        self.used.update(used.keys())
        self.spent.update(verdict.seconds)
        if verdict.kind is not Kind.AGREE:
            about = verdict.kind, verdict.about
            self.classes[about] += 1
            self.examples.setdefault(about, seed)
        if verdict.kind in BAD or verdict.kind in WORTH_A_LOOK:
            self.failures.append((seed, verdict))

    @property
    def ok(self) -> bool:
        """No disagreement and no error of ours; few rejections."""
        bad = sum(self.kinds[kind] for kind in BAD)
        return not bad and self.kinds[Kind.VERIFIER] <= REJECTIONS * self.functions

    def table(self) -> str:
        """The figures, one a line."""
        count = max(self.functions, 1)
        spent = ", ".join(f"{name} {1000 * seconds / count:.1f}" for name, seconds in self.spent.items())
        lines = [
            f"{self.functions} functions in {self.seconds:.0f} s ({spent} ms each), {self.instructions} instructions",
            f"{self.samples} runs compared, {self.outside} more left their 64-bit type",
        ]
        for kind in Kind:
            share = 100 * self.kinds[kind] / count
            lines.append(f"{self.kinds[kind]:8}  {share:7.3f} %  {kind.value}")
        for (kind, about), found in self.classes.most_common():
            lines.append(f"{found:8}  {kind.value}: {about} (seed {self.examples[kind, about]})")
        return "\n".join(lines)


def generate(seed: int) -> Program:
    """Function number ``seed``."""
    return program(Seeded(seed))


def target_of(seed: int, told: Target | None) -> Target:
    """What a function is compiled for."""
    return told or (LOOPS["bpf_loop"] if seed % CALLBACKS == CALLBACKS - 1 else Target())


def inputs(made: Program, seed: int | str) -> list[Sample]:
    """What a program is run on."""
    return samples(seed, SAMPLES_OF_LONG if made.long else SAMPLES)


@contextmanager
def worlds() -> Iterator[list[Pool]]:
    """The worlds that BPF runs in: the embedded VM, and the kernel where this process may and shall use it."""
    with ExitStack() as stack:
        pools = []
        if os.geteuid() == 0 and vm.current() == "kernel":
            pools.append(stack.enter_context(Pool("kernel")))
        yield [*pools, stack.enter_context(Pool("vm"))]


def _collect_seldom() -> None:
    """A compiler's objects are many, and mostly gone by themselves: looking for the others took a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


def _work(seeds: range, target: Target | None, current: Any, out: Connection) -> None:
    """A worker: examines its seeds and sends what it finds, some at a time."""
    batch = []
    with worlds() as pools:
        _collect_seldom()
        for number, seed in enumerate(seeds):
            if number % COLLECTED == COLLECTED - 1:
                gc.collect()
            current.value = seed
            made = generate(seed)
            try:
                verdict = examine(made, inputs(made, seed), pools, target_of(seed, target))
            except Exception as error:  # noqa: BLE001 - the run goes on, and tells it at its end
                verdict = Verdict(Kind.FAULT, f"{type(error).__name__} outside of the worlds", traceback.format_exc())
            batch.append((seed, verdict, made.used))
            if len(batch) == _BATCH:
                out.send(batch)
                batch = []
    out.send(batch)


class Worker:
    """A process with a share of the seeds, started anew behind the seed that kills it."""

    def __init__(self, seeds: range, target: Target | None, package: Path | None = None) -> None:
        self.seeds = seeds
        self.target = target
        self.package = package
        self.done = 0
        self.start()

    def start(self) -> None:
        """A process looks for modules where its parent does: first at the package with short slices, if it has that."""
        before = sys.path.copy()
        if self.package is not None:
            sys.path.insert(0, str(self.package))
        try:
            self._spawn()
        finally:
            sys.path[:] = before

    def _spawn(self) -> None:
        context = multiprocessing.get_context("spawn")
        rest = self.seeds[self.done :]
        self.current = context.Value("q", rest[0] if rest else 0)
        self.results, theirs = context.Pipe(duplex=False)
        self.process = context.Process(target=_work, args=(rest, self.target, self.current, theirs), daemon=True)
        self.process.start()
        theirs.close()

    def receive(self, summary: Summary) -> bool:
        """Takes in some results; False when all are there."""
        try:
            batch = self.results.recv()
        except EOFError:
            return self._ended(summary)
        for seed, verdict, used in batch:
            summary.add(seed, verdict, used)
        self.done += len(batch)
        return True

    def _ended(self, summary: Summary) -> bool:
        self.process.join()
        self.results.close()
        if self.done >= len(self.seeds):
            self.process.close()
            return False
        seed, code = int(self.current.value), self.process.exitcode
        self.process.close()
        if code and code > 0:
            raise SystemExit(f"a worker failed at seed {seed}, see above")
        verdict = Verdict(Kind.CRASH, f"exit code {code}", f"the process ended with {code}")
        summary.add(seed, verdict, Counter())
        self.done = self.seeds.index(seed) + 1
        self.start()
        return True


def run(
    count: int, seed: int, jobs: int, progress: Callable[[Summary], None] | None = None,
    target: Target | None = None, short: Path | None = None,
) -> Summary:  # fmt: skip
    """Examines ``count`` functions in ``jobs`` processes, compiled for ``target``, see target_of().

    ``short``: where the build with short slices is, whose VM every other process has.
    """
    summary, begin = Summary(), time.monotonic()
    workers = {}
    for job in range(min(jobs, count)):
        worker = Worker(range(seed + job, seed + count, jobs), target, short if job % 2 else None)
        workers[worker.results] = worker
    while workers:
        for ready in wait(list(workers)):
            worker = workers.pop(ready)
            if worker.receive(summary):
                workers[worker.results] = worker
            summary.seconds = time.monotonic() - begin
            if progress is not None:
                progress(summary)
    return summary


def small(seed: int, verdict: Verdict, pools: list[Pool], target: Target | None) -> str:
    """The function of a seed, made as small as its fault allows."""
    made = generate(seed)

    def interesting(source: str) -> bool:
        again = examine(Program(source, made.hook, Counter()), inputs(made, seed), pools, target_of(seed, target))
        return again.kind is verdict.kind and (again.about == verdict.about or again.kind is Kind.DISAGREE)

    return reduced(made.source, interesting)


def describe(seed: int, pools: list[Pool], target: Target | None, *, reduce: bool = True) -> str:
    """All about one function: its source, what the worlds say, the same made small."""
    made = generate(seed)
    verdict = examine(made, inputs(made, seed), pools, target_of(seed, target))
    text = [f"seed {seed}, {made.hook}: {verdict.kind.value} {verdict.about}", verdict.detail]
    if reduce and verdict.kind not in (Kind.AGREE, Kind.OUTSIDE, Kind.HANG):
        source = small(seed, verdict, pools, target)
        again = examine(Program(source, made.hook, Counter()), inputs(made, seed), pools, target_of(seed, target))
        text += ["-- made small", source, again.detail]
    return "\n".join([*text, "-- whole", made.source])


def write_failures(summary: Summary, out: Path, target: Target | None, most: int) -> None:
    """One file for each failure, the first ``most`` of them made small."""
    out.mkdir(parents=True, exist_ok=True)
    chosen = sorted(summary.failures, key=lambda failure: failure[1].kind not in BAD)
    with worlds() as pools:
        for i, (seed, verdict) in enumerate(chosen):
            name = f"{verdict.kind.name.lower()}-{seed}.txt"
            if verdict.kind in (Kind.CRASH, Kind.HANG):
                text = f"{verdict.about}\n{generate(seed).source}"
            else:
                text = describe(seed, pools, target, reduce=i < most)
            (out / name).write_text(text)


def _lines(count: int) -> Callable[[Summary], None]:
    """Progress as lines, one every ten seconds, and one for each failure."""
    last, told = [time.monotonic()], [0]

    def show(summary: Summary) -> None:
        now = time.monotonic()
        for seed, verdict in summary.failures[told[0] :]:
            print(f"seed {seed}: {verdict.kind.value} {verdict.about}")
        told[0] = len(summary.failures)
        if now - last[0] >= 10 or summary.functions == count:
            last[0] = now
            print(f"{summary.functions} of {count}, {_faults(summary)}, {_rate(summary):.0f}/s", flush=True)

    return show


def _faults(summary: Summary) -> str:
    bad = sum(summary.kinds[kind] for kind in BAD)
    rejected, refused, signs = (summary.kinds[kind] for kind in (Kind.VERIFIER, Kind.REFUSED, Kind.SIGNS))
    return f"{bad} wrong, {rejected} rejected, {refused} refused, {signs} of mixed signs"


def _rate(summary: Summary) -> float:
    return summary.functions / max(summary.seconds, 0.001)


def progress_display(count: int) -> tuple[Callable[[Summary], None], Callable[[], None]]:
    """How to show progress, and how to end that: a bar on a terminal with rich, else lines."""
    try:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError:
        return _lines(count), lambda: None
    if not sys.stdout.isatty():
        return _lines(count), lambda: None
    bar = Progress(BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    task = bar.add_task("", total=count)
    bar.start()
    return lambda s: bar.update(task, completed=s.functions, description=_faults(s)), bar.stop


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=1000, help="how many functions (1000)")
    parser.add_argument("--seed", type=int, default=0, help="the first function's seed (0)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (one for each CPU)")
    parser.add_argument("--only", type=int, metavar="SEED", help="this function alone, with its story")
    parser.add_argument("--out", type=Path, default=Path(".cache/fuzz"), help="where failures go (.cache/fuzz)")
    parser.add_argument("--no-reduction", action="store_true", help="make none of the failures small")
    parser.add_argument("--coverage", action="store_true", help="how many functions had each construct")
    parser.add_argument("--loops", choices=LOOPS, help="the target kernel's loops (iterators, and some bpf_loop)")
    parser.add_argument("--short", type=Path, help="every other process takes the build of .ci/short-slices.sh there")
    options = parser.parse_args()
    target = LOOPS.get(options.loops)
    if options.only is not None:
        with worlds() as pools:
            print(describe(options.only, pools, target))
        return 0
    show, stop = progress_display(options.n)
    try:
        summary = run(options.n, options.seed, options.jobs, show, target, options.short)
    finally:
        stop()
    print(summary.table())
    if options.coverage:
        for name, count in sorted(summary.used.items(), key=lambda item: item[1]):
            print(f"{count:8}  {name}")
    if summary.failures:
        write_failures(summary, options.out, target, 0 if options.no_reduction else REDUCED)
        print(f"the failures are in {options.out}/")
    return 0 if summary.ok else 1


if __name__ == "__main__":
    sys.exit(main())
