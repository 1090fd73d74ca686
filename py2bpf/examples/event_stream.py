"""Writes system calls to Parquet files, one row a call: when, who, how long it took, and what it gave.

CALL is a name as in syscalls(2), by default openat, close, read and write; those of this tool itself are left out.
A file is whole once its name ends in .parquet. At the end the tool tells how many calls the kernel saw, how many are in
the files, how many could not be written, and how many found no room on the way: with --size there is more of it. It
ends when a file can't be written, and when nobody reads its output any more.

Times are by the clock that goes on while the machine is suspended. In a PID namespace --pid, pid and tid are its
numbers, 0 for processes outside. Calls of 32-bit programs are not seen.
"""

from __future__ import annotations

import argparse
import json
import re
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from ctypes import c_int64, c_uint32, c_uint64
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import py2bpf
from py2bpf import clocks, funcs
from py2bpf.datastructures import Global, LruHashMap, RingBuffer
from py2bpf.examples import common, endings, tasks
from py2bpf.examples.tasks import Tasks
from py2bpf.exception import DataRangeError
from py2bpf.util import ensure_resources

if TYPE_CHECKING:
    import pyarrow

    from py2bpf.examples.parquet_files import ParquetFiles

CALLS: Final = ("openat", "close", "read", "write")
EXECS: Final = ("execve", "execveat")
"""System calls that may change their thread's number."""
UNKNOWN: Final = (1 << 64) - 1
"""The duration of a call that began before the tool."""
LATENCY: Final = 0.1
"""Seconds for which a record may wait for others before the reader is woken."""
BATCH: Final = 1 << 16
"""How many records are read at once, at most."""
PATIENCE: Final = 1.0
"""Seconds to wait for programs that still run when they are detached."""


class Call(tasks.Task):
    _fields_ = (("time", c_uint64), ("nanoseconds", c_uint64), ("result", c_int64), ("call", c_uint32),
                ("cpu", c_uint32))  # fmt: skip


def watch(
    stack: ExitStack, ring: RingBuffer, produced: Global, calls: Sequence[str], who: Tasks,
    attach: tasks.Attach = tasks.attach_call, leave_out_tool: bool = True, follow: bool = True,
) -> None:  # fmt: skip
    """Attaches to both ends of the system calls; a record is written to the ring when a call ends. Calls of the tool
    itself are left out, since writing records makes more calls.

    ``produced`` counts all records: those in the ring, and those that found no room.
    """
    begun = stack.enter_context(LruHashMap(c_uint32, c_uint64, 1 << 16))

    def on_enter(event: Any) -> None:
        if not who.ignores():
            begun[tasks.thread_id()] = funcs.ktime_get_boot_ns()

    def exit_of(number: int) -> Callable[[Any], None]:
        def on_exit(event: Any) -> None:
            if who.ignores() or (leave_out_tool and who.is_tool()):
                return
            produced.value += 1
            call = ring.reserve()
            if call:
                now, since = funcs.ktime_get_boot_ns(), begun.pop(tasks.thread_id())
                call.time = since or now
                call.nanoseconds = now - since if since else UNKNOWN
                call.result, call.call, call.cpu = event.ret, number, funcs.get_smp_processor_id()
                who.fill(call)
                ring.submit(call)

        return on_exit

    for number, name in enumerate(calls):
        attach(stack, name, on_enter, exit_of(number))
    if follow and any(name in EXECS for name in calls):
        tasks.follow_exec(stack, begun)


class Ledger(NamedTuple):
    """``produced`` is how many calls the programs saw: the sum of ``received`` and ``lost``, if none is unaccounted
    for. ``unwritten`` is how many of the received ones are in no file."""

    produced: int
    received: int
    lost: int
    unwritten: int = 0

    @property
    def balanced(self) -> bool:
        return self.produced == self.received + self.lost

    def __str__(self) -> str:
        rest = f"{self.unwritten} not written, " if self.unwritten else ""
        return f"{self.produced} calls: {self.received - self.unwritten} written, {rest}{self.lost} lost"


def stream(
    ring: RingBuffer, produced: Global, watching: ExitStack, write: Callable[[Any], None], go_on: Callable[[], bool]
) -> Ledger:
    """Passes batches on until ``go_on()`` is false, then detaches the programs and passes on the remaining records."""
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


class Sink:
    """Writes batches to files until that fails; later batches are left out. ``failure`` is the reason, or the reason
    why files can't be reported any more: they are still written then."""

    def __init__(self, files: Callable[..., ParquetFiles], printer: common.Printer, calls: Sequence[str]) -> None:
        """``files`` makes the files; its argument is the function that is called for each file."""
        self._printer, self._calls = printer, calls
        self.failure: OSError | endings.OutputError | None = None
        self.files = files(self._told)

    def _told(self, **row: Any) -> None:
        try:
            self._printer.show(**row)
        except endings.OutputError as error:
            self.failure = error

    def write(self, batch: pyarrow.RecordBatch) -> None:
        self._try(lambda: self.files.write(to_columns(batch, self._calls, clocks.epoch())))

    def finish(self) -> None:
        """Ends the last file."""
        self._try(self.files.finish)

    def _try(self, write: Callable[[], None]) -> None:
        if not isinstance(self.failure, OSError):
            try:
                write()
            except OSError as error:
                self.failure = error


def to_columns(batch: pyarrow.RecordBatch, calls: Sequence[str], epoch: int) -> pyarrow.RecordBatch:
    """The records as they are stored in files. ``epoch`` is the start of their clock in nanoseconds since 1970."""
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
    """Parses an option's value: the name of a system call."""
    if not re.fullmatch(r"[a-z0-9_]+", option):
        raise argparse.ArgumentTypeError(f"{option} is no system call: use a name from man 2 syscalls, such as openat")
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
    endings.needs("pyarrow", "writing Parquet files", "pyarrow.parquet")
    endings.needs("numpy", "writing Parquet files")
    from py2bpf.examples.parquet_files import ParquetFiles

    calls = tuple(dict.fromkeys(options.call)) or CALLS
    ensure_resources()
    stop = threading.Event()
    with ExitStack() as stack:
        try:
            ring = stack.enter_context(RingBuffer(Call, options.size, latency=LATENCY))
        except DataRangeError as error:
            endings.fail(f"--size: {error}")
        produced = stack.enter_context(Global(c_uint64))
        printer = common.Printer(options.json, {"file": 60, "rows": -12, "bytes": -14})
        sink = Sink(partial(ParquetFiles, options.output, "calls", options.rows, options.every), printer, calls)
        files = stack.enter_context(sink.files)
        # Arrow loads much of itself at its first use, pandas too: before anything is watched, else the ring runs full.
        to_columns(ring.read_arrow(1, 0), calls, clocks.epoch())
        watching = stack.enter_context(ExitStack())
        watch(watching, ring, produced, calls, Tasks(options.pid))
        stack.enter_context(endings.ended_by_signals(stop.set))
        common.ready(f"Watching {', '.join(calls)}.")
        left = common.remaining(options.duration)
        ledger = stream(
            ring, produced, watching, sink.write,
            lambda: not (stop.is_set() or sink.failure) and next(left, 0) > 0,
        )  # fmt: skip
        sink.finish()
        ledger = ledger._replace(unwritten=ledger.received - files.written)
        if lost := py2bpf.losses():
            endings.tell(str(lost))
    tell_end(ledger, sink.failure, options.json)


def tell_end(ledger: Ledger, failure: OSError | endings.OutputError | None, as_json: bool) -> None:
    """Prints the ledger, to standard error if the output is closed, and fails if something went wrong."""
    try:
        if isinstance(failure, endings.OutputError):
            raise failure
        print(json.dumps(ledger._asdict()) if as_json else ledger, flush=True)
    except endings.OutputError:
        endings.tell(str(ledger))
        raise
    if failure is not None:
        endings.fail(f"cannot write the calls to a file: {failure}")
    if not ledger.balanced:
        endings.fail("the numbers don't add up: records went missing without a trace")


if __name__ == "__main__":
    endings.run(main)
