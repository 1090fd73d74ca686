"""Shows who deletes files and folders: unlink, unlinkat and rmdir.

PATH is what the program passed: it counts from the folder it works in when it doesn't begin with a slash.
"""

from __future__ import annotations

from contextlib import ExitStack
from ctypes import c_char, c_int32, c_uint32
from typing import Annotated, Any

from py2bpf import funcs
from py2bpf.datastructures import BpfQueue, LruHashMap
from py2bpf.examples import common
from py2bpf.util import ensure_resources

CALLS = ("unlink", "unlinkat", "rmdir")


class Unlink(common.Task):
    result: Annotated[int, c_int32]
    path: Annotated[bytes, c_char * 256]


def watch(stack: ExitStack, queue: BpfQueue, pid: int | None) -> None:
    """Attaches to both ends of each system call."""
    pending = stack.enter_context(LruHashMap(c_uint32, Unlink, 10240))

    def on_enter(event: Any) -> None:
        if not common.ignores(pid):
            unlink = Unlink()
            common.fill_task(unlink)
            funcs.probe_read_user_str(unlink.path, event.pathname)
            pending[unlink.tid] = unlink

    def on_exit(event: Any) -> None:
        unlink = pending[common.thread_id()]
        if unlink:
            unlink.result = event.ret
            queue.output(event, unlink)
            del pending[common.thread_id()]

    for call in CALLS:
        common.attach_call(stack, call, on_enter, on_exit)


def main() -> None:
    options = common.event_parser("unlinkers", __doc__).parse_args()
    ensure_resources()
    with ExitStack() as stack, BpfQueue(Unlink, num_pages=64) as queue:
        watch(stack, queue, options.pid)
        printer = common.Printer(options.json, {"pid": -8, "comm": 16, "result": -26, "path": 0})
        for unlink in common.events(queue, options, "Watching deletions."):
            result = common.error_name(unlink.result)
            printer.show(pid=unlink.pid, comm=common.text(unlink.comm), result=result, path=common.text(unlink.path))


if __name__ == "__main__":
    common.run(main)
