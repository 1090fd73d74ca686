"""Typed pointers into the running kernel's memory, compared with what user space knows about the same process."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import resource
from pathlib import Path

import pytest

import py2bpf
from py2bpf import funcs, tracepoint
from py2bpf.btf import kernel
from py2bpf.btf.reader import VMLINUX
from py2bpf.datastructures import ArrayMap
from py2bpf.exception import TranslationError

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.usefixtures("tracefs"),
    pytest.mark.skipif(not VMLINUX.exists(), reason="the kernel was built without BTF"),
]

PR_SET_CHILD_SUBREAPER = 36


class Seen(py2bpf.Struct):
    values: ctypes.c_int64 * 8
    text: ctypes.c_char * 16
    more: ctypes.c_char * 65


def ask(question):
    """What ``question(task, seen)`` leaves in ``seen`` about this thread; the errors that the program counted."""
    me = os.getpid()
    with ArrayMap(Seen, 1) as answers:

        @tracepoint.probe("syscalls:sys_enter_getppid")
        def on_call(event):
            if funcs.get_current_pid_tgid() >> 32 == me:
                seen = Seen()
                question(kernel.task_struct(funcs.get_current_task()), seen)
                answers[0] = seen

        with on_call() as handle:
            os.getppid()
            return answers[0], sorted(site.error for site in handle.prog.errors)


def test_numbers_text_and_pointers():
    def question(task, seen):
        seen.values[0] = task.pid
        seen.values[1] = task.tgid
        seen.values[2] = task.real_parent.tgid
        seen.values[3] = task.cred.uid.val
        seen.values[4] = task.group_leader.pid == task.tgid
        seen.values[5] = task.group_leader == task
        seen.text = task.comm
        seen.more = task.nsproxy.uts_ns.name.nodename

    seen, errors = ask(question)
    me = os.getpid()
    assert list(seen.values)[:6] == [me, me, os.getppid(), os.getuid(), 1, 1]
    assert seen.text == Path("/proc/self/comm").read_bytes().rstrip(b"\n")[:15]
    assert seen.more == os.uname().nodename.encode()
    assert errors == []


def test_negative_numbers():
    path = Path("/proc/self/oom_score_adj")
    old = path.read_text()
    path.write_text("17")
    try:
        seen, _ = ask(
            lambda task, seen: setattr(seen, "values", (task.signal.oom_score_adj, task.signal.oom_score_adj < 0))
        )
    finally:
        with contextlib.suppress(PermissionError):
            path.write_text(old)
    assert list(seen.values)[:2] == [17, 0]
    seen, _ = ask(lambda task, seen: setattr(seen, "values", (task.static_prio - 120, task.exit_signal)))
    assert list(seen.values)[:2] == [os.nice(0), 17]


def test_bit_fields():
    """One among others in the same byte, set and clear."""
    libc = ctypes.CDLL(None, use_errno=True)

    def question(task, seen):
        seen.values[0] = task.signal.is_child_subreaper
        seen.values[1] = task.sched_reset_on_fork
        seen.values[2] = task.in_execve

    assert list(ask(question)[0].values)[:3] == [0, 0, 0]
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    os.sched_setscheduler(0, os.SCHED_OTHER | os.SCHED_RESET_ON_FORK, os.sched_param(0))
    try:
        assert list(ask(question)[0].values)[:3] == [1, 1, 0]
    finally:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def test_arrays():
    """Of structures, by constants and at run time; one of unknown length; of numbers, as a slice."""

    def outside(task, seen):
        seen.values[0] = task.signal.rlim[task.tgid + len(task.signal.rlim)].rlim_max

    assert ask(outside)[1] == ["IndexError"]

    def question(task, seen):
        at = task.tgid - task.tgid + resource.RLIMIT_NOFILE
        seen.values[0] = task.signal.rlim[resource.RLIMIT_NOFILE].rlim_cur
        seen.values[1] = task.signal.rlim[at].rlim_max
        seen.values[2] = task.thread_pid.numbers[0].nr
        auxv = task.mm.saved_auxv[0:4]
        seen.values[3] = auxv[0]
        seen.values[4] = auxv[2]

    seen, errors = ask(question)
    auxv = Path("/proc/self/auxv").read_bytes()
    assert errors == []
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert list(seen.values)[:2] == [soft, hard]
    assert seen.values[2] in {
        int(n) for n in re.findall(r"^NSpid:\s+(\d+)", Path("/proc/self/status").read_text(), re.M)
    }
    assert list(seen.values)[3:5] == [int.from_bytes(auxv[at : at + 8], "little") for at in (0, 16)]


def test_addresses_are_numbers_for_helpers(tmp_path, monkeypatch):
    """The name of a directory's entry is unsigned chars behind a pointer."""
    here = tmp_path / "a-directory"
    here.mkdir()
    monkeypatch.chdir(here)

    def question(task, seen):
        dentry = task.fs.pwd.dentry
        name = (ctypes.c_char * 16)()
        funcs.probe_read_kernel_str(name, dentry.d_name.name)
        seen.text = name
        word = (ctypes.c_uint8 * 8)()
        seen.values[0] = funcs.probe_read_kernel(word, dentry)
        seen.values[1] = int(dentry) == funcs.get_current_task()

    seen, errors = ask(question)
    assert (seen.text, list(seen.values)[:2], errors) == (b"a-directory", [0, 0], [])


def test_a_walk_of_a_list_to_its_end():
    def question(task, seen):
        depth = 0
        for _ in range(64):
            if task.tgid == 0:
                break
            task = task.real_parent
            depth += 1
        seen.values[0] = depth
        seen.values[1] = task.real_parent == task

    def parents(pid):
        depth = 0
        while pid:
            pid, depth = int(re.search(r"^PPid:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M)[1]), depth + 1
        return depth

    seen, errors = ask(question)
    assert errors == []
    assert 1 < parents(os.getpid()) <= seen.values[0] < 64  # the kernel's includes what is outside of a namespace
    assert seen.values[1] == 1  # init's own parent is itself


def test_null_and_what_cannot_be_read():
    def question(task, seen):
        nothing = kernel.task_struct(task.pid - task.pid)
        wild = kernel.task_struct(0xDEAD0000)
        seen.values[0] = not nothing
        seen.values[1] = nothing is None
        seen.values[2] = wild is None
        seen.values[3] = wild.pid + 5
        seen.values[4] = wild.real_parent is None
        seen.values[5] = wild.comm == b""

    seen, errors = ask(question)
    assert (list(seen.values)[:6], errors) == ([1, 1, 0, 5, 1, 1], [])
    assert ask(lambda task, seen: setattr(seen, "text", kernel.task_struct(task.pid - task.pid).comm))[1] == [
        "AttributeError"
    ]


def test_annotated_parameters():
    def parent(task: kernel.task_struct) -> int:
        return task.real_parent.tgid

    def question(task, seen):
        seen.values[0] = parent(funcs.get_current_task())
        seen.values[1] = parent(task)

    assert list(ask(question)[0].values)[:2] == [os.getppid()] * 2


def test_a_misspelt_type_names_the_nearest():
    with pytest.raises(TranslationError, match="no struct, union or enumerator 'task_strukt'") as caught:
        ask(lambda task, seen: setattr(seen, "text", kernel.task_strukt(task).comm))
    assert "kernel.task_struct" in caught.value.hints[0]
