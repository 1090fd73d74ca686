"""Shows which files are opened, by whom, and whether that works: open, openat and openat2.

PATH is what the program passed: it counts from the folder it works in when it doesn't begin with a slash. It ends in
... where it may be longer than the 255 bytes that are kept; in JSON such an object has "cut": ["path"].

In a PID namespace --pid and PID are its numbers, 0 for processes outside. Calls of 32-bit programs are not seen.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from ctypes import c_char, c_int32, c_uint32, c_uint64
from typing import Annotated, Any

from py2bpf import funcs
from py2bpf.datastructures import BpfQueue, LruHashMap
from py2bpf.examples import common, endings, tasks
from py2bpf.examples.tasks import Tasks
from py2bpf.util import ensure_resources

PATH_SIZE = 256
CALLS = ("open", "openat", "openat2")


class Open(tasks.Task):
    flags: Annotated[int, c_uint64]
    result: Annotated[int, c_int32]
    path: Annotated[bytes, c_char * PATH_SIZE]


def watch(stack: ExitStack, queue: BpfQueue, who: Tasks, failed_only: bool) -> None:
    """Attaches to both ends of each system call. The path is read when the call begins, the result when it ends."""
    pending = stack.enter_context(LruHashMap(c_uint32, Open, 10240))

    def enter_of(call: str) -> Callable[[Any], None]:
        def on_enter(event: Any) -> None:
            if who.ignores():
                return
            opened = Open()
            who.fill(opened)
            if call == "openat2":  # its flags begin a structure in the caller's memory
                flags = c_uint64()
                funcs.probe_read_user(flags, event.how)
                opened.flags = flags.value
            else:
                opened.flags = event.flags
            funcs.probe_read_user_str(opened.path, event.filename)
            pending[tasks.thread_id()] = opened

        return on_enter

    def on_exit(event: Any) -> None:
        opened = pending[tasks.thread_id()]
        if not opened:
            return
        if event.ret < 0 or not failed_only:
            opened.result = event.ret
            queue.output(event, opened)
        del pending[tasks.thread_id()]

    for call in CALLS:
        tasks.attach_call(stack, call, enter_of(call), on_exit)


COLUMNS = {"pid": -8, "comm": 16, "flags": -10, "result": -26, "path": 0}


def row(opened: Open) -> dict[str, Any]:
    return {
        "pid": opened.pid, "comm": common.text(opened.comm), "flags": f"{opened.flags:#x}",
        "result": common.error_name(opened.result), "path": common.text(opened.path, PATH_SIZE),
    }  # fmt: skip


def main() -> None:
    parser = common.event_parser("opensnoop", __doc__)
    parser.add_argument("-x", "--failed", action="store_true", help="only opens that fail")
    options = parser.parse_args()
    ensure_resources()
    with ExitStack() as stack, BpfQueue(Open, num_pages=64) as queue:
        watch(stack, queue, Tasks(options.pid), options.failed)
        common.show_events(queue, options, "Watching opens.", COLUMNS, row)


if __name__ == "__main__":
    endings.run(main)
