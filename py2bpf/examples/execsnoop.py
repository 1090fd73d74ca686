"""Shows the programs that are started, with their arguments: execve and execveat.

RESULT is 0, or why the program could not be started. COMMAND ends in ... when there are more arguments than shown.
"""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from ctypes import c_char, c_int32, c_uint32, c_uint64
from typing import Any

from py2bpf import funcs
from py2bpf.datastructures import BpfQueue, LruHashMap, PerCpuArrayMap
from py2bpf.examples import common
from py2bpf.util import ensure_resources

MAX_ARGS = 20
ARG_SIZE = 128


class Exec(common.Task):
    _fields_ = (("result", c_int32), ("n_args", c_uint32), ("args", c_char * ARG_SIZE * MAX_ARGS))


def watch(
    stack: ExitStack, queue: BpfQueue, pid: int | None, attach: common.Attach = common.attach_call
) -> None:
    """Attaches to both ends of the system calls.

    An Exec is larger than a program's stack: it is filled in a map with one place for each CPU.
    """
    scratch = stack.enter_context(PerCpuArrayMap(Exec, 1))
    pending = stack.enter_context(LruHashMap(c_uint32, Exec, 1024))

    def on_enter(event: Any) -> None:
        started = scratch[0]
        if common.ignores(pid) or not started:
            return
        common.fill_task(started)
        started.n_args = MAX_ARGS + 1
        address = c_uint64()
        for number in range(MAX_ARGS + 1):
            funcs.probe_read_user(address, event.argv + 8 * number)
            if not address.value:
                started.n_args = number
                break
            if number < MAX_ARGS:
                funcs.probe_read_user_str(started.args[number], address.value)
        pending[started.tid] = started

    def on_exit(event: Any) -> None:
        started = pending[common.thread_id()]
        if started:
            started.result = event.ret
            queue.output(event, started)
            del pending[common.thread_id()]

    for call in ("execve", "execveat"):
        attach(stack, call, on_enter, on_exit)


def command(started: Exec) -> str:
    """The arguments as one would type them."""
    shown = [shlex.quote(common.text(arg.value)) for arg in started.args[: started.n_args]]
    return " ".join(shown + ["..."] * (started.n_args > MAX_ARGS))


def main() -> None:
    options = common.event_parser("execsnoop", __doc__).parse_args()
    ensure_resources()
    with ExitStack() as stack, BpfQueue(Exec, num_pages=64) as queue:
        watch(stack, queue, options.pid)
        printer = common.Printer(options.json, {"pid": -8, "comm": 16, "result": -26, "command": 0})
        for started in common.events(queue, options, "Watching programs that start."):
            result = common.error_name(started.result)
            printer.show(pid=started.pid, comm=common.text(started.comm), result=result, command=command(started))


if __name__ == "__main__":
    common.run(main)
