"""Shows who sleeps, and for how long: nanosleep(2) and clock_nanosleep(2).

A line is printed when a sleep is over. RESULT is 0, or why the sleep ended early.

In a PID namespace --pid and PID are its numbers, 0 for processes outside. Calls of 32-bit programs are not seen.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from ctypes import c_int32, c_uint32, c_uint64
from typing import Any

from py2bpf import funcs
from py2bpf.datastructures import BpfQueue, LruHashMap
from py2bpf.examples import common, endings, tasks
from py2bpf.examples.tasks import Tasks
from py2bpf.util import ensure_resources

CALLS = ("nanosleep", "clock_nanosleep")


class Sleep(tasks.Task):
    _fields_ = (("nanoseconds", c_uint64), ("result", c_int32), ("call", c_uint32))


def watch(
    stack: ExitStack, queue: BpfQueue, who: Tasks, attach: tasks.Attach = tasks.attach_call
) -> None:
    """Attaches to both ends of the system calls. Sleeps that have begun are kept in a map until they end."""
    begun = stack.enter_context(LruHashMap(c_uint32, c_uint64, 10240))

    def on_enter(event: Any) -> None:
        if not who.ignores():
            begun[tasks.thread_id()] = funcs.ktime_get_ns()

    def exit_of(number: int) -> Callable[[Any], None]:
        def on_exit(event: Any) -> None:
            since = begun.pop(tasks.thread_id())
            if since:
                sleep = Sleep(nanoseconds=funcs.ktime_get_ns() - since, result=event.ret, call=number)
                who.fill(sleep)
                queue.output(event, sleep)

        return on_exit

    for number, call in enumerate(CALLS):
        attach(stack, call, on_enter, exit_of(number))


COLUMNS = {"pid": -8, "comm": 16, "call": 16, "ms": -10, "result": 0}


def row(sleep: Sleep) -> dict[str, Any]:
    return {
        "pid": sleep.pid, "comm": common.text(sleep.comm), "call": CALLS[sleep.call],
        "ms": round(sleep.nanoseconds / 1e6, 3), "result": common.error_name(sleep.result),
    }  # fmt: skip


def main() -> None:
    options = common.event_parser("nanosleep_watcher", __doc__).parse_args()
    ensure_resources()
    with ExitStack() as stack, BpfQueue(Sleep, num_pages=16) as queue:
        watch(stack, queue, Tasks(options.pid))
        common.show_events(queue, options, "Watching sleeps.", COLUMNS, row)


if __name__ == "__main__":
    endings.run(main)
