"""Tracepoints on the running kernel, on all CPUs."""

import contextlib
import ctypes
import os
import subprocess
import threading
import time

import pytest

from py2bpf import funcs, tracepoint
from py2bpf.datastructures import BpfQueue, create_map
from py2bpf.exception import KernelError, TranslationError
from py2bpf.kernel import perf_event
from py2bpf.kernel.tracefs import parse_format
from py2bpf.prog import create_prog
from py2bpf.uapi.prog_types import ProgType

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


@pytest.mark.parametrize(("call", "field"), [("lseek", "offset"), ("fallocate", "len"), ("ftruncate", "length")])
def test_arguments_of_64_bits_have_signs(counts, call, field):
    pid = os.getpid()

    @tracepoint.probe(f"syscalls:sys_enter_{call}")
    def on_call(event):
        given = getattr(event, field)
        if funcs.get_current_pid_tgid() >> 32 == pid and given < 0:
            counts[-given] += 1
        return 0

    with on_call(), open("/etc/passwd", "rb", buffering=0) as file:
        if call == "lseek":
            os.lseek(file.fileno(), -3, os.SEEK_END)
        with contextlib.suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, -3) if call == "fallocate" else os.ftruncate(file.fileno(), -3)
    assert counts[3] == 1


def test_the_sign_of_a_negative_id(counts):
    pid = os.getpid()

    @tracepoint.probe("syscalls:sys_enter_kill")
    def on_kill(event):
        if funcs.get_current_pid_tgid() >> 32 == pid and event.pid < 0:
            counts[-event.pid] += 1
        return 0

    with on_kill(), contextlib.suppress(OSError):
        os.kill(-(1 << 22) - 5, 0)
    assert counts[(1 << 22) + 5] == 1


# texts and arrays of variable length


class Exec(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char * 80), ("pid", ctypes.c_int32), ("size", ctypes.c_uint16))


def run(*command):
    return subprocess.Popen(command, stdout=subprocess.DEVNULL).wait()


def test_a_text_of_variable_length():
    with (
        create_map(ctypes.c_char * 64, ctypes.c_uint64, 512) as by_name,
        create_map(ctypes.c_uint32, Exec, 512) as by_pid,
        create_map(ctypes.c_uint32, ctypes.c_uint64, 8) as seen,
    ):

        @tracepoint.probe("sched:sched_process_exec")
        def on_exec(event):
            by_name[event.filename] += 1
            by_pid[event.pid] = (event.filename, event.pid, event.__data_loc_filename >> 16)
            if event.filename == b"/bin/true":
                seen[0] += 1
            if event.filename.startswith(b"/bin/tru"):
                seen[1] += 1
            if event.filename and event.filename in (b"/bin/true", b"/bin/false"):
                seen[2] += 1
            if not event.filename or event.filename == b"/bin/tru" or event.filename == b"/bin/true1":
                seen[3] += 1
            return 0

        with on_exec():
            true = subprocess.Popen(["/bin/true"])
            true.wait()
            run("/bin/true")
        assert by_name[b"/bin/true"] == 2
        found = by_pid[true.pid]
        assert (found.name, found.pid, found.size) == (b"/bin/true", true.pid, len("/bin/true") + 1)
        assert dict(seen.items()) == {0: 2, 1: 2, 2: 2}


def test_a_text_is_cut_to_the_size_that_the_user_gives(tmp_path):
    long = tmp_path / ("x" * 100)
    long.write_text("#!/bin/true\n")
    long.chmod(0o755)
    path = os.fsencode(long)
    with (
        create_map(ctypes.c_char * 16, ctypes.c_uint64, 64) as cut,
        create_map(ctypes.c_char * 256, ctypes.c_uint64, 64) as whole,
    ):

        @tracepoint.probe("sched:sched_process_exec", sizes={"filename": 16})
        def on_cut(event):
            cut[event.filename] += 1

        @tracepoint.probe("sched:sched_process_exec", sizes={"filename": 256})
        def on_whole(event):
            whole[event.filename] += 1

        with on_cut(), on_whole():
            run(str(long))
        assert cut[path[:15]] == 1 and whole[path] == 1


def test_two_texts_of_one_event(counts):
    """Before Linux 6.17 this event has arrays of 16 characters."""
    with create_map(ctypes.c_uint32, ctypes.c_char * 64, 64) as names:

        @tracepoint.probe("sched:sched_process_fork")
        def on_fork(event):
            if event.parent_pid == pid:
                names[event.child_pid] = event.child_comm
                counts[event.parent_comm == event.child_comm] += 1

        pid = threading.get_native_id()
        with on_fork():
            child = os.fork()
            if not child:
                os._exit(0)
            os.waitpid(child, 0)
        with open("/proc/thread-self/comm", "rb") as comm:
            assert names[child] == comm.read().strip()
        assert dict(counts.items()) == {1: 1}


def test_texts_are_printed_and_sent():
    with BpfQueue(Exec) as queue:

        @tracepoint.probe("sched:sched_process_exec")
        def on_exec(event):
            print(f"exec of {event.filename}")
            queue.output(event, (event.filename, event.pid, 0))

        with on_exec():
            run("/bin/true")
            assert b"/bin/true" in [record.name for record in queue.poll(1000)]


def test_a_helper_does_not_write_into_an_events_text():
    @tracepoint.probe("sched:sched_process_exec")
    def on_exec(event):
        return funcs.get_current_comm(event.filename)

    with pytest.raises(TranslationError, match=r"would write to a copy of what the kernel has[^$]*\(c_char \* 64\)"):
        on_exec.load()


@pytest.mark.slow
def test_every_text_and_array_of_this_kernel_can_be_read(tracefs):
    """The verifier takes programs that read each of them."""
    read = 0
    for file in sorted(tracefs.glob("events/*/*/format")):
        if "_loc " not in file.read_text():
            continue
        form = parse_format(file.read_text())
        spec = tracepoint.context(form, file.parent.name)
        for name in spec.fields:

            def prog(event, name=name):
                item = getattr(event, name)
                return item[0] + item[7]

            create_prog(ProgType.TRACEPOINT, spec, prog).close()
            read += 1
    assert read > 10


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

    with pytest.raises(TranslationError, match="nonesuch") as caught:
        on_switch()
    (hint,) = caught.value.hints
    assert hint.startswith("it has prev_comm, prev_pid") and "gap" not in hint, "no bytes between the fields"


def test_what_all_events_have_in_common_is_not_for_programs():
    @tracepoint.probe("sched:sched_switch")
    def on_switch(event):
        return event.common_pid

    with pytest.raises(TranslationError, match="common_pid") as caught:
        on_switch()
    assert "py2bpf.funcs.get_current_pid_tgid() & 0xffffffff" in caught.value.hints[0]
