"""Calls that leave something behind in the kernel, and those that wait: a signal's handler raises at any instant within
them. Either the call was made or it was not, and the objects know which.
"""

from __future__ import annotations

import errno
import gc
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import Structure, c_uint32, c_uint64
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from forked import in_child
from namespaces import leave_ours
from owners import nothing
from rounds import INTERRUPTIONS, end_signals

import py2bpf
from py2bpf.datastructures import HashMap
from py2bpf.exception import KernelError
from py2bpf.kernel import clsact, links, syscalls
from py2bpf.spec import SpinLock
from py2bpf.tc import IngressFilter
from py2bpf.uapi.prog_types import AttachType
from py2bpf.uapi.tc import CLSACT_INGRESS
from py2bpf.xdp import XdpProgram

pytestmark = pytest.mark.kernel

LIBRARY = str(Path(py2bpf.__file__).parent)
ROUNDS = 200
LO = 1


@pytest.fixture(autouse=True)
def _only_new_objects() -> Iterator[None]:
    """These tests collect hundreds of times, and would walk through the millions of objects of all other tests. Not
    for the whole run: hypothesis asks the collector who refers to its random numbers, which leaves out the frozen."""
    gc.freeze()
    yield
    gc.unfreeze()


class Call(NamedTuple):
    """``do`` and ``undo`` are interrupted; ``is_done`` asks the kernel, ``is_known`` the object."""

    do: Callable[[], object]
    undo: Callable[[], object]
    is_done: Callable[[], bool]
    is_known: Callable[[], object]


@contextmanager
def installing(mechanism: Any) -> Iterator[Call]:
    def is_there() -> bool:
        if mechanism == "tcx":
            return bool(links.tcx_query(LO, AttachType.TCX_INGRESS))
        return bool(clsact.filters(LO, CLSACT_INGRESS))

    with IngressFilter(nothing) as made:
        yield Call(lambda: made.install("lo", mechanism=mechanism), made.remove, is_there,
                   lambda: made.devices)


@contextmanager
def attaching() -> Iterator[Call]:
    def is_there() -> bool:
        gc.collect()
        with XdpProgram(nothing) as other:
            try:
                other.attach("lo")
            except KernelError as error:
                assert error.errno in (errno.EBUSY, errno.EEXIST), error
                return True
            other.detach()
        return False

    with XdpProgram(nothing) as made:
        yield Call(lambda: made.attach("lo"), made.detach, is_there, lambda: made.devices)


@contextmanager
def attaching_by_netlink() -> Iterator[Call]:
    def refuse(*_args: Any, **_options: Any) -> Any:
        raise KernelError(errno.EINVAL, "no links")

    real, syscalls.link_create = syscalls.link_create, refuse
    try:
        with attaching() as call:
            yield call
    finally:
        syscalls.link_create = real


CALLS = {
    "installing by tcx": (lambda: installing("tcx"), 200),
    "installing on a qdisc": (lambda: installing("clsact"), 200),
    "attaching to a device": (attaching, 60),
    "attaching by netlink": (attaching_by_netlink, 60),
}
"""With the number of rounds: to attach an XDP program takes the kernel long."""


def interrupt(_number: int, frame: Any) -> None:
    """What has come back from the library is no call any more."""
    while frame is not None:
        if frame.f_code.co_filename.startswith(LIBRARY):
            raise random.choice(INTERRUPTIONS)
        frame = frame.f_back


def interrupted(call: Callable[[], object], life: float) -> bool:
    """Makes the call; whether it ended, before a signal that comes some time within its life."""
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, life))
            call()
            return True
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except INTERRUPTIONS:
        return False


def lasts(*calls: Callable[[], object]) -> list[float]:
    """The seconds that each takes, where nothing holds it up."""
    found = []
    for call in calls:
        begun = time.perf_counter()
        call()
        found.append(time.perf_counter() - begun)
    return found


def both_ways(name: str) -> None:
    """In a network namespace of its own."""
    make, rounds = CALLS[name]
    assert leave_ours()
    random.seed(name)
    with make() as call:
        pairs = [lasts(call.do, call.undo) for _ in range(5)]
        do_life, undo_life = map(min, zip(*pairs, strict=True))
        before = len(os.listdir("/proc/self/fd"))
        signal.signal(signal.SIGALRM, interrupt)
        cut = 0
        for _ in range(rounds):
            done = interrupted(call.do, do_life)
            assert call.is_done() or not done, "what returned has done nothing"
            assert call.is_done() == bool(call.is_known()), "what raised has left something behind"
            if done:
                undone = interrupted(call.undo, undo_life)
                cut += not undone
                assert not (undone and call.is_done()), "what returned has done nothing"
            cut += not done
            call.undo()
            assert not call.is_done(), "after an interruption it can't be undone"
        end_signals()
        assert cut, "no signal came in time"
        assert len(os.listdir("/proc/self/fd")) <= before
    assert not call.is_done()


@pytest.mark.parametrize("name", CALLS)
def test_what_stays_in_the_kernel_is_known(name: str) -> None:
    if name == "installing on a qdisc":
        pytest.importorskip("pyroute2")
    in_child(lambda: both_ways(name))


class Locked(Structure):
    _fields_ = [("lock", SpinLock), ("n", c_uint32), ("first", c_uint64), ("second", c_uint64)]


def waits() -> None:
    """An entry under its lock is the old or the new one; a wait that is interrupted can be made again."""
    random.seed(1)
    with HashMap(c_uint32, Locked, 8) as m:
        m[1] = Locked()

        def change() -> None:
            with m.lock(1) as entry:
                entry.first += 1
                entry.second += 1

        lives = [min(lasts(call)[0] for _ in range(5)) for call in (change, m.synchronize)]
        before, expected = len(os.listdir("/proc/self/fd")), m[1].first
        signal.signal(signal.SIGALRM, interrupt)
        cut = 0
        for _ in range(ROUNDS):
            done = interrupted(change, lives[0])
            entry = m[1]
            assert entry.first == entry.second and entry.first in (expected + done, expected + 1)
            expected = entry.first
            cut += not done
            cut += not interrupted(m.synchronize, lives[1])
        end_signals()
        assert cut, "no signal came in time"
        m.synchronize()
        assert len(os.listdir("/proc/self/fd")) <= before


def test_locks_and_waits() -> None:
    in_child(waits)
