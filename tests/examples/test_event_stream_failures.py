"""event_stream reports what it could not write, and why: a full disk, a removed folder, a pipe without a reader."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tool_runs import PATIENCE, Run, Tool

pytestmark = pytest.mark.kernel
PID = os.getpid()
CALLS = 3000


@pytest.fixture
def small_disk(tmp_path: Path, missing: Callable[[str], Any]) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], capture_output=True).returncode:
        missing("a small disk needs root and mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def rows(parquet: Any, folder: Path) -> int:
    return sum(parquet.read_metadata(file).num_rows for file in folder.glob("*.parquet"))


def call_until_it_ends(tool: Tool) -> int:
    deadline, count = time.monotonic() + PATIENCE, 0
    while tool.process.poll() is None and time.monotonic() < deadline:
        for _ in range(100):
            os.getppid()
        count += 100
        time.sleep(0.01)
    return count


def test_a_full_disk(run: Run, parquet: Any, small_disk: Path) -> None:
    """What is in whole files stays, the rest is counted; nothing half is left."""
    with run("event_stream", "getppid", "-o", small_disk, "--pid", PID, "--rows", 2000, "--json") as tool:
        call_until_it_ends(tool)
        assert tool.end(by=None) == 1
    *_, ledger = tool.rows
    assert ledger["produced"] == ledger["received"] + ledger["lost"]
    assert ledger["unwritten"] > 0
    assert ledger["received"] - ledger["unwritten"] == rows(parquet, small_disk) > 0
    assert "error: cannot write the calls to a file: [Errno 28] No space left on device" in tool.errors
    assert "Traceback" not in tool.errors and "ignored" not in tool.errors, tool.errors
    assert not list(small_disk.glob("*.part"))


def test_a_disk_that_is_full_in_the_end(run: Run, parquet: Any, small_disk: Path) -> None:
    (small_disk / "filling").write_bytes(bytes((64 << 10) - 8192))
    with run("event_stream", "getppid", "-o", small_disk, "--pid", PID) as tool:
        for _ in range(CALLS):
            os.getppid()
        assert tool.end() == 1
    assert tool.lines[-1] == f"{CALLS} calls: 0 written, {CALLS} not written, 0 lost"
    assert "No space left on device" in tool.errors and "Traceback" not in tool.errors
    assert [path.name for path in small_disk.iterdir()] == ["filling"]


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGHUP])
def test_a_folder_that_has_gone(run: Run, parquet: Any, tmp_path: Path, by: signal.Signals) -> None:
    folder = tmp_path / "calls"
    with run("event_stream", "getppid", "-o", folder, "--pid", PID, "--rows", 1000) as tool:
        for _ in range(1500):
            os.getppid()
        deadline = time.monotonic() + PATIENCE
        while not list(folder.glob("*.parquet")) and time.monotonic() < deadline:
            time.sleep(0.01)
        shutil.rmtree(folder)
        assert tool.end(by) == 1
    assert tool.lines[-1] == "1500 calls: 1000 written, 500 not written, 0 lost"
    assert re.search(r"error: cannot write the calls to a file: .*No such file or directory.*calls", tool.errors)
    assert "Traceback" not in tool.errors


def test_head(run: Run, parquet: Any, tmp_path: Path) -> None:
    """Nobody reads of the files any more: the tool ends, and the files have everything."""
    with run("event_stream", "getppid", "-o", tmp_path, "--pid", PID, "--rows", 500) as tool:
        assert tool.process.stdout is not None
        tool.process.stdout.close()
        tool.process.stdout = None
        call_until_it_ends(tool)
        assert tool.end(by=None) == 0, tool.errors
    found = re.search(r"(?m)^(\d+) calls: (\d+) written, 0 lost$", tool.errors)
    assert found and found[1] == found[2] and int(found[1]) == rows(parquet, tmp_path) >= 500
    assert "Traceback" not in tool.errors and not list(tmp_path.glob("*.part"))


def test_a_hangup(run: Run, parquet: Any, tmp_path: Path) -> None:
    with run("event_stream", "getppid", "-o", tmp_path, "--pid", PID, "--json") as tool:
        for _ in range(CALLS):
            os.getppid()
        assert tool.end(signal.SIGHUP) == 0
    assert json.loads(tool.lines[-1]) == {"produced": CALLS, "received": CALLS, "lost": 0, "unwritten": 0}
    assert rows(parquet, tmp_path) == CALLS
