"""What the tools that watch system calls share: who made the call, and programs at both of its ends."""

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
"""PROC_PID_INIT_INO, include/linux/proc_ns.h: there processes have the numbers that programs see."""

OLD_CALLS: Final = frozenset({"open", "rmdir", "unlink"})
"""Calls that have successors ending in -at: newer architectures, arm64 for one, never had them."""

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
    """In a program: the running thread's number in the whole machine, by which the two ends of a call find together."""
    return funcs.get_current_pid_tgid() & 0xFFFFFFFF


def pid_namespace() -> tuple[int, int] | None:
    """The device and the inode of this process's PID namespace; None where processes have the numbers that programs
    see."""
    found = os.stat("/proc/self/ns/pid")
    if found.st_ino == INITIAL_PID_NAMESPACE:
        return None
    return os.major(found.st_dev) << _MINOR_BITS | os.minor(found.st_dev), found.st_ino


class Tasks:
    """The processes that a tool is asked for: one of them, or all; and their numbers as the tool's user sees them.

    In a PID namespace those are the namespace's. Processes that aren't in it have none there: it is 0.
    """

    def __init__(self, pid: int | None = None) -> None:
        self._pid, self._own = pid, os.getpid()
        self.namespace = None if vm.current() == "vm" else pid_namespace()

    def ignores(self) -> bool:
        """In a program: whether the running process isn't the one asked for. None asks for all, and costs nothing."""
        return self._pid is not None and _numbers(self.namespace).tgid != self._pid

    def is_tool(self) -> bool:
        """In a program: whether the running process is the tool itself."""
        own: bool = _numbers(self.namespace).tgid == self._own
        return own

    def fill(self, task: Task) -> None:
        """In a program: notes who is running."""
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
"""What has two programs run at the ends of a system call: attach_call, or what stands for it without a kernel."""


def attach_call(stack: ExitStack, call: str, on_enter: Callable[[Any], Any], on_exit: Callable[[Any], Any]) -> None:
    """Runs programs at both ends of a system call. Raises KernelError, but for old calls that the machine lacks."""
    try:
        stack.enter_context(tracepoint.probe(f"syscalls:sys_enter_{call}")(on_enter)())
        stack.enter_context(tracepoint.probe(f"syscalls:sys_exit_{call}")(on_exit)())
    except KernelError as error:
        if error.errno != errno.ENOENT or call not in OLD_CALLS:
            raise


EXECUTED: Final = "sched:sched_process_exec"
"""What happens when a program has replaced another. A thread that had it started gets its process's number then, so
that the ends of its call don't find together by thread_id(); and of a 32-bit program the end isn't seen."""


def follow_exec(stack: ExitStack, begun: Any) -> None:
    """Keeps the ends of an exec together. ``begun`` has what began, by thread_id()."""

    def on_exec(event: Any) -> None:
        if event.pid != event.old_pid:
            found = begun.get(event.old_pid)
            if found is not None:
                begun[event.pid] = found
                del begun[event.old_pid]

    stack.enter_context(tracepoint.probe(EXECUTED)(on_exec)())
