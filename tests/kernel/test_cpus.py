"""CPUs that come and go: when a queue looks for them, and what it counts. tests/qemu has real ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from ctypes import c_uint32
from typing import Any

import pytest

import py2bpf
from py2bpf import cpus, funcs, tracepoint
from py2bpf.codec import codec_for
from py2bpf.datastructures import BpfQueue
from py2bpf.exception import KernelError
from py2bpf.kernel import perf_event, perfbuf
from py2bpf.util import ensure_resources


class Machine:
    """A reader and what tells of CPUs, faked."""

    def __init__(self) -> None:
        self.now, self.online, self.refused = 1000.0, "0-1\n", 0
        self.revived = self.taken = 0
        self.ticks: list[int] = []
        self.error: KernelError | None = None
        self.turn = self

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def check(self) -> None:
        pass

    def take(self, batch: Any) -> None:
        self.taken += 1

    def revive(self) -> int:
        self.revived += 1
        if self.error is not None:
            raise self.error
        return 1

    def tick(self, ms: int) -> None:
        self.ticks.append(ms)

    def poller(self) -> None:
        pass


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(perfbuf, "online_list", lambda: made.online)
    monkeypatch.setattr(perfbuf.time, "monotonic", lambda: made.now)
    return made


def records(machine: Machine, latency: float = 0.1) -> Any:
    return perfbuf.PerfRecords(machine, codec_for(c_uint32), latency, 4096, lambda: machine.refused)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "revived"),
    [({}, 0), ({"online": "0\n"}, 1), ({"online": "0-3\n"}, 1), ({"online": ""}, 1), ({"refused": 1}, 1)],
    ids=str,
)
def test_what_makes_it_look_for_rings(machine: Machine, change: dict[str, Any], revived: int) -> None:
    found = records(machine)
    for name, value in change.items():
        setattr(machine, name, value)
    found.take(None)
    assert machine.revived == 0, "not with each read"
    machine.now += 0.2
    for _ in range(5):
        found.take(None)
        machine.now += 0.2
    assert (machine.revived, machine.taken) == (revived, 6), "once for each change"


def test_it_looks_now_and_then_in_any_case(machine: Machine) -> None:
    """A CPU may go and come back between two looks, while other processes' programs write, which count nowhere here."""
    found = records(machine)
    for _ in range(1000):
        machine.now += 0.1
        found.take(None)
    assert 8 <= machine.revived <= 11


def test_what_fails_is_tried_again(machine: Machine) -> None:
    found = records(machine)
    machine.error, machine.refused = KernelError(24, "too many files"), 3
    for _ in range(3):
        machine.now += 0.2
        found.take(None)
    assert (machine.revived, machine.taken) == (3, 3), "reading goes on"
    machine.error = None
    for _ in range(3):
        machine.now += 0.2
        found.take(None)
    assert machine.revived == 4


@pytest.mark.parametrize(("latency", "ticks"), [(0, [1000]), (0.5, [500])])
def test_an_event_loop_is_woken_for_it(machine: Machine, latency: float, ticks: list[int]) -> None:
    """A CPU without a ring wakes nobody."""
    records(machine, latency).poller()
    assert machine.ticks == ticks


def test_lists_of_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, numbers in (("0\n", (0,)), ("0-3,8\n", (0, 1, 2, 3, 8)), ("1,3-4", (1, 3, 4)), ("", (0,))):
        monkeypatch.setattr(cpus, "online_list", lambda text=text: text)
        assert cpus.online_cpus() == numbers


# In the kernel


@pytest.fixture
def other_cpu() -> Iterator[int]:
    """A CPU that the test doesn't run on."""
    before = os.sched_getaffinity(0)
    if len(before) < 2:
        pytest.skip("one CPU")
    os.sched_setaffinity(0, {min(before)})
    yield max(before)
    os.sched_setaffinity(0, before)


@pytest.mark.kernel
def test_records_that_are_refused_are_counted(other_cpu: int) -> None:
    """By output() and by the helper; the kernel counts those that find no room itself."""
    ensure_resources()
    me = os.getpid()
    with BpfQueue(c_uint32, num_pages=1, name="refusing") as queue:

        @tracepoint.probe("syscalls:sys_enter_getppid")
        def on_call(event: Any) -> int:
            if funcs.get_current_pid_tgid() >> 32 == me:
                if funcs.perf_event_output(event, queue, other_cpu, c_uint32(1)) != -95:
                    queue.output(event, 0)
                queue.output(event, 7)
            return 0

        with on_call():
            for _ in range(5):
                os.getppid()
            assert queue.poll(1) == [7] * 5
            assert queue.lost == 5 and sum(queue.lost_by_cpu().values()) == 0
            for _ in range(1000):
                os.getppid()
        full = sum(queue.lost_by_cpu().values())
        assert 0 < full < 1000 and queue.lost == full + 1005
        losses = [loss for loss in py2bpf.losses() if loss.name == "refusing"]
        assert [loss.count for loss in losses] == [full, 1005]
        assert "no room" in losses[0].hint and "had just come online" in losses[1].hint
        assert queue._source._reader.revive() == 0, "all rings are well"
        assert len(queue.poll(1)) == 1000 - full
    assert queue.lost == full + 1005


@pytest.mark.kernel
def test_a_probe_needs_no_certain_cpu(other_cpu: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first CPU may be offline; programs run on all others in any case."""
    ensure_resources()
    monkeypatch.setattr(perf_event, "online_cpus", lambda: (other_cpu,))
    me = os.getpid()
    with BpfQueue(c_uint32, latency=0) as queue:

        @tracepoint.probe("syscalls:sys_enter_getppid")
        def on_call(event: Any) -> int:
            if funcs.get_current_pid_tgid() >> 32 == me:
                queue.output(event, funcs.get_smp_processor_id())
            return 0

        with on_call():
            os.getppid()
            assert queue.poll(5) == [min(os.sched_getaffinity(0))]


def test_the_list_is_there() -> None:
    assert set(os.sched_getaffinity(0)) <= set(cpus.online_cpus())
