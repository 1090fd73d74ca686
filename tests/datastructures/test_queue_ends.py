"""How perf queues end: closed by threads, by signals and with the last reference, and in forked children."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from ctypes import Structure, c_uint32, c_uint64
from pathlib import Path
from typing import Any

import pytest
from forked import in_child
from sample_programs import CPUS, PACKET, PAUSE, Event, emitting, run_on, until

from py2bpf.datastructures import BpfQueue, HashMap
from py2bpf.exception import ClosedError, KernelError, Py2BpfError

pytestmark = pytest.mark.kernel


@pytest.mark.any_kernel
def test_closing_from_another_thread_ends_the_loop() -> None:
    with ExitStack() as stack:
        q = stack.enter_context(BpfQueue(Event))
        program = stack.enter_context(emitting(q))
        got: list[int] = []
        thread = threading.Thread(target=lambda: got.extend(event.seq for event in q))
        thread.start()
        run_on(CPUS[0], program, 3)
        until(lambda: got == [0, 1, 2])
        q.close()
        thread.join(PAUSE)
        assert not thread.is_alive()
        assert program.test_run(PACKET).retval == 0, "programs don't mind"


def test_closing_wakes_every_reader() -> None:
    q = BpfQueue(Event, latency=60)
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(q.poll())) for _ in range(3)]
    threads.append(threading.Thread(target=lambda: results.append(list(q))))
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    q.close()
    for thread in threads:
        thread.join(5)
    assert results == [[]] * 4


def test_what_was_written_before_close_is_delivered() -> None:
    with BpfQueue(Event) as q, emitting(q) as program:
        run_on(CPUS[0], program, 3)
        q.close()
        assert [event.seq for event in q] == [0, 1, 2]
        for use in (lambda: q.poll(0), lambda: q.fd, lambda: q.fileno(), q.__enter__):
            with pytest.raises(ClosedError, match="closed") as caught:
                use()
            assert isinstance(caught.value, ValueError) and isinstance(caught.value, Py2BpfError)
        q.close()
        assert list(q) == [] and q.lost == 0


@pytest.mark.kernel_only
@pytest.mark.any_kernel
def test_no_descriptor_is_left_and_none_is_inherited() -> None:
    before = set(os.listdir("/proc/self/fd"))
    with BpfQueue(Event) as q:
        q.fileno()
        opened = set(os.listdir("/proc/self/fd")) - before
        assert len(opened) > len(CPUS) and not any(os.get_inheritable(int(fd)) for fd in opened
                                                   if os.path.exists(f"/proc/self/fd/{fd}"))
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.mark.kernel_only
def test_a_queue_that_nobody_refers_to_gives_everything_back() -> None:
    q = BpfQueue(Event)
    fd = q.fd
    del q
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


WAITING = """
import ctypes, sys
from py2bpf.datastructures import BpfQueue
q = BpfQueue(ctypes.c_int, latency=float(sys.argv[2]))
print("ready", flush=True)
try:
    {"for": lambda: list(q), "poll": lambda: q.poll()}[sys.argv[1]]()
except KeyboardInterrupt:
    print("interrupted", flush=True)
    q.close()
"""


@pytest.mark.parametrize("latency", ["0", "0.1", "60"])
@pytest.mark.parametrize("how", ["for", "poll"])
def test_ctrl_c_works_at_once(how: str, latency: str, backend: str) -> None:
    command, env = [sys.executable, "-c", WAITING, how, latency], {**os.environ, "PY2BPF_BACKEND": backend}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as child:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
        time.sleep(0.2)
        begin = time.monotonic()
        child.send_signal(signal.SIGINT)
        assert child.stdout.readline() == "interrupted\n"
        assert time.monotonic() - begin < PAUSE
        assert child.wait(5) == 0


def test_closing_in_a_signal_handler_ends_the_loop() -> None:
    q = BpfQueue(c_uint32, latency=60)
    old = signal.signal(signal.SIGALRM, lambda *_: q.close())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        assert list(q) == []
    finally:
        signal.signal(signal.SIGALRM, old)


def test_a_queue_beside_a_map_in_an_exit_stack() -> None:
    class Two(Structure):
        _fields_ = [("a", c_uint32), ("b", c_uint64)]

    with ExitStack() as stack:
        q = stack.enter_context(BpfQueue(Two, 9))
        m = stack.enter_context(HashMap(c_uint32, Two, 4))
    assert q.closed and m.closed


def refused(call: Callable[[], Any], parent: int) -> None:
    with pytest.raises(KernelError, match=f"belongs to process {parent}.*in the child") as caught:
        call()
    assert caught.value.errno == errno.ECHILD


@pytest.mark.unsanitized("forks beside threads")
def test_a_forked_child_cannot_read_and_does_no_harm() -> None:
    def child() -> None:
        refused(lambda: q.poll(0), parent)
        refused(lambda: next(iter(q)), parent)
        refused(lambda: q.lost, parent)
        refused(q.fileno, parent)
        q.close()
        q.close()
        assert q.closed

    parent = os.getpid()
    with BpfQueue(Event, latency=0.02) as q, emitting(q) as program:
        run_on(CPUS[0], program, 1)
        in_child(child)
        run_on(CPUS[0], program, 2)
        assert [event.seq for event in q.poll(1)] == [0, 1, 2]
        assert q.poll(0.05) == [] and q.lost == 0


@pytest.mark.unsanitized("forks beside threads")
def test_a_forked_child_may_make_a_queue_of_its_own() -> None:
    def child() -> None:
        with BpfQueue(Event, latency=0.02) as own, emitting(own) as program:
            run_on(CPUS[0], program, 3)
            assert [event.seq for event in own.poll(1)] == [0, 1, 2]

    with BpfQueue(Event):
        in_child(child)


def test_the_end_of_a_forked_child_leaves_the_queue_alone(backend: str) -> None:
    """In a process of its own, so that the child ends by sys.exit() with all that follows."""
    code = (
        f"import os, sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from sample_programs import Event, emitting, run_on\n"
        "from py2bpf.datastructures import BpfQueue\n"
        "q = BpfQueue(Event, latency=0.02); making = emitting(q); program = making.__enter__()\n"
        "pid = os.fork()\n"
        "if not pid: sys.exit(0)\n"
        "status = os.waitpid(pid, 0)[1]\n"
        f"run_on({CPUS[0]}, program, 3)\n"
        "print(status, [event.seq for event in q.poll(1)], q.lost)\n"
    )
    env = {**os.environ, "PY2BPF_BACKEND": backend}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=env)
    assert (done.stdout, done.stderr) == ("0 [0, 1, 2] 0\n", "")
