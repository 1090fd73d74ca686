"""Runs a program over a capture, in the embedded VM: what ``python -m py2bpf replay`` does.

    result = replay(prog, "lo.pcap")
    print(result.verdicts)

Packets go through the VM in batches of thousands. While a packet is processed, all clocks show the packet's own time.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from .exception import VmFault
from .pcap import Batch, Capture, CaptureError
from .prog import Prog
from .spec import HookSpec
from .uapi.hooks import row_of
from .vm.batch import run_many

EVENTS_KEPT: Final = 100


@dataclass
class Replay:
    """What a program of ``hook`` did with a capture's packets so far.

    ``results`` counts the program's results. ``events`` has the last records of each queue, ``n_events`` counts all
    records. ``problem`` is why the replay ended early: a damaged capture, or a fault of the program.
    """

    hook: HookSpec
    packets: int = 0
    bytes: int = 0
    seconds: float = 0.0
    results: Counter[int] = field(default_factory=Counter)
    events: dict[str, deque[Any]] = field(default_factory=dict)
    n_events: Counter[str] = field(default_factory=Counter)
    trace: list[str] = field(default_factory=list)
    problem: CaptureError | VmFault | None = None

    @property
    def verdicts(self) -> list[tuple[str, int]]:
        """(verdict, packets), the most frequent first. A socket filter keeps a packet or drops it."""
        row = row_of(self.hook)
        named: Counter[str] = Counter()
        for number, count in self.results.items():
            named[row.results.name(number) if row is not None else str(number)] += count
        return named.most_common()


def replay(
    prog: Prog,
    capture: Capture,
    queues: Iterable[tuple[str, Any]] = (),
    progress: Callable[[int], object] | None = None,
) -> Replay:
    """Runs a program of the VM once for each packet. ``queues`` are named event queues, emptied between batches.

    ``progress`` is called with the number of bytes of the file that were read. If the capture is damaged, or the
    program ends with a fault, the results up to there stay: see Replay.problem.
    """
    done = Replay(prog.spec.hook)
    begin = time.perf_counter()
    try:
        for batch in capture:
            _run(prog, batch, done)
            _collect(queues, done)
            if progress is not None:
                progress(capture.position)
    except (CaptureError, VmFault) as error:
        done.problem = error
    done.seconds = time.perf_counter() - begin
    return done


def _run(prog: Prog, batch: Batch, done: Replay) -> None:
    if not len(batch):
        return
    ran = run_many(prog, batch.data, batch.offsets, batch.sizes, batch.times)
    done.results.update(ran.retvals)
    done.packets += len(ran.retvals)
    done.bytes += sum(batch.sizes[: len(ran.retvals)])
    if ran.fault is not None:
        raise ran.fault


def _collect(queues: Iterable[tuple[str, Any]], done: Replay) -> None:
    for name, queue in queues:
        records = queue.poll(0)
        done.n_events[name] += len(records)
        done.events.setdefault(name, deque(maxlen=EVENTS_KEPT)).extend(records)
