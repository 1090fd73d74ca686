"""Measures how fast our programs run in the kernel, next to the same in C.

    python benchmarks/bench_program.py [--rounds N] [--json FILE] [--quick]

Each program is checked first: one run on a frame must give the right answer and the right maps, for both. Then
BPF_PROG_TEST_RUN is repeated, rounds interleaved. "net" is the median less that of an empty program of the same type.
Programs of tracepoints are attached, and the kernel's own statistics (which cost two clock reads a run) tell their
time.
Needs root.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import Results, arguments, pin, report
from peers import Clang, find_clang
from programs import (
    Case,
    count_by_protocol,
    empty,
    flow_counter,
    raw_table,
    tc_blacklist,
    tp_nanosleep,
    tp_opensnoop,
    xdp_hash,
    xdp_loop64,
    xdp_parser,
)

from py2bpf.programs import encode

STATISTICS = Path("/proc/sys/kernel/bpf_stats_enabled")
OURS = "py2bpf"

FRAME_CASES = {
    "empty_socket": empty.make_socket,
    "empty_tc": empty.make_tc,
    "empty_xdp": empty.make_xdp,
    "count_by_protocol": count_by_protocol.make,
    "flow_counter": flow_counter.make,
    "tc_blacklist": tc_blacklist.make,
    "xdp_parser": xdp_parser.make,
    "xdp_loop64": xdp_loop64.make,
    "xdp_hash": xdp_hash.make,
}
OBJECTS = {"empty_socket": "empty", "empty_tc": "empty", "empty_xdp": "empty"}
"""The C file of a program, where it has another name."""


def check_ours(case: Case) -> None:
    answer = case.hook.prog.test_run(case.frame)
    if answer.retval != case.retval:
        sys.exit(f"{case.name} returned {answer.retval}, not {case.retval}")
    check_tables(case, {name: raw_table(case.maps[name]) for name in case.tables}, OURS)


def check_tables(case: Case, found: dict[str, dict[str, str]], who: str) -> None:
    for name, table in case.tables.items():
        if found[name] != table:
            sys.exit(f"{case.name} of {who} left {found[name]} in {name}, not {table}")


def c_arguments(clang: Clang, case: Case, repeat: int) -> list[str]:
    compiled = clang.compile(OBJECTS.get(case.name, case.name))
    entries = [part for entry in case.entries for part in entry]
    return ["run", str(compiled), case.name, case.frame.hex(), str(repeat), *entries]


def measure_frames(results: Results, clang: Clang | None, rounds: int, repeat: int) -> None:
    medians: dict[tuple[str, str], float] = {}
    bases: dict[str, str] = {}
    for name, make in FRAME_CASES.items():
        case = make()
        bases[name] = case.baseline
        check_ours(case)
        results.record(f"{name}, instructions", OURS, "insns", instructions(case))
        contestants = {OURS: lambda case=case: case.hook.prog.test_run(case.frame, repeat=repeat).duration_ns}
        if clang:
            command = c_arguments(clang, case, repeat)
            answer = clang.runner_json(*command)
            check_tables(case, answer["maps"], clang.name)
            results.record(f"{name}, instructions", clang.name, "insns", answer["insns"])
            contestants[clang.name] = lambda command=command: clang.runner_json(*command)["ns"]
        for who, series in results.compete(f"{name}, time", "ns", contestants, rounds).items():
            medians[name, who] = series.median
        case.close()
    for (name, who), median in medians.items():
        if not name.startswith("empty_"):
            results.record(f"{name}, net", who, "ns", median - medians[bases[name], who])


def instructions(case: Case) -> int:
    """How many 8-byte slots the program has as it was given to the kernel."""
    return len(encode(case.hook.prog.spec).slots) // 8


@contextmanager
def statistics() -> Iterator[None]:
    before = STATISTICS.read_text()
    STATISTICS.write_text("1")
    try:
        yield
    finally:
        STATISTICS.write_text(before)


USLEEP = ctypes.CDLL(None).usleep


def sleep() -> None:
    USLEEP(0)


def open_nothing() -> None:
    try:
        os.close(os.open("/nonexistent", os.O_RDONLY))
    except FileNotFoundError:
        return
    sys.exit("/nonexistent is there")


LIVE_CASES: dict[str, tuple[Callable[[], Case], Callable[[], None]]] = {
    "tp_nanosleep": (tp_nanosleep.make, sleep),
    "tp_opensnoop": (tp_opensnoop.make, open_nothing),
}
"""Programs of tracepoints, and what makes them run."""


def check_opening(case: Case) -> None:
    """An openat() of "/nonexistent" gives an event with that name."""
    open_nothing()
    mine = [event for event in case.queue.poll(1) if event.pid == os.getpid() and event.name == b"/nonexistent"]
    if len(mine) != 1 or mine[0].length != 13:
        sys.exit(f"{case.name} told of {len(mine)} openings of /nonexistent")


def live_round(case: Case, act: Callable[[], None], count: int) -> float:
    """ns a run over ``count`` system calls of this process, its events read in between as the C program does."""
    with statistics():
        before = case.hook.prog.info
        events = 0
        for done in range(1, count + 1):
            act()
            if done % 1000 == 0:
                events += len(case.queue.poll(0))
        after = case.hook.prog.info
    runs = after.run_cnt - before.run_cnt
    if runs < count or events < count:
        sys.exit(f"{case.name}: {count} system calls made {runs} runs and {events} events")
    return (after.run_time_ns - before.run_time_ns) / runs


def measure_live(results: Results, clang: Clang | None, rounds: int, count: int) -> None:
    for name, (make, act) in LIVE_CASES.items():
        case = make()
        if name == "tp_opensnoop":
            check_opening(case)
        results.record(f"{name}, instructions", OURS, "insns", instructions(case))
        contestants = {OURS: lambda case=case, act=act: live_round(case, act, count)}
        if clang:
            command = ["live", str(clang.compile(name)), str(count)]
            results.record(f"{name}, instructions", clang.name, "insns", clang.runner_json(*command)["insns"])
            contestants[clang.name] = lambda command=command: clang.runner_json(*command)["ns"]
        results.compete(f"{name}, live", "ns", contestants, rounds)
        case.close()


def main() -> None:
    options = arguments("Our programs in the kernel, beside the same in C.", rounds=9).parse_args()
    rounds, repeat, count = (2, 1000, 1000) if options.quick else (options.rounds, 500_000, 5000)
    pin(options.cpu)
    clang = find_clang()
    results = Results("time of one run in the kernel (ratio: to ours)")
    measure_frames(results, clang, rounds, repeat)
    measure_live(results, clang, rounds, count)
    report(results, options)


if __name__ == "__main__":
    main()
