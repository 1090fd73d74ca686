"""The common part of the tools that watch system calls: the calling process, and programs at both ends of a call."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import ExitStack
from ctypes import c_char, c_uint32
from typing import Annotated, Any, Final

from py2bpf import Struct, funcs, tracepoint, vm
from py2bpf.exception import KernelError

COMM_SIZE: Final = 16
"""TASK_COMM_LEN: the kernel keeps this much of a program's name."""

INITIAL_PID_NAMESPACE: Final = 0xEFFFFFFC
"""PROC_PID_INIT_INO, include/linux/proc_ns.h: the namespace whose process numbers programs see."""

OLD_CALLS: Final = frozenset({"open", "rmdir", "unlink"})
"""Calls with successors that end in -at: newer architectures, such as arm64, never had them."""

_MINOR_BITS: Final = 20
"""MINORBITS of include/linux/kdev_t.h: device numbers as the kernel itself has them."""


class Task(Struct):
    """Who caused an event; the tools' own event types begin with it."""

    pid: Annotated[int, c_uint32]
    tid: Annotated[int, c_uint32]
    comm: Annotated[bytes, c_char * COMM_SIZE]


class Numbers(Struct):
    """struct bpf_pidns_info: a thread and its process, as a PID namespace numbers them."""

    pid: Annotated[int, c_uint32]
    tgid: Annotated[int, c_uint32]


def thread_id() -> Any:
    """In a program: the running thread's number in the whole machine, which connects the two ends of a call."""
    return funcs.get_current_pid_tgid() & 0xFFFFFFFF


def pid_namespace() -> tuple[int, int] | None:
    """The device and the inode of this process's PID namespace; None in the namespace whose numbers programs
    see."""
    found = os.stat("/proc/self/ns/pid")
    if found.st_ino == INITIAL_PID_NAMESPACE:
        return None
    return os.major(found.st_dev) << _MINOR_BITS | os.minor(found.st_dev), found.st_ino


class Tasks:
    """The processes that a tool watches, one or all, and their numbers for the user.

    In a PID namespace, these are the namespace's numbers; processes outside of it have the number 0.
    """

    def __init__(self, pid: int | None = None) -> None:
        self._pid, self._own = pid, os.getpid()
        self.namespace = None if vm.current() == "vm" else pid_namespace()

    def ignores(self) -> bool:
        """In a program: whether the running process is not watched. Watching all processes costs nothing."""
        return self._pid is not None and _numbers(self.namespace).tgid != self._pid

    def is_tool(self) -> bool:
        """In a program: whether the running process is the tool itself."""
        own: bool = _numbers(self.namespace).tgid == self._own
        return own

    def fill(self, task: Task) -> None:
        """In a program: fills in the running process."""
        numbers = _numbers(self.namespace)
        task.pid, task.tid = numbers.tgid, numbers.pid
        funcs.get_current_comm(task.comm)


def _numbers(namespace: tuple[int, int] | None) -> Numbers:
    """In a program: the running thread's."""
    numbers = Numbers()
    if namespace is None:
        numbers.tgid, numbers.pid = funcs.get_current_pid_tgid() >> 32, thread_id()
    else:
        funcs.get_ns_current_pid_tgid(*namespace, numbers)
    return numbers


Attach = Callable[[ExitStack, str, Callable[[Any], Any], Callable[[Any], Any]], None]
"""A function that runs two programs at the ends of a system call: attach_call(), or its substitute in the VM."""


def attach_call(stack: ExitStack, call: str, on_enter: Callable[[Any], Any], on_exit: Callable[[Any], Any]) -> None:
    """Runs programs at both ends of a system call. Raises KernelError, but not for old calls that the machine lacks."""
    try:
        stack.enter_context(tracepoint.probe(f"syscalls:sys_enter_{call}")(on_enter)())
        stack.enter_context(tracepoint.probe(f"syscalls:sys_exit_{call}")(on_exit)())
    except KernelError as error:
        if error.errno != errno.ENOENT or call not in OLD_CALLS:
            raise


EXECUTED: Final = "sched:sched_process_exec"
"""The event after a program has replaced another. The thread that started it then gets its process's number, so that
thread_id() differs at the two ends of the call; and the end of a 32-bit program's call isn't seen."""


def follow_exec(stack: ExitStack, begun: Any) -> None:
    """Connects the two ends of an exec. ``begun`` has the calls that began, by thread_id()."""

    def on_exec(event: Any) -> None:
        if event.pid != event.old_pid:
            found = begun.get(event.old_pid)
            if found is not None:
                begun[event.pid] = found
                del begun[event.old_pid]

    stack.enter_context(tracepoint.probe(EXECUTED)(on_exec)())
