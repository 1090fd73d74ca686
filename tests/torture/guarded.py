"""Runs a campaign in a process of its own, and watches its death, time and memory from outside.

    python guarded.py CAMPAIGN FIRST_SEED STEP SECONDS ROUNDS       what a Child starts; ROUNDS 0 is no end

It reports each round before and after it, as lines of JSON.
"""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import gc
import json
import os
import resource
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from campaigns import KEPT_APART, Outcome, campaign_of

SECONDS = 10
"""Of processor time that a round may take."""
WAITING = 60
"""Seconds that a round may take in all, on a machine that others use too."""
STARTING = 300
"""Seconds that the set-up may take."""
MEMORY = 1 << 30
"""Bytes that may be had beyond what is there when the rounds begin."""
FORGET = 384 << 20
"""Bytes in use from which on a round's leavings are collected."""
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Figures:
    """The outcomes of a campaign's rounds so far."""

    rounds: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[int, Outcome]] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, seed: int, outcome: Outcome) -> None:
        self.rounds += 1
        self.kinds[outcome.kind] += 1
        if outcome.fault:
            self.faults.append((seed, outcome))


class Child:
    """A process that plays the rounds of seeds ``first``, ``first + step``, ... until ``deadline``, restarted after
    each round that ends it.
    """

    def __init__(self, campaign: str, first: int, step: int, deadline: float, rounds: int = 0) -> None:
        self.campaign, self.step, self.deadline, self.rounds = campaign, step, deadline, rounds
        self.next = first
        self.played = 0
        self.over = self.ended = False
        """Whether it has told that all rounds are played, and whether there is no process any more."""
        self._start()

    def _start(self) -> None:
        self.errors = tempfile.TemporaryFile()  # _ended() closes it
        left = self.rounds - self.played if self.rounds else 0
        command = [sys.executable, "-X", "faulthandler", str(Path(__file__)), self.campaign, str(self.next),
                   str(self.step), str(max(0.0, self.deadline - time.monotonic())), str(left)]  # fmt: skip
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.errors, start_new_session=True
        )
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        self.unread = b""
        self.current: int | None = None
        self.since, self.cpu = time.monotonic(), 0.0

    def listen(self, figures: Figures) -> None:
        """Reads the process's reports, and makes sure that its round ends."""
        assert self.process.stdout is not None
        try:
            some = self.process.stdout.read()
        except BlockingIOError:
            some = None
        if some:
            *lines, self.unread = (self.unread + some).split(b"\n")
            for line in lines:
                self._told(json.loads(line), figures)
        elif some == b"":
            self._ended(figures)
        elif hang := self._hangs():
            os.kill(self.process.pid, signal.SIGUSR1)  # it writes where it is
            time.sleep(0.5)
            self._ended(figures, hang)

    def _told(self, message: Any, figures: Figures) -> None:
        match message:
            case ["begins", seed]:
                self.current, self.since, self.cpu = seed, time.monotonic(), self._cpu()
            case ["ends", seed, kind, fault]:
                self.current, self.since = None, time.monotonic()
                self.played += 1
                self.next = seed + self.step
                figures.add(seed, Outcome(kind, fault))
            case ["over"]:
                self.over = True

    def _hangs(self) -> str:
        lasted = time.monotonic() - self.since
        if self.current is None:
            return f"no round begins for {STARTING} s" if lasted > STARTING else ""
        if lasted > SECONDS and self._cpu() - self.cpu > SECONDS:
            return f"more than {SECONDS} s of processor time"
        return f"more than {WAITING} s" if lasted > WAITING else ""

    def _cpu(self) -> float:
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return sum(map(int, fields[11:15])) / _TICKS

    def _ended(self, figures: Figures, hang: str = "") -> None:
        code, told = self._killed(0 if hang else 10)
        if self.over and not hang:
            self.ended = True
            return
        seed = self.next if self.current is None else self.current
        how = hang or f"the process ended with {code}"
        figures.add(seed, Outcome("hangs" if hang else "deaths", f"{how}\n{told}"))
        self.played += 1
        self.next = seed + self.step
        if self.current is None or time.monotonic() >= self.deadline or (self.rounds and self.played >= self.rounds):
            self.ended = True
        else:
            self._start()

    def close(self) -> None:
        """Ends what goes on, for whoever interrupts it."""
        if not self.ended:
            self._killed(0)

    def _killed(self, patience: float) -> tuple[int, str]:
        """Ends the process and its children, after some seconds in which it may do so by itself; gives its exit status
        and the end of what it wrote to its errors."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(patience)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        code = self.process.wait()
        with self.errors, self.process.stdout:  # type: ignore[union-attr]
            self.errors.seek(0)
            return code, self.errors.read()[-20_000:].decode(errors="replace")


def play(campaign: str, seconds: float, seed: int, jobs: int, rounds: int = 0) -> Figures:
    """Plays a campaign for so many seconds, or so many rounds, in ``jobs`` processes."""
    figures, begin = Figures(), time.monotonic()
    children = [Child(campaign, seed + job, jobs, begin + seconds, rounds) for job in range(jobs)]
    try:
        with selectors.DefaultSelector() as selector:
            while running := [child for child in children if not child.ended]:
                for child in running:
                    selector.register(child.process.stdout, selectors.EVENT_READ)  # type: ignore[arg-type]
                selector.select(0.5)
                for child in running:
                    selector.unregister(child.process.stdout)  # type: ignore[arg-type]
                    child.listen(figures)
    finally:
        for child in children:
            child.close()
    figures.seconds = time.monotonic() - begin
    return figures


# In the child.


_ignored: list[str] = []
"""What nobody could raise: exceptions in finalizers and threads."""


def _note(about: Any) -> None:
    if about.exc_type is not None and not getattr(about.exc_type, "expected_anywhere", False):
        value = about.exc_value
        _ignored.append("".join(traceback.format_exception(about.exc_type, value, about.exc_traceback)))


def _memory() -> tuple[int, int]:
    """The bytes of address space, and those in use."""
    pages = Path("/proc/self/statm").read_text().split()
    return int(pages[0]) * resource.getpagesize(), int(pages[1]) * resource.getpagesize()


def _limit_memory() -> None:
    room = _memory()[0] + MEMORY
    if not os.environ.get("LD_PRELOAD"):  # sanitizers map terabytes
        resource.setrlimit(resource.RLIMIT_AS, (room, room))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _play(campaign: str, seed: int, step: int, seconds: float, rounds: int) -> Iterator[list[Any]]:
    round = campaign_of(campaign).begin()
    gc.collect()
    gc.freeze()  # what is there goes on to be: looking at it again and again takes most of the time
    _limit_memory()
    end, played = time.monotonic() + seconds, 0
    while not played or (played < rounds if rounds else time.monotonic() < end):
        yield ["begins", seed]
        try:
            outcome = round(seed)
        except BaseException:  # noqa: BLE001 - told as a fault
            outcome = Outcome("faults", traceback.format_exc())
        if _ignored:
            outcome = Outcome(outcome.kind, "\n".join([outcome.fault, *_ignored]))
            _ignored.clear()
        if _memory()[1] > FORGET:  # what a round leaves in cycles is not the next one's
            gc.collect()
        yield ["ends", seed, *outcome]
        seed, played = seed + step, played + 1
    yield ["over"]


def main(campaign: str, seed: str, step: str, seconds: str, rounds: str) -> None:
    """Standard output is for the rounds' lines only: output of programs goes to standard error."""
    kept = fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, KEPT_APART)
    with os.fdopen(kept, "w", buffering=1) as report:
        os.dup2(2, 1)
        faulthandler.register(signal.SIGUSR1)
        sys.unraisablehook = threading.excepthook = _note
        for message in _play(campaign, int(seed), int(step), float(seconds), int(rounds)):
            report.write(json.dumps(message) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
