"""Reads of queues that signals, errors and forks interrupt: each record comes once nevertheless."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from contextlib import ExitStack
from ctypes import c_uint64
from typing import Any

import pytest
from batch_senders import BOTH, PACKET, queue_and_sender
from forked import in_child
from sample_programs import CPUS, run_on, tc

from py2bpf.datastructures import ArrayMap
from py2bpf.exception import KernelError

pytestmark = pytest.mark.kernel


@pytest.mark.unsanitized("forks beside threads")
@BOTH
def test_a_forked_child_takes_nothing(kind: str) -> None:
    def child() -> None:
        with pytest.raises(KernelError):
            queue.read_batch(timeout=0)
        queue.close()

    with queue_and_sender(kind, c_uint64) as (queue, send):
        send(6)
        assert next(iter(queue)) == 64
        in_child(child)
        assert queue.read_batch(timeout=1).tolist() == [65, 66, 67, 68, 69]


class InterruptError(Exception):
    """What a signal handler raises."""


@BOTH
def test_signals_that_raise_lose_no_record(kind: str) -> None:
    """A loop that is broken off at any moment, and begun again, gets every record once."""

    def alarm(number: int, frame: Any) -> None:
        raise InterruptError

    count, got = 100, []
    with queue_and_sender(kind, c_uint64, latency=0.001) as (queue, _), ExitStack() as stack:
        write = (lambda skb: queue.output(skb.len)) if kind == "ring" else (lambda skb: queue.output(skb, skb.len))
        program = stack.enter_context(tc(write))
        old = signal.signal(signal.SIGALRM, alarm)
        try:
            for turn in range(count):
                program.test_run(PACKET, repeat=100)
                with pytest.raises(InterruptError):
                    signal.setitimer(signal.ITIMER_REAL, 0.00002 * (turn % 20 + 1))
                    got.extend(queue)  # keeps what it has when the iterator raises
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, old)
        assert len(got) + len(queue.poll(0)) == 100 * count and queue.lost == 0


def _into(queue: Any) -> Any:
    memory = (c_uint64 * 20)()
    return memory, queue.read_into(memory, 0)


CALLS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], list[int]]]] = {
    "poll": (lambda queue: queue.poll(0), list),
    "read_batch": (lambda queue: queue.read_batch(20, 0), lambda rows: rows.tolist()),
    "read_into": (_into, lambda found: found[0][: found[1]]),
    "read_arrow": (lambda queue: queue.read_arrow(20, 0), lambda batch: batch["value"].to_pylist()),
}


@BOTH
@pytest.mark.parametrize("how", CALLS)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of a file that was being read
def test_calls_that_signals_break_off_lose_no_record(kind: str, how: str) -> None:
    """Whenever a handler raises: what the broken call had taken comes with the next one, in order."""

    def alarm(number: int, frame: Any) -> None:
        raise InterruptError

    if how == "read_arrow":
        pytest.importorskip("pyarrow")
    call, numbers = CALLS[how]
    got: list[int] = []
    broken = 0
    with queue_and_sender(kind, c_uint64) as (queue, _), ArrayMap(c_uint64, 1) as count, ExitStack() as stack:

        def write(skb: Any) -> int:
            count[0] += 1
            number = count[0]
            return queue.output(number) if kind == "ring" else queue.output(skb, number)

        program = stack.enter_context(tc(write))
        call(queue)
        old = signal.signal(signal.SIGALRM, alarm)
        pick = random.Random(how)
        try:
            for turn in range(600):
                found = None
                if turn % 10 == 0:
                    run_on(CPUS[0], program, 99)
                    got.append(next(iter(queue)))  # so that others are pending
                try:
                    signal.setitimer(signal.ITIMER_REAL, pick.uniform(1e-6, 4e-5))
                    found = call(queue)
                    signal.setitimer(signal.ITIMER_REAL, 0)
                except InterruptError:
                    broken += 1
                if found is not None:  # the signal may have come behind the call
                    got += numbers(found)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, old)
        while found := queue.poll(0):
            got += found
        assert got == list(range(1, 60 * 99 + 1)) and queue.lost == 0
    assert broken


def test_a_batch_is_as_large_as_can_be_there() -> None:
    with queue_and_sender("ring", c_uint64) as (queue, send):
        send(3)
        assert queue.read_batch(1 << 62).tolist() == [64, 65, 66]


def test_a_body_that_raises_loses_nothing() -> None:
    with queue_and_sender("ring", c_uint64) as (queue, send):
        send(5)
        got = []
        with pytest.raises(ZeroDivisionError):
            for number in queue:
                got.append(number)
                1 // (number - 66)
        assert got + queue.poll(0) == [64, 65, 66, 67, 68]
