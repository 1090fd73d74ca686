"""Measures how long a Python function takes to become a loaded program, next to clang and libbpf with the same in C.

    python benchmarks/bench_compile.py [--rounds N] [--json FILE] [--quick]

warm     compile and load in a running process; the module is executed anew each time, so nothing is cached
         (C: clang -O2 as a process, then libbpf's open and load in a running process). The kernel's time to make
         the maps is a row of its own: a hash of 65536 entries takes it 1 to 3 ms, whoever asks
cold     from exec to the end of a script that imports, compiles and loads (C: clang, then a loader process)
import   ``import py2bpf`` alone, in a fresh interpreter; beside it an interpreter that does nothing
memory   peak resident size of the cold run
Needs root.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

from harness import Results, arguments, pin, report
from peers import Clang, find_clang, spawn

from py2bpf.core.handles import Handle
from py2bpf.kernel import syscalls

HERE = Path(__file__).resolve().parent
PROGRAMS = ("count_by_protocol", "flow_counter", "tc_blacklist", "tp_nanosleep")
OURS = "py2bpf"

IMPORT = "import time; t = time.perf_counter(); import py2bpf; print(time.perf_counter() - t)"
COUNTER = "count_by_protocol"


def fresh_module(program: str) -> ModuleType:
    """The program's module executed anew: new function, new code objects."""
    spec = spec_from_file_location(f"fresh_{program}", HERE / "programs" / f"{program}.py")
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def warm_ours(program: str) -> tuple[float, float]:
    """Milliseconds from the function to the loaded program, and those in which the kernel made its maps."""
    module = fresh_module(program)
    making = 0.0
    map_create = syscalls.map_create

    def timed(*args: Any, **kwargs: Any) -> Handle:
        nonlocal making
        begin = time.perf_counter()
        try:
            return map_create(*args, **kwargs)
        finally:
            making += time.perf_counter() - begin

    with mock.patch.object(syscalls, "map_create", timed):
        begin = time.perf_counter()
        case = module.make()
        elapsed = time.perf_counter() - begin
    case.close()
    return (elapsed - making) * 1e3, making * 1e3


def warm_clang(clang: Clang, program: str) -> float:
    begin = time.perf_counter()
    compiled = clang.compile(program)
    compiling = (time.perf_counter() - begin) * 1e3
    return compiling + statistics.median(clang.runner_json("load", str(compiled), "3")["ns"]) / 1e6


def cold_ours(program: str) -> list[str]:
    return [sys.executable, str(HERE / "load_one.py"), program]


def cold_clang(clang: Clang, program: str) -> float:
    compiled = clang.compile(program)
    compiling = spawn(clang.compile_command(program, compiled)).ns
    return (compiling + spawn([str(clang.runner), "load", str(compiled), "1"]).ns) / 1e6


def measure_warm(results: Results, clang: Clang | None, rounds: int) -> None:
    for program in PROGRAMS:
        warm_ours(program)  # imports what is imported once
        contestants = {
            OURS: lambda program=program: warm_ours(program)[0],
            "its maps": lambda program=program: warm_ours(program)[1],
        }
        if clang:
            contestants[clang.name] = lambda program=program: warm_clang(clang, program)
        results.compete(f"warm compile and load, {program}", "ms", contestants, rounds)


def measure_cold(results: Results, clang: Clang | None, rounds: int) -> None:
    contestants = {
        OURS: lambda: spawn(cold_ours("flow_counter")).ns / 1e6,
        "python -c pass": lambda: spawn([sys.executable, "-c", "pass"]).ns / 1e6,
    }
    if clang:
        contestants[clang.name] = lambda: cold_clang(clang, "flow_counter")
    results.compete("cold, exec to loaded, flow_counter", "ms", contestants, rounds)


def measure_import(results: Results, rounds: int) -> None:
    def imported() -> float:
        done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True, cwd=HERE)
        return float(done.stdout) * 1e3

    results.compete("import py2bpf", "ms", {OURS: imported}, rounds)


def measure_memory(results: Results, clang: Clang | None, rounds: int) -> None:
    contestants = {
        OURS: lambda: spawn(cold_ours(COUNTER)).peak_kb / 1024,
        "python -c pass": lambda: spawn([sys.executable, "-c", "pass"]).peak_kb / 1024,
    }
    if clang:
        command = clang.compile_command(COUNTER, clang.compile(COUNTER))
        contestants[f"{clang.name} (compiling)"] = lambda: spawn(command).peak_kb / 1024
    results.compete(f"peak memory, {COUNTER}", "MB", contestants, rounds)


def main() -> None:
    options = arguments("From a function to a loaded program, beside clang.", rounds=15).parse_args()
    rounds = 2 if options.quick else options.rounds
    pin(options.cpu)
    clang = find_clang()
    results = Results("from source to a loaded program (ratio: to ours)")
    measure_warm(results, clang, rounds)
    measure_cold(results, clang, min(rounds, 7))
    measure_import(results, min(rounds, 7))
    measure_memory(results, clang, min(rounds, 3))
    report(results, options)


if __name__ == "__main__":
    main()
