"""Campaigns that owners must survive, in a process of their own.

    python rounds.py CAMPAIGN KIND[,KIND...] ROUNDS     ends with 0 if all is well
"""

from __future__ import annotations

import gc
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from ctypes import c_uint32, c_uint64
from typing import Any

from owners import HOOKS, OWNERS, Owner

from py2bpf.datastructures import HashMap
from py2bpf.exception import ClosedError


def descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def open_files() -> list[str]:
    """For the message of a failure."""
    return [os.readlink(entry.path) for entry in os.scandir("/proc/self/fd") if os.path.lexists(entry.path)]


def settled(owner: Owner) -> int:
    """The descriptors of a process that has done it all once: BTF, a machine and the like stay."""
    with owner.make() as made:
        owner.use(made)
    return descriptors()


# Reference cycles: the collector ends what uses its owner while it goes.


class Last:
    """An owner in a cycle that has its last use when it is collected. It is older than this: the collector finalizes
    the objects of a cycle in the order of their age."""

    def __init__(self, owner: Owner, made: Any, used: list[str]) -> None:
        self.owner, self.made, self.used = owner, made, used
        self.mine = self.end

    def end(self) -> None:
        try:
            self.owner.use(self.made)
            self.used.append("open")
        except ClosedError:
            self.used.append("closed")
        self.made.close()

    def __del__(self) -> None:
        self.end()


def generator(owner: Owner, made: Any, used: list[str]) -> Iterator[None]:
    itself = [sys._getframe()]  # noqa: F841 - the cycle
    try:
        yield
    finally:
        with suppress(ClosedError):
            owner.use(made)
        used.append("ended")


def cycles(owner: Owner, rounds: int) -> None:
    before, used = settled(owner), []
    for _ in range(rounds):
        Last(owner, owner.make(), used)
        next(generator(owner, owner.make(), used))
        gc.collect()
    assert len(used) == 2 * rounds, (len(used), rounds)
    assert descriptors() == before


# Threads: close() while others call.


def races(owner: Owner, rounds: int) -> None:
    """Nobody's call reaches what took the place of an owner that was closed."""
    before, wrong = settled(owner), []

    def use(made: Any, begin: threading.Barrier) -> None:
        begin.wait()
        try:
            while True:
                owner.use(made)
                if made.closed:
                    return  # of queues, which tell their last figures
        except ClosedError:
            pass
        except Exception as error:  # noqa: BLE001 - told below
            wrong.append(error)

    for _ in range(rounds):
        made, begin = owner.make(), threading.Barrier(3)
        users = [threading.Thread(target=use, args=(made, begin)) for _ in range(2)]
        for thread in users:
            thread.start()
        begin.wait()
        made.close()
        with owner.make():
            for thread in users:
                thread.join()
    assert not wrong, wrong[:3]
    assert descriptors() == before, open_files()


def foreign(_owner: Owner, rounds: int) -> None:
    """What is written to a map that another thread closes is never in another map."""
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def write(victim: Any) -> None:
        with suppress(ClosedError):
            while True:
                victim[0] = 7

    for _ in range(rounds):
        victim = HashMap(c_uint32, c_uint64, 8)
        thread = threading.Thread(target=write, args=(victim,))
        thread.start()
        victim.close()
        with HashMap(c_uint32, c_uint64, 8) as other:
            thread.join()
            assert 0 not in other
    sys.setswitchinterval(switch)


# Signals: handlers that raise, at every instant.


class Interrupted(BaseException):
    """As KeyboardInterrupt is."""


    expected_anywhere = True


class TimedOut(Exception):
    """As a time limit's handler raises it."""

    expected_anywhere = True


INTERRUPTIONS = Interrupted, TimedOut


def lasts(owner: Owner) -> float:
    """The seconds of an owner's life, where nothing holds it up."""
    def live() -> float:
        begin = time.perf_counter()
        with owner.make() as made:
            owner.use(made)
        return time.perf_counter() - begin

    return min(live() for _ in range(5))


def interrupted(owner: Owner, rounds: int) -> None:
    """No descriptor is lost whenever a handler raises."""
    def interrupt(_number: int, _frame: Any) -> None:
        raise random.choice(INTERRUPTIONS)

    before, life = settled(owner), lasts(owner)
    signal.signal(signal.SIGALRM, interrupt)
    reached = 0
    for _ in range(rounds):
        try:
            try:
                signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, life))
                made = owner.make()
                owner.use(made)
                made.close()
                reached += 1
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except INTERRUPTIONS:
            pass
        made = None
    end_signals()
    assert descriptors() == before, (descriptors(), before)
    assert reached < rounds or rounds < ENOUGH, "no signal came in time"


ENOUGH = 100
"""Of fewer rounds of a short life it may be that each signal comes behind its end."""


def end_signals() -> None:
    """No handler raises after this: one that was due may be called on the way, once."""
    for _ in range(2):
        with suppress(*INTERRUPTIONS):
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_IGN)


CAMPAIGNS: dict[str, Callable[[Owner, int], None]] = {
    "cycles": cycles, "races": races, "foreign": foreign, "interrupted": interrupted,
}


def main(campaign: str, kinds: str, rounds: str) -> None:
    random.seed(rounds)
    for kind in kinds.split(","):
        CAMPAIGNS[campaign]({**OWNERS, **HOOKS}[kind], int(rounds))


if __name__ == "__main__":
    main(*sys.argv[1:])
