"""event_stream writes every system call that it saw, or reports it as lost."""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tool_runs import PATIENCE, Run, command

from py2bpf import vm
from py2bpf.datastructures import Global, RingBuffer
from py2bpf.examples import demo_vm, event_stream
from py2bpf.examples.tasks import Tasks

PID = os.getpid()
COMM = Path("/proc/self/comm").read_text().strip()


def files(folder: Path) -> list[Path]:
    assert not list(folder.glob("*.part"))
    return sorted(folder.glob("*.parquet"))


def rows(parquet: Any, folder: Path) -> list[dict[str, Any]]:
    return [row for file in files(folder) for row in parquet.read_table(file).to_pylist()]


@pytest.mark.kernel
def test_every_call_is_written(run: Run, parquet: Any, tmp_path: Path) -> None:
    before = time.time()
    with run("event_stream", "getppid", "nanosleep", "clock_nanosleep", "-o", tmp_path, "--pid", PID) as tool:
        for _ in range(2000):
            os.getppid()
        time.sleep(0.02)
        assert tool.end() == 0
    found = rows(parquet, tmp_path)
    assert tool.lines[-1] == "2001 calls: 2001 written, 0 lost"
    assert len(found) == 2001
    assert {row["result"] for row in found if row["call"] == "getppid"} == {os.getppid()}
    (slept,) = (row for row in found if row["call"] == "clock_nanosleep")
    assert slept["nanoseconds"] >= 20_000_000 and slept["result"] == 0
    assert all((row["pid"], row["tid"], row["comm"]) == (PID, PID, COMM) for row in found)
    assert all(0 < row["nanoseconds"] < 1e9 and row["cpu"] < 1024 for row in found)
    times = [row["time"].timestamp() for row in found]
    assert before - 1 < min(times) and max(times) < time.time() + 1


@pytest.mark.kernel
def test_files_have_as_many_rows_as_asked_for(run: Run, parquet: Any, tmp_path: Path) -> None:
    with run("event_stream", "getppid", "-o", tmp_path / "new", "--pid", PID, "--rows", 300, "--json") as tool:
        for _ in range(1000):
            os.getppid()
        assert tool.end() == 0
    written = files(tmp_path / "new")
    assert [parquet.read_metadata(file).num_rows for file in written] == [300, 300, 300, 100]
    *told, ledger = tool.rows
    assert ledger == {"produced": 1000, "received": 1000, "lost": 0, "unwritten": 0}
    assert told == [
        {"file": str(file), "rows": n, "bytes": file.stat().st_size}
        for file, n in zip(written, [300, 300, 300, 100], strict=True)
    ]


@pytest.mark.kernel
def test_files_are_as_old_as_asked_for(run: Run, parquet: Any, tmp_path: Path) -> None:
    with run("event_stream", "getppid", "-o", tmp_path, "--pid", PID, "--every", 0.5) as tool:
        for number in (1, 2):
            os.getppid()
            deadline = time.monotonic() + PATIENCE
            while len(files_so_far(tmp_path)) < number and time.monotonic() < deadline:
                os.stat(tmp_path)
            assert len(files_so_far(tmp_path)) == number, "it is written though nothing else comes"
        assert tool.end() == 0
    assert [parquet.read_metadata(file).num_rows for file in files(tmp_path)] == [1, 1]


def files_so_far(folder: Path) -> list[Path]:
    return list(folder.glob("*.parquet"))


@pytest.mark.kernel
def test_what_finds_no_room_is_told(run: Run, parquet: Any, tmp_path: Path) -> None:
    """The tool is stopped while the calls are made, so its ring runs full."""
    with run("event_stream", "getppid", "-o", tmp_path, "--pid", PID, "--size", 4096, "--json") as tool:
        tool.process.send_signal(signal.SIGSTOP)
        for _ in range(5000):
            os.getppid()
        tool.process.send_signal(signal.SIGCONT)
        assert tool.end() == 0
    *_, ledger = tool.rows
    assert ledger["produced"] == 5000
    assert 0 < ledger["received"] <= 4096 // 64
    assert ledger["received"] + ledger["lost"] == 5000
    assert re.search(rf"(?m)^ *{ledger['lost']} .*RingBuffer|^ *{ledger['lost']} +ring", tool.errors), tool.errors
    assert len(rows(parquet, tmp_path)) == ledger["received"]


@pytest.mark.kernel
def test_a_call_that_began_before(run: Run, parquet: Any, tmp_path: Path) -> None:
    with subprocess.Popen(["sh", "-c", "read line; exit 0"], stdin=subprocess.PIPE) as child:
        deadline = time.monotonic() + PATIENCE
        while "read" not in Path(f"/proc/{child.pid}/wchan").read_text() and time.monotonic() < deadline:
            time.sleep(0.01)
        with run("event_stream", "read", "-o", tmp_path, "--pid", child.pid) as tool:
            child.communicate(b"x")
            assert tool.end() == 0
    first = rows(parquet, tmp_path)[0]
    assert (first["call"], first["result"], first["nanoseconds"]) == ("read", 1, None)


@pytest.mark.kernel
def test_its_own_calls_are_left_out(run: Run, parquet: Any, tmp_path: Path) -> None:
    """Otherwise writing a row would cause another row, for ever."""
    with run("event_stream", "-o", tmp_path, "--duration", 1) as tool:
        own = tool.process.pid
        assert tool.end(by=None) == 0
    assert all(row["pid"] != own for row in rows(parquet, tmp_path))


@pytest.mark.kernel
def test_a_size_that_no_ring_has(tmp_path: Path) -> None:
    done = subprocess.run(
        command("event_stream", "-o", tmp_path, "--size", 5000), capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 1
    assert "--size: the size of a ring buffer is a power of two" in done.stderr


@pytest.mark.kernel
def test_a_call_that_no_kernel_has(tmp_path: Path) -> None:
    done = subprocess.run(
        command("event_stream", "opennat", "-o", tmp_path), capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 1
    assert "sys_enter_opennat" in done.stderr and "Traceback" not in done.stderr
    assert not os.listdir(tmp_path)


# In the VM, without privileges


@pytest.fixture
def world() -> Iterator[tuple[demo_vm.Vm, ExitStack]]:
    with vm.backend(), ExitStack() as stack:
        yield demo_vm.Vm(None), stack


def stream(world: tuple[demo_vm.Vm, ExitStack], size: int, steps: int) -> tuple[event_stream.Ledger, list[Any]]:
    """What comes of so many calls, all made before the first is read."""
    machine, stack = world
    ring = stack.enter_context(RingBuffer(event_stream.Call, size))
    produced = stack.enter_context(Global(ctypes.c_uint64))
    watching = stack.enter_context(ExitStack())
    calls = list(demo_vm.CALLS)
    event_stream.watch(watching, ring, produced, calls, Tasks(), machine.attach, leave_out_tool=False, follow=False)
    for _ in range(steps):
        machine.step()
    batches: list[Any] = []
    return event_stream.stream(ring, produced, watching, batches.append, lambda: not batches), batches


def test_in_the_vm(world: tuple[demo_vm.Vm, ExitStack], extra: Callable[[str], Any]) -> None:
    extra("pyarrow")
    ledger, batches = stream(world, 1 << 16, 8)
    assert ledger == (8, 8, 0, 0) and ledger.balanced
    found = [row for batch in batches for row in event_stream.to_columns(batch, list(demo_vm.CALLS), 0).to_pylist()]
    assert [row["call"] for row in found] == [*demo_vm.CALLS] * 2
    assert all(row["nanoseconds"] >= 1_000_000 and row["result"] == 0 for row in found)


def test_a_full_ring_in_the_vm(world: tuple[demo_vm.Vm, ExitStack], extra: Callable[[str], Any]) -> None:
    extra("pyarrow")
    ledger, batches = stream(world, 4096, 100)
    assert ledger.produced == 100 and ledger.balanced
    assert ledger.received == sum(map(len, batches)) == 4096 // 64 - 1
    assert json.loads(json.dumps(ledger._asdict()))["lost"] == 37
