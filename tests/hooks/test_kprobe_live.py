"""Kernel probes on kernels that have them: run in guests, see tests/qemu."""

import contextlib
import ctypes
import errno
import os
import platform
import socket

import pytest

from py2bpf import funcs, kprobe
from py2bpf.datastructures import create_map
from py2bpf.exception import KernelError
from py2bpf.kernel import perf_event
from py2bpf.kernel.tracefs import root

pytestmark = [pytest.mark.kernel, pytest.mark.qemu]


@pytest.fixture
def counts():
    with create_map(ctypes.c_uint64, ctypes.c_uint64, 256) as made:
        yield made


@pytest.fixture(params=["pmu", "tracefs"])
def pmu_or_tracefs(request, monkeypatch):
    """Kernels before 4.17 have no perf PMU for kprobes."""
    if request.param == "tracefs":
        monkeypatch.setattr(perf_event, "_kprobe_pmu", lambda: None)
    return request.param


@pytest.fixture(params=["link", "ioctl"])
def link_or_ioctl(request, monkeypatch):
    if request.param == "ioctl":
        monkeypatch.setattr(perf_event, "link_perf_event", lambda *_: None)


def close_999():
    """A system call with an argument to tell it by."""
    with contextlib.suppress(OSError):
        os.close(999)


def test_a_system_calls_own_argument(counts, pmu_or_tracefs, link_or_ioctl):
    @kprobe.probe("sys_close")
    def on_close(pt_regs):
        if pt_regs.args[0] & 0xFFFFFFFF == 999:
            counts[0] += 1
        return 0

    close_999()
    with on_close() as handle:
        assert handle.symbol.endswith("sys_close")
        for _ in range(10):
            close_999()
        assert counts[0] == 10
        assert handle.missed == 0
    close_999()
    assert counts[0] == 10 and handle.missed == 0
    with on_close() as handle:
        handle.prog.close()
    assert handle.closed


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names registers of x86-64")
def test_argument_registers_by_name(counts):
    @kprobe.probe("sys_mmap")
    def on_mmap(pt_regs):
        if pt_regs.rsi == 0x7000:
            counts[0] = pt_regs.rdi
            counts[3] = pt_regs.rcx
            counts[4] = pt_regs.r10
            counts[5] = pt_regs.r8 & 0xFFFFFFFF
        return 0

    import mmap

    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    with on_mmap():
        mmap.mmap(-1, 0x7000, flags=flags).close()
    assert dict(counts.items()) == {0: 0, 3: flags, 4: flags, 5: 0xFFFFFFFF}


def test_results(counts, pmu_or_tracefs):
    @kprobe.probe("sys_getppid", exit_probe=True)
    def on_exit(pt_regs):
        counts[pt_regs.ret] += 1
        return 0

    with on_exit():
        os.getppid()
        assert os.getppid() in counts


def test_failures_are_negative(counts):
    @kprobe.probe("sys_close", exit_probe=True)
    def on_exit(pt_regs):
        if pt_regs.ret < 0:
            counts[-pt_regs.ret] += 1
            counts[1000 - pt_regs.ret32] += 1
        return 0

    with on_exit():
        close_999()
    assert counts[errno.EBADF] == counts[1000 + errno.EBADF] == 1


def test_arguments_have_the_signs_of_their_c_types(counts):
    @kprobe.probe("sys_openat")
    def on_open(pt_regs):
        if pt_regs.args[0] < 0:
            counts[-pt_regs.args[0]] += 1

    @kprobe.probe("sys_lseek")
    def on_seek(pt_regs):
        if pt_regs.args[1] < 0:
            counts[1000 - pt_regs.args[1]] += 1

    with on_open(), on_seek(), open("/etc/passwd", "rb", buffering=0) as file:
        os.lseek(file.fileno(), -3, os.SEEK_END)
    assert counts[100] >= 1 and counts[1003] == 1


def test_an_int_result_is_negative(counts):
    """Its register's upper half means nothing."""

    @kprobe.probe("tcp_v4_connect", exit_probe=True)
    def on_connected(pt_regs):
        if pt_regs.ret < 0:
            counts[-pt_regs.ret] += 1

    with on_connected() as handle, socket.socket() as connection:
        connection.settimeout(5)
        with contextlib.suppress(OSError):
            connection.connect(("255.255.255.255", 9))
        assert handle.symbol == "tcp_v4_connect"
    assert list(counts.values()) == [1] and set(counts) <= {errno.ENETUNREACH, errno.EACCES}


def test_arguments_of_an_ordinary_function_have_signs(counts):
    pid = os.getpid()

    @kprobe.probe("vfs_llseek")
    def on_seek(pt_regs):
        if funcs.get_current_pid_tgid() >> 32 == pid and pt_regs.args[1] < 0:
            counts[-pt_regs.args[1]] += pt_regs.args[2]

    with on_seek(), open("/etc/passwd", "rb", buffering=0) as file:
        os.lseek(file.fileno(), -7, os.SEEK_END)
    assert counts[7] == os.SEEK_END


def test_an_ordinary_function(counts):
    pid = os.getpid()

    @kprobe.probe("vfs_read")
    def on_read(pt_regs):
        if funcs.get_current_pid_tgid() >> 32 == pid and pt_regs.args[2] == 1234:
            counts[pid] += 1
        return 0

    with on_read(), open("/dev/zero", "rb", buffering=0) as zero:
        zero.read(1234)
    assert counts[pid] == 1


def test_the_first_name_that_is_there(counts):
    with kprobe.probe(["no_such_function", "vfs_read"])(lambda pt_regs: 0)() as handle:
        assert handle.symbol == "vfs_read"


def test_two_probes_at_one_function(counts):
    def count(number):
        @kprobe.probe("sys_close")
        def on_close(pt_regs):
            if pt_regs.args[0] & 0xFFFFFFFF == 999:
                counts[number] += 1
            return 0

        return on_close

    with count(1)(), count(2)():
        close_999()
    assert dict(counts.items()) == {1: 1, 2: 1}


def test_tracefs_probes_are_removed(monkeypatch):
    monkeypatch.setattr(perf_event, "_kprobe_pmu", lambda: None)
    file = root() / "kprobe_events"
    before = file.read_text()
    with kprobe.probe("vfs_read")(lambda pt_regs: 0)():
        assert "py2bpf/" in file.read_text()
    assert file.read_text() == before


def test_missing_functions():
    with pytest.raises(KernelError, match=r"no function vfs_raed.*nearest are vfs_read"):
        kprobe.probe("vfs_raed")(lambda pt_regs: 0)()


def test_blacklisted_functions(pmu_or_tracefs):
    with pytest.raises(KernelError, match="notify_die is on the kernel's kprobe blacklist"):
        kprobe.probe("notify_die")(lambda pt_regs: 0)()


def test_offsets_inside_of_instructions():
    for offset in range(1, 16):
        with contextlib.suppress(KernelError), kprobe.probe(f"vfs_read+{offset}")(lambda pt_regs: 0)():
            continue
        break
    else:
        pytest.fail("every offset was taken for the begin of an instruction")
    with pytest.raises(KernelError, match="no instruction that can be probed"):
        kprobe.probe(f"vfs_read+{offset}")(lambda pt_regs: 0)()


def test_nothing_is_left_when_compiling_fails():
    before = os.listdir("/proc/self/fd")

    @kprobe.probe("vfs_read")
    def wrong(pt_regs):
        return pt_regs.nonesuch

    with pytest.raises(Exception, match="nonesuch"):
        wrong()
    assert os.listdir("/proc/self/fd") == before
