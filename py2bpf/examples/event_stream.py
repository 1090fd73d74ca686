"""Writes system calls to Parquet files, one row a call: when, who, how long it took, and what it gave.

CALL is a name as in syscalls(2), by default openat, close, read and write; those of this tool itself are left out.
A file is whole once its name ends in .parquet. At the end the tool tells how many calls the kernel saw, how many are in
the files, and how many found no room on the way: with --size there is more of it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from ctypes import c_int64, c_uint32, c_uint64
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import py2bpf
from py2bpf import funcs
from py2bpf.datastructures import Global, LruHashMap, RingBuffer
from py2bpf.examples import common
from py2bpf.exception import DataRangeError
from py2bpf.util import ensure_resources

if TYPE_CHECKING:
    import pyarrow

CALLS: Final = ("openat", "close", "read", "write")
UNKNOWN: Final = (1 << 64) - 1
"""How long a call took that began before the tool did."""
LATENCY: Final = 0.1
"""Seconds that a record may wait for others before the reader is woken."""
BATCH: Final = 1 << 16
"""Records that are read at once, at most."""
PATIENCE: Final = 1.0
"""Seconds that a program which runs when it is detached may take to end."""


class Call(common.Task):
    _fields_ = (("time", c_uint64), ("nanoseconds", c_uint64), ("result", c_int64), ("call", c_uint32),
                ("cpu", c_uint32))  # fmt: skip


def watch(
    stack: ExitStack, ring: RingBuffer, produced: Global, calls: Sequence[str], pid: int | None, own: int | None,
    attach: common.Attach = common.attach_call,
) -> None:  # fmt: skip
    """Attaches to both ends of the system calls; a record goes to the ring when a call ends. ``pid`` is the only
    process to watch, or None, ``own`` one not to.

    ``produced`` counts those that should be there: records in the ring, and those that found no room.
    """
    begun = stack.enter_context(LruHashMap(c_uint32, c_uint64, 1 << 16))

    def on_enter(event: Any) -> None:
        if not common.ignores(pid):
            begun[common.thread_id()] = funcs.ktime_get_ns()

    def exit_of(number: int) -> Callable[[Any], None]:
        def on_exit(event: Any) -> None:
            if common.ignores(pid) or (own is not None and funcs.get_current_pid_tgid() >> 32 == own):
                return
            produced.value += 1
            call = ring.reserve()
            if call:
                now, since = funcs.ktime_get_ns(), begun.pop(common.thread_id())
                call.time = since or now
                call.nanoseconds = now - since if since else UNKNOWN
                call.result, call.call, call.cpu = event.ret, number, funcs.get_smp_processor_id()
                common.fill_task(call)
                ring.submit(call)

        return on_exit

    for number, name in enumerate(calls):
        attach(stack, name, on_enter, exit_of(number))


class Ledger(NamedTuple):
    """``produced`` is what programs saw; nothing is unaccounted for when it is the sum of the others."""

    produced: int
    received: int
    lost: int

    @property
    def balanced(self) -> bool:
        return self.produced == self.received + self.lost

    def __str__(self) -> str:
        return f"{self.produced} calls: {self.received} written, {self.lost} lost"


def stream(
    ring: RingBuffer, produced: Global, watching: ExitStack, write: Callable[[Any], None], go_on: Callable[[], bool]
) -> Ledger:
    """Hands batches on until ``go_on()`` is false, then detaches and delivers what is there still."""
    received = 0

    def deliver(timeout: float) -> None:
        nonlocal received
        batch = ring.read_arrow(BATCH, timeout)
        received += len(batch)
        write(batch)

    while go_on():
        deliver(LATENCY)
    watching.close()
    deadline = time.monotonic() + PATIENCE
    while not Ledger(produced.value, received, ring.lost).balanced and time.monotonic() < deadline:
        deliver(0.01)
    return Ledger(produced.value, received, ring.lost)


def to_columns(batch: pyarrow.RecordBatch, calls: Sequence[str], epoch: int) -> pyarrow.RecordBatch:
    """Records as they are in the files. ``epoch`` is when the kernel's clock began, in nanoseconds since 1970."""
    import pyarrow
    from pyarrow import compute

    comm = batch["comm"].dictionary_encode()
    took = batch["nanoseconds"]
    known = compute.not_equal(took, pyarrow.scalar(UNKNOWN, pyarrow.uint64()))
    return pyarrow.record_batch({
        "time": compute.add(batch["time"].cast("int64"), epoch).cast(pyarrow.timestamp("ns", "UTC")),
        "pid": batch["pid"],
        "tid": batch["tid"],
        "comm": _dictionary(comm.indices, [common.text(name) for name in comm.dictionary.to_pylist()]),
        "cpu": batch["cpu"],
        "call": _dictionary(batch["call"].cast("int32"), calls),
        "nanoseconds": compute.if_else(known, took, None).cast("int64"),
        "result": batch["result"],
    })  # fmt: skip


def _dictionary(indices: Any, values: Sequence[str]) -> Any:
    import pyarrow

    return pyarrow.DictionaryArray.from_arrays(indices, pyarrow.array(list(values), pyarrow.string()))


def system_call(option: str) -> str:
    """An option's value: what a system call may be called."""
    if not re.fullmatch(r"[a-z0-9_]+", option):
        raise argparse.ArgumentTypeError(f"{option} is no system call: name one as in man 2 syscalls, openat say")
    return option


def parse() -> argparse.Namespace:
    parser = common.parser("event_stream", __doc__)
    parser.add_argument("call", nargs="*", type=system_call, metavar="CALL", help="a system call to watch")
    parser.add_argument("-o", "--output", default=".", metavar="FOLDER", help="where to write (default: here)")
    parser.add_argument("-p", "--pid", type=common.whole, help="only this process")
    parser.add_argument("--rows", type=common.whole, default=1_000_000, metavar="N",
                        help="begin another file after so many (default: %(default)s)")  # fmt: skip
    parser.add_argument("--every", type=common.positive, metavar="SECONDS", help="begin another file after this time")
    parser.add_argument("--size", type=common.whole, default=1 << 25, metavar="BYTES",
                        help="room for records on their way, a power of two (default: %(default)s)")  # fmt: skip
    return parser.parse_args()


def main() -> None:
    options = parse()
    try:
        from py2bpf.examples.parquet_files import ParquetFiles
    except ImportError:
        common.fail("Parquet files need pyarrow and numpy: pip install 'py2bpf[arrow]'")
    calls = tuple(dict.fromkeys(options.call)) or CALLS
    ensure_resources()
    stop = threading.Event()
    epoch = time.time_ns() - time.monotonic_ns()
    with ExitStack() as stack:
        try:
            ring = stack.enter_context(RingBuffer(Call, options.size, latency=LATENCY))
        except DataRangeError as error:
            common.fail(f"--size: {error}")
        produced = stack.enter_context(Global(c_uint64))
        printer = common.Printer(options.json, {"file": 60, "rows": -12, "bytes": -14})
        files = stack.enter_context(ParquetFiles(options.output, "calls", options.rows, options.every, printer.show))
        # Arrow loads much of itself at its first use, pandas too: before anything is watched, else the ring runs full.
        to_columns(ring.read_arrow(1, 0), calls, epoch)
        watching = stack.enter_context(ExitStack())
        watch(watching, ring, produced, calls, options.pid, os.getpid())
        stack.enter_context(common.ended_by_signals(stop.set))
        common.ready(f"Watching {', '.join(calls)}.")
        left = common.remaining(options.duration)
        ledger = stream(
            ring, produced, watching, lambda batch: files.write(to_columns(batch, calls, epoch)),
            lambda: not stop.is_set() and next(left, 0) > 0,
        )  # fmt: skip
        files.close()
        if lost := py2bpf.losses():
            print(lost, file=sys.stderr)
    print(json.dumps(ledger._asdict()) if options.json else ledger, flush=True)
    if not ledger.balanced:
        common.fail("the numbers don't add up: records went missing without a trace")


if __name__ == "__main__":
    common.run(main)
