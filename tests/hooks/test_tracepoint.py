"""Tracepoints on the running kernel, on all CPUs."""

import ctypes
import os
import threading
import time

import pytest

from py2bpf import funcs, tracepoint
from py2bpf.datastructures import create_map
from py2bpf.exception import KernelError, TranslationError
from py2bpf.kernel import perf_event

pytestmark = [pytest.mark.kernel, pytest.mark.any_kernel, pytest.mark.usefixtures("tracefs")]

AT_FDCWD = -100


@pytest.fixture
def counts():
    with create_map(ctypes.c_uint32, ctypes.c_uint64, 256) as made:
        yield made


@pytest.fixture(params=["link", "ioctl"])
def way(request, monkeypatch):
    """Kernels before 5.15 have no links of perf events."""
    if request.param == "ioctl":
        monkeypatch.setattr(perf_event, "link_perf_event", lambda *_: None)


def on_every_cpu(work):
    """Runs ``work`` once on each CPU that this process may use."""

    def pinned(cpu):
        os.sched_setaffinity(0, {cpu})
        work()

    cpus = sorted(os.sched_getaffinity(0))
    threads = [threading.Thread(target=pinned, args=(cpu,)) for cpu in cpus]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return cpus


def test_all_cpus_are_caught(counts, way):
    pid = os.getpid()

    @tracepoint.probe("syscalls:sys_enter_clock_nanosleep")
    def on_sleep(event):
        if funcs.get_current_pid_tgid() >> 32 == pid:
            counts[funcs.get_smp_processor_id()] += 1
        return 0

    def sleep():
        for _ in range(100):
            time.sleep(0.00001)

    with on_sleep():
        cpus = on_every_cpu(sleep)
        assert dict(counts.items()) == dict.fromkeys(cpus, 100)
    sleep()
    assert sum(counts.values()) == 100 * len(cpus)


def test_fields_of_a_system_call(counts):
    pid = os.getpid()

    @tracepoint.probe("syscalls:sys_enter_openat")
    def on_open(event):
        if funcs.get_current_pid_tgid() >> 32 != pid:
            return 0
        if event.dfd == AT_FDCWD and event.flags & os.O_CLOEXEC:
            counts[event.flags & os.O_DIRECTORY] += 1
        if event.dfd != AT_FDCWD:
            counts[1] += 1
        return 0

    with on_open():
        os.close(os.open("/", os.O_RDONLY))
        os.close(os.open("/", os.O_RDONLY | os.O_DIRECTORY))
        here = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
        os.close(os.open("etc", os.O_RDONLY, dir_fd=here))
        os.close(here)
    assert dict(counts.items()) == {0: 1, os.O_DIRECTORY: 2, 1: 1}


def test_the_result_of_a_system_call_has_a_sign(counts):
    pid = os.getpid()

    @tracepoint.probe("syscalls:sys_exit_openat")
    def on_exit(event):
        if funcs.get_current_pid_tgid() >> 32 == pid and event.ret < 0:
            counts[-event.ret] += 1
        return 0

    with on_exit():
        with pytest.raises(FileNotFoundError):
            os.open("/nonesuch", os.O_RDONLY)
    assert dict(counts.items()) == {2: 1}


def test_the_handle_and_its_end(counts):
    pid = os.getpid()

    @tracepoint.probe("syscalls:sys_enter_getppid")
    def on_call(event):
        if funcs.get_current_pid_tgid() >> 32 == pid:
            counts[0] += 1
        return 0

    assert on_call.__name__ == "on_call"
    handle = on_call()
    with handle as same, on_call() as second:
        assert same is handle
        assert handle.event == "syscalls:sys_enter_getppid"
        assert handle.missed == 0
        assert handle.prog.fd != second.prog.fd
        os.getppid()
        assert counts[0] == 2
    handle.close()
    os.getppid()
    assert counts[0] == 2


@pytest.mark.parametrize("name", ["openat", "syscalls:", "a:b:c", "", "a b:c"])
def test_names_of_another_form(name):
    with pytest.raises(ValueError, match="give category:event"):
        tracepoint.probe(name)


def test_an_unknown_event_is_told_with_the_nearest():
    with pytest.raises(KernelError, match="no event sched:sched_swich; the nearest are sched:sched_switch"):
        tracepoint.probe("sched:sched_swich")(lambda event: 0)()


def test_an_unknown_field_is_an_error():
    @tracepoint.probe("sched:sched_switch")
    def on_switch(event):
        return event.nonesuch

    with pytest.raises(TranslationError, match="nonesuch"):
        on_switch()


def test_what_all_events_have_in_common_is_not_for_programs():
    @tracepoint.probe("sched:sched_switch")
    def on_switch(event):
        return event.common_pid

    with pytest.raises(TranslationError, match="common_pid"):
        on_switch()
