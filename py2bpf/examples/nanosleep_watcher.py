"""Shows who sleeps, and for how long: nanosleep(2) and clock_nanosleep(2).

A line is printed when a sleep is over. RESULT is 0, or why the sleep ended early.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from ctypes import c_int32, c_uint32, c_uint64
from typing import Any

from py2bpf import funcs
from py2bpf.datastructures import BpfQueue, LruHashMap
from py2bpf.examples import common
from py2bpf.util import ensure_resources

CALLS = ("nanosleep", "clock_nanosleep")


class Sleep(common.Task):
    _fields_ = (("nanoseconds", c_uint64), ("result", c_int32), ("call", c_uint32))


def watch(
    stack: ExitStack, queue: BpfQueue, pid: int | None, attach: common.Attach = common.attach_call
) -> None:
    """Attaches to both ends of the system calls; a sleep that has begun waits in a map for its end."""
    begun = stack.enter_context(LruHashMap(c_uint32, c_uint64, 10240))

    def on_enter(event: Any) -> None:
        if not common.ignores(pid):
            begun[common.thread_id()] = funcs.ktime_get_ns()

    def exit_of(number: int) -> Callable[[Any], None]:
        def on_exit(event: Any) -> None:
            since = begun.pop(common.thread_id())
            if since:
                sleep = Sleep(nanoseconds=funcs.ktime_get_ns() - since, result=event.ret, call=number)
                common.fill_task(sleep)
                queue.output(event, sleep)

        return on_exit

    for number, call in enumerate(CALLS):
        attach(stack, call, on_enter, exit_of(number))


def main() -> None:
    options = common.event_parser("nanosleep_watcher", __doc__).parse_args()
    ensure_resources()
    with ExitStack() as stack, BpfQueue(Sleep, num_pages=16) as queue:
        watch(stack, queue, options.pid)
        printer = common.Printer(options.json, {"pid": -8, "comm": 16, "call": 16, "ms": -10, "result": 0})
        for sleep in common.events(queue, options, "Watching sleeps."):
            ms = round(sleep.nanoseconds / 1e6, 3)
            result = common.error_name(sleep.result)
            printer.show(pid=sleep.pid, comm=common.text(sleep.comm), call=CALLS[sleep.call], ms=ms, result=result)


if __name__ == "__main__":
    common.run(main)
