"""Shows who writes data to disk, and how long that takes: sync, fsync, fdatasync, syncfs, msync, sync_file_range.

FD is - for the calls that take no descriptor.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from ctypes import Structure, c_int32, c_uint32, c_uint64
from typing import Any

from py2bpf import funcs
from py2bpf.datastructures import BpfQueue, LruHashMap
from py2bpf.examples import common
from py2bpf.util import ensure_resources

CALLS = ("sync", "fsync", "fdatasync", "syncfs", "msync", "sync_file_range")
WITHOUT_FD = ("sync", "msync")


class Begun(Structure):
    _fields_ = (("time", c_uint64), ("fd", c_int32), ("zero", c_uint32))


class Sync(common.Task):
    _fields_ = (("nanoseconds", c_uint64), ("fd", c_int32), ("result", c_int32), ("call", c_uint32))


def watch(stack: ExitStack, queue: BpfQueue, pid: int | None) -> None:
    """Attaches to both ends of each system call."""
    pending = stack.enter_context(LruHashMap(c_uint32, Begun, 10240))

    def enter_of(call: str) -> Callable[[Any], None]:
        def on_enter(event: Any) -> None:
            if not common.ignores(pid):
                fd = -1 if call in WITHOUT_FD else event.fd
                pending[common.thread_id()] = Begun(time=funcs.ktime_get_ns(), fd=fd)

        return on_enter

    def exit_of(call: str) -> Callable[[Any], None]:
        def on_exit(event: Any) -> None:
            begun = pending[common.thread_id()]
            if begun:
                sync = Sync(fd=begun.fd, result=event.ret, call=CALLS.index(call))
                sync.nanoseconds = funcs.ktime_get_ns() - begun.time
                common.fill_task(sync)
                queue.output(event, sync)
                del pending[sync.tid]

        return on_exit

    for call in CALLS:
        common.attach_call(stack, call, enter_of(call), exit_of(call))


def main() -> None:
    options = common.event_parser("sync_watcher", __doc__).parse_args()
    ensure_resources()
    with ExitStack() as stack, BpfQueue(Sync, num_pages=16) as queue:
        watch(stack, queue, options.pid)
        printer = common.Printer(options.json, {"pid": -8, "comm": 16, "call": 16, "fd": -5, "ms": -10, "result": 0})
        for sync in common.events(queue, options, "Watching syncs."):
            printer.show(
                pid=sync.pid, comm=common.text(sync.comm), call=CALLS[sync.call],
                fd=sync.fd if sync.fd >= 0 else "-",
                ms=round(sync.nanoseconds / 1e6, 3), result=common.error_name(sync.result),
            )  # fmt: skip


if __name__ == "__main__":
    common.run(main)
