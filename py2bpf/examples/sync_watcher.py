"""Shows who writes data to disk, and how long that takes: sync, fsync, fdatasync, syncfs, msync, sync_file_range.

FD is - for the calls that take no descriptor.

In a PID namespace --pid and PID are its numbers, 0 for processes outside. Calls of 32-bit programs are not seen.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from ctypes import Structure, c_int32, c_uint32, c_uint64
from typing import Any

from py2bpf import funcs
from py2bpf.datastructures import BpfQueue, LruHashMap
from py2bpf.examples import common, endings, tasks
from py2bpf.examples.tasks import Tasks
from py2bpf.util import ensure_resources

CALLS = ("sync", "fsync", "fdatasync", "syncfs", "msync", "sync_file_range")
WITHOUT_FD = ("sync", "msync")


class Begun(Structure):
    _fields_ = (("time", c_uint64), ("fd", c_int32), ("zero", c_uint32))


class Sync(tasks.Task):
    _fields_ = (("nanoseconds", c_uint64), ("fd", c_int32), ("result", c_int32), ("call", c_uint32))


def watch(stack: ExitStack, queue: BpfQueue, who: Tasks) -> None:
    """Attaches to both ends of each system call."""
    pending = stack.enter_context(LruHashMap(c_uint32, Begun, 10240))

    def enter_of(call: str) -> Callable[[Any], None]:
        def on_enter(event: Any) -> None:
            if not who.ignores():
                fd = -1 if call in WITHOUT_FD else event.fd
                pending[tasks.thread_id()] = Begun(time=funcs.ktime_get_ns(), fd=fd)

        return on_enter

    def exit_of(call: str) -> Callable[[Any], None]:
        def on_exit(event: Any) -> None:
            begun = pending[tasks.thread_id()]
            if begun:
                sync = Sync(fd=begun.fd, result=event.ret, call=CALLS.index(call))
                sync.nanoseconds = funcs.ktime_get_ns() - begun.time
                who.fill(sync)
                queue.output(event, sync)
                del pending[tasks.thread_id()]

        return on_exit

    for call in CALLS:
        tasks.attach_call(stack, call, enter_of(call), exit_of(call))


COLUMNS = {"pid": -8, "comm": 16, "call": 16, "fd": -5, "ms": -10, "result": 0}


def row(sync: Sync) -> dict[str, Any]:
    return {
        "pid": sync.pid, "comm": common.text(sync.comm), "call": CALLS[sync.call],
        "fd": sync.fd if sync.fd >= 0 else "-",
        "ms": round(sync.nanoseconds / 1e6, 3), "result": common.error_name(sync.result),
    }  # fmt: skip


def main() -> None:
    options = common.event_parser("sync_watcher", __doc__).parse_args()
    ensure_resources()
    with ExitStack() as stack, BpfQueue(Sync, num_pages=16) as queue:
        watch(stack, queue, Tasks(options.pid))
        common.show_events(queue, options, "Watching syncs.", COLUMNS, row)


if __name__ == "__main__":
    endings.run(main)
