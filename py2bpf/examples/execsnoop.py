"""Shows the programs that are started, with their arguments: execve and execveat.

RESULT is 0, or why the program could not be started. COMMAND ends in ... when there are more arguments than shown, and
an argument does where it may be longer than the 127 bytes that are kept; in JSON such an object has "cut": ["command"].

In a PID namespace --pid and PID are its numbers, 0 for processes outside. Of 32-bit programs it is seen how they are
started, but not what they start.
"""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from ctypes import c_char, c_int32, c_uint32, c_uint64
from typing import Any

from py2bpf import funcs, tracepoint
from py2bpf.datastructures import BpfQueue, LruHashMap, PerCpuArrayMap
from py2bpf.examples import common, endings, tasks
from py2bpf.examples.tasks import Tasks
from py2bpf.util import ensure_resources

MAX_ARGS = 20
ARG_SIZE = 128


class Exec(tasks.Task):
    _fields_ = (("result", c_int32), ("n_args", c_uint32), ("args", c_char * ARG_SIZE * MAX_ARGS))


def watch(
    stack: ExitStack, queue: BpfQueue, who: Tasks, attach: tasks.Attach = tasks.attach_call, follow: bool = True
) -> None:
    """Attaches to both ends of the system calls. With ``follow``, which the VM lacks, attaches also to the event of a
    successful start; the ends of the calls then only report failures.

    An Exec is larger than a program's stack, so it is filled in a map with one place for each CPU.
    """
    scratch = stack.enter_context(PerCpuArrayMap(Exec, 1))
    pending = stack.enter_context(LruHashMap(c_uint32, Exec, 1024))

    def on_enter(event: Any) -> None:
        started = scratch[0]
        if who.ignores() or not started:
            return
        who.fill(started)
        started.n_args = MAX_ARGS + 1
        address = c_uint64()
        for number in range(MAX_ARGS + 1):
            funcs.probe_read_user(address, event.argv + 8 * number)
            if not address.value:
                started.n_args = number
                break
            if number < MAX_ARGS:
                funcs.probe_read_user_str(started.args[number], address.value)
        pending[tasks.thread_id()] = started

    def on_exit(event: Any) -> None:
        started = pending[tasks.thread_id()]
        if started:
            started.result = event.ret
            queue.output(event, started)
            del pending[tasks.thread_id()]

    def on_start(event: Any) -> None:
        started = pending[event.old_pid]
        if started:
            started.result = 0
            queue.output(event, started)
            del pending[event.old_pid]

    for call in ("execve", "execveat"):
        attach(stack, call, on_enter, on_exit)
    if follow:
        stack.enter_context(tracepoint.probe(tasks.EXECUTED)(on_start)())


def command(started: Exec) -> str:
    """The arguments as one would type them; a Cut if there are more arguments, or an argument is longer."""
    texts = [common.text(arg.value, ARG_SIZE) for arg in started.args[: started.n_args]]
    words = [shlex.quote(text) + common.CUT * isinstance(text, common.Cut) for text in texts]
    line = " ".join(words + [common.CUT] * (started.n_args > MAX_ARGS))
    is_cut = started.n_args > MAX_ARGS or any(isinstance(text, common.Cut) for text in texts)
    return common.Cut(line, shown=line) if is_cut else line


COLUMNS = {"pid": -8, "comm": 16, "result": -26, "command": 0}


def row(started: Exec) -> dict[str, Any]:
    return {
        "pid": started.pid, "comm": common.text(started.comm), "result": common.error_name(started.result),
        "command": command(started),
    }  # fmt: skip


def main() -> None:
    options = common.event_parser("execsnoop", __doc__).parse_args()
    ensure_resources()
    with ExitStack() as stack, BpfQueue(Exec, num_pages=64) as queue:
        watch(stack, queue, Tasks(options.pid))
        common.show_events(queue, options, "Watching programs that start.", COLUMNS, row)


if __name__ == "__main__":
    endings.run(main)
