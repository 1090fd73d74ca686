"""The kernel's clocks beside the process's: in time namespaces, across suspend, after the time of day was set."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from py2bpf import clocks
from py2bpf.clocks import Clock
from py2bpf.exception import Py2BpfError

S = 1_000_000_000
INITIAL = 0xEFFFFFFA


@dataclass
class Machine:
    """A faked kernel. All in nanoseconds; ``boot`` is what passed since boot, ``suspended`` how much of it asleep."""

    boot: int = 1000 * S
    suspended: int = 0
    booted_at: int = 1_700_000_000 * S
    ahead: tuple[int, int] = (0, 0)

    def kernel(self, clock: Clock) -> int:
        return self.boot if clock is Clock.BOOTTIME else self.boot - self.suspended

    def gettime(self, number: int) -> int:
        clock = Clock(number)
        return self.kernel(clock) + self.ahead[clock is Clock.BOOTTIME]

    def time_ns(self) -> int:
        return self.booted_at + self.boot


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    made = Machine()
    monkeypatch.setattr(clocks.time, "clock_gettime_ns", made.gettime)
    monkeypatch.setattr(clocks.time, "time_ns", made.time_ns)
    monkeypatch.setattr(clocks, "_PROC", tmp_path)
    return made


def namespaces(monkeypatch: pytest.MonkeyPatch, folder: Path, own: int | None, children: int, text: str = "") -> None:
    (folder / "timens_offsets").write_text(text)
    found = {"time": own, "time_for_children": children}
    monkeypatch.setattr(clocks, "_inode", found.__getitem__)


@pytest.mark.parametrize(
    ("own", "children", "text", "ahead"),
    [
        (None, 0, "", (0, 0)),
        (INITIAL, INITIAL, "monotonic 0 0\nboottime 0 0\n", (0, 0)),
        (INITIAL, 7, "monotonic 9 0\nboottime 9 0\n", (0, 0)),
        (7, 7, "monotonic           5         0\nboottime           86400         1\n", (5 * S, 86400 * S + 1)),
        (7, 7, "monotonic         -11 500000000\nboottime             -11 0\n", (-11 * S + S // 2, -11 * S)),
        (7, 7, "1 3 4\n7 5 6\n", (3 * S + 4, 5 * S + 6)),
        (7, 7, "boottime 1 0\n", (0, S)),
    ],
    ids=["old kernel", "none", "for children", "ahead", "behind", "numbers", "one"],
)
def test_namespaces(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own: int | None, children: int, text: str,
    ahead: tuple[int, int],
) -> None:  # fmt: skip
    namespaces(monkeypatch, tmp_path, own, children, text)
    machine.ahead = ahead
    assert (clocks.offset(), clocks.offset(Clock.BOOTTIME)) == ahead
    for clock in Clock:
        assert clocks.now(clock) == machine.kernel(clock)
        assert clocks.now(clock) + clocks.epoch(clock) == machine.time_ns()


def test_offsets_that_cannot_be_known(machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    namespaces(monkeypatch, tmp_path, 7, 8, "monotonic 9 0\n")
    with pytest.raises(Py2BpfError, match="relate clocks in a child"):
        clocks.offset()


def test_suspend_and_a_set_time(machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    namespaces(monkeypatch, tmp_path, INITIAL, INITIAL)
    then, was = clocks.now(Clock.BOOTTIME), machine.time_ns()
    machine.boot += 3600 * S
    machine.suspended += 3600 * S
    assert then + clocks.epoch() == was, "also by the epoch of later"
    assert clocks.now() + clocks.epoch(Clock.MONOTONIC) == machine.time_ns()
    machine.booted_at += 5 * S
    assert clocks.now(Clock.BOOTTIME) + clocks.epoch() == machine.time_ns()


def test_the_quickest_look_counts(machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The process may lose its processor between the two clocks."""
    namespaces(monkeypatch, tmp_path, INITIAL, INITIAL)
    pauses = iter([400, 0, 0, 300, 0, 20, 0, 0, 4, 200, 0, 0])

    def gettime(number: int) -> int:
        machine.boot += next(pauses)
        return machine.kernel(Clock(number))

    monkeypatch.setattr(clocks.time, "clock_gettime_ns", gettime)
    assert abs(clocks.epoch() - machine.booted_at) <= 400


CHECK = """
import sys, time
from ctypes import Structure, c_uint64, c_uint32
from py2bpf import clocks, funcs, tracepoint
from py2bpf.clocks import Clock
from py2bpf.datastructures import BpfQueue
import os

class Now(Structure):
    _fields_ = (("monotonic", c_uint64), ("boot", c_uint64))

me = int(os.readlink("/proc/self"))

def watch(queue):
    @tracepoint.probe("syscalls:sys_enter_getppid")
    def on_call(event):
        if funcs.get_current_pid_tgid() >> 32 == me:
            queue.output(event, Now(funcs.ktime_get_ns(), funcs.ktime_get_boot_ns()))
    return on_call()

with BpfQueue(Now, num_pages=64, ordered=True) as queue, watch(queue):
    before = time.time_ns()
    for _ in range(50):
        os.getppid()
    begun = time.monotonic()
    found = []
    while len(found) < 50 and time.monotonic() < begun + 20:
        found += queue.poll(1)
    took = time.monotonic() - begun
    after = time.time_ns()
    assert len(found) == 50, len(found)
    assert 0.02 < took < 10, took
    for record in found:
        for clock, at in ((Clock.MONOTONIC, record.monotonic), (Clock.BOOTTIME, record.boot)):
            assert before - 10**6 <= at + clocks.epoch(clock) <= after + 10**6, (clock, at)
    assert abs(clocks.offset() - int(sys.argv[1]) * 10**9) < 1
    assert abs(clocks.offset(Clock.BOOTTIME) - int(sys.argv[2]) * 10**9) < 1
"""


@pytest.mark.kernel
@pytest.mark.parametrize(("monotonic", "boottime"), [(0, 0), (50_000, 90_000), (-30, 7)])
def test_in_time_namespaces(monotonic: int, boottime: int, missing: Callable[[str], Any]) -> None:
    """An ordered queue waits neither too long nor too short there."""
    if os.geteuid() or not shutil.which("unshare") or not Path("/proc/self/ns/time").exists():
        missing("a time namespace needs root, unshare of util-linux, and Linux 5.6")
    prefix = ["unshare", "--time", "--fork", f"--monotonic={monotonic}", f"--boottime={boottime}"]
    words = [*prefix, sys.executable, "-c", CHECK, str(monotonic), str(boottime)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_here() -> None:
    assert abs(clocks.now() + clocks.epoch(Clock.MONOTONIC) - time.time_ns()) < S
