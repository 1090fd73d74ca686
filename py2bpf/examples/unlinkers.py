"""Shows who deletes files and folders: unlink, unlinkat and rmdir.

PATH is what the program passed: it counts from the folder it works in when it doesn't begin with a slash. It ends in
... where it may be longer than the 255 bytes that are kept; in JSON such an object has "cut": ["path"].

In a PID namespace --pid and PID are its numbers, 0 for processes outside. Calls of 32-bit programs are not seen.
"""

from __future__ import annotations

from contextlib import ExitStack
from ctypes import c_char, c_int32, c_uint32
from typing import Annotated, Any

from py2bpf import funcs
from py2bpf.datastructures import BpfQueue, LruHashMap
from py2bpf.examples import common, endings, tasks
from py2bpf.examples.tasks import Tasks
from py2bpf.util import ensure_resources

PATH_SIZE = 256
CALLS = ("unlink", "unlinkat", "rmdir")


class Unlink(tasks.Task):
    result: Annotated[int, c_int32]
    path: Annotated[bytes, c_char * PATH_SIZE]


def watch(stack: ExitStack, queue: BpfQueue, who: Tasks) -> None:
    """Attaches to both ends of each system call."""
    pending = stack.enter_context(LruHashMap(c_uint32, Unlink, 10240))

    def on_enter(event: Any) -> None:
        if not who.ignores():
            unlink = Unlink()
            who.fill(unlink)
            funcs.probe_read_user_str(unlink.path, event.pathname)
            pending[tasks.thread_id()] = unlink

    def on_exit(event: Any) -> None:
        unlink = pending[tasks.thread_id()]
        if unlink:
            unlink.result = event.ret
            queue.output(event, unlink)
            del pending[tasks.thread_id()]

    for call in CALLS:
        tasks.attach_call(stack, call, on_enter, on_exit)


COLUMNS = {"pid": -8, "comm": 16, "result": -26, "path": 0}


def row(unlink: Unlink) -> dict[str, Any]:
    return {
        "pid": unlink.pid, "comm": common.text(unlink.comm), "result": common.error_name(unlink.result),
        "path": common.text(unlink.path, PATH_SIZE),
    }  # fmt: skip


def main() -> None:
    options = common.event_parser("unlinkers", __doc__).parse_args()
    ensure_resources()
    with ExitStack() as stack, BpfQueue(Unlink, num_pages=64) as queue:
        watch(stack, queue, Tasks(options.pid))
        common.show_events(queue, options, "Watching deletions.", COLUMNS, row)


if __name__ == "__main__":
    endings.run(main)
