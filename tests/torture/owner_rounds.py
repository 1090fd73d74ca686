"""Campaigns over the table of owners: a round runs one of the campaigns of tests/ownership/rounds.py on one owner.

Seeds go through the table, so that every kind of owner has its share of any time.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from ctypes import c_uint32
from pathlib import Path
from typing import Any, NamedTuple

import rounds
from campaigns import Outcome, Round
from owners import HOOKS, OWNERS, Owner

from py2bpf import vm
from py2bpf.datastructures import RingBuffer

EVERYWHERE: list[tuple[str, vm.Backend]] = [
    *((kind, where) for kind in OWNERS for where in ("kernel", "vm")), *((kind, "kernel") for kind in HOOKS)
]  # fmt: skip
REPEATED = 10
"""How often a round does the same."""
LIBRARY = str(Path(vm.__file__).parents[1])
RECORDS, WRITTEN = 2000, 10
PATIENCE = 50


def _over_owners(campaign: Callable[[Owner, int], None]) -> Round:
    def play(seed: int) -> Outcome:
        kind, where = EVERYWHERE[seed % len(EVERYWHERE)]
        random.seed(seed)
        with vm.backend(where):
            campaign({**OWNERS, **HOOKS}[kind], REPEATED)
        return Outcome("held")

    return play


def cycles() -> Round:
    return _over_owners(rounds.cycles)


def races() -> Round:
    return _over_owners(rounds.races)


def foreign() -> Round:
    def play(seed: int) -> Outcome:
        with vm.backend("vm" if seed % 2 else "kernel"):
            rounds.foreign(OWNERS["hash map"], REPEATED)
        return Outcome("held")

    return play


def interrupted() -> Round:
    return _over_owners(rounds.interrupted)


# The end of a process.


class End(NamedTuple):
    """``code`` ends a process that has an owner, with that status; ``last`` is the last line of its errors."""

    code: str
    status: int = 0
    last: str = ""


ENDS = {
    "the last line": End("pass"),
    "sys.exit": End("sys.exit(3)", 3),
    "an owner in a cycle": End("cycle = [made]; cycle.append(cycle); del made"),
    "at exit": End("atexit.register(use)"),
    "from a finalizer": End("last = Last()"),
    "a thread that goes on": End("threading.Thread(target=forever, daemon=True).start(); time.sleep(0.01)"),
    "threads and a closed owner": End("threading.Thread(target=forever, daemon=True).start(); made.close()"),
    "a child": End("pid = os.fork(); pid and os.waitpid(pid, 0)"),
    "an exception": End("raise LookupError('nobody catches it')", 1, "LookupError: nobody catches it"),
    "an interrupt": End("threading.Timer(0.01, signal.raise_signal, [signal.SIGINT]).start(); forever()"),
    "a termination": End("signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); os.kill(os.getpid(), signal.SIGTERM)"),
    "a signal": End("os.kill(os.getpid(), signal.SIGTERM); forever()", -signal.SIGTERM),
}
"""How a process that has an owner ends."""

PROGRAM = """
import atexit, os, signal, sys, threading, time
sys.path.insert(0, {folder!r})
from owners import HOOKS, OWNERS
from py2bpf.exception import ClosedError

owner = {{**OWNERS, **HOOKS}}[{kind!r}]
made = owner.make()

def use():
    owner.use(made)

def forever():
    try:
        while not made.closed:
            use()
    except (ClosedError, KeyboardInterrupt):
        pass

class Last:
    def __init__(self):
        self.made, self.use, self.itself = made, owner.use, self

    def __del__(self):
        try:
            self.use(self.made)
        except ClosedError:
            pass

use()
{end}
"""


def shutdown() -> Round:
    folder = str(Path(rounds.__file__).parent)

    def play(seed: int) -> Outcome:
        kind, where = EVERYWHERE[seed % len(EVERYWHERE)]
        name = [*ENDS][seed // len(EVERYWHERE) % len(ENDS)]
        end = ENDS[name]
        text = PROGRAM.format(folder=folder, kind=kind, end=end.code)
        done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", text], capture_output=True, text=True,
                              timeout=PATIENCE, env={**os.environ, "PY2BPF_BACKEND": where})  # fmt: skip
        *trace, last = done.stderr.splitlines() or [""]
        if (done.returncode, last) != (end.status, end.last) or (trace and not trace[0].startswith("Traceback")):
            return Outcome("bad ends", f"{kind}, {where}: {name}\n{done.returncode}\n{done.stderr}")
        return Outcome("ended")

    return play


# Signals while records are read.


def records() -> Round:
    """No record is lost or comes twice, whenever handlers raise and waits are cancelled."""
    def interrupt(_number: int, frame: Any) -> None:
        if frame.f_code.co_filename.startswith(LIBRARY):  # what has been returned is the caller's to lose
            raise random.choice(rounds.INTERRUPTIONS)

    def play(seed: int) -> Outcome:
        choose = random.Random(seed)
        signal.signal(signal.SIGALRM, interrupt)
        with vm.backend("vm"), RingBuffer(c_uint32, 1 << 16) as ring:
            got = asyncio.run(_awaited(ring, choose)) if seed % 2 else _read(ring, choose)
        if got != [*range(RECORDS)]:
            missing = sorted({*range(RECORDS)} - {*got})
            return Outcome("lost", f"{len(got)} of {RECORDS} came, {missing[:20]} are missing, or the order is wrong")
        return Outcome("all read")

    return play


async def _awaited(ring: RingBuffer, choose: random.Random) -> list[int]:
    """By waits of which most are cancelled, each after some turns of the loop."""
    got: list[int] = []
    written = 0
    while len(got) < RECORDS:
        if written < RECORDS and choose.random() < 0.5:
            ring.deliver(written)
            written += 1
        wait = asyncio.ensure_future(ring.get())
        for _ in range(choose.randrange(5)):
            await asyncio.sleep(0)
        wait.cancel()
        with suppress(asyncio.CancelledError):
            got.append(await wait)
    return got


def _read(ring: RingBuffer, choose: random.Random) -> list[int]:
    """What programs write by and by, by calls that signals interrupt, each at another instant; then what is left."""
    got: list[int] = []
    life = 1e-4
    for first in range(0, RECORDS, WRITTEN):
        for number in range(first, first + WRITTEN):
            ring.deliver(number)
        began = time.perf_counter()
        with suppress(*rounds.INTERRUPTIONS):
            signal.setitimer(signal.ITIMER_REAL, choose.uniform(1e-6, life))
            got += ring.poll(0)
            life = min(life, time.perf_counter() - began)
        signal.setitimer(signal.ITIMER_REAL, 0)
    while some := ring.poll(0):
        got += some
    return got
