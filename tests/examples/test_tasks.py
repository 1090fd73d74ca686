"""Whose system calls the tracing tools show: threads, PID namespaces, 32-bit programs; and texts that are cut."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tool_runs import PATIENCE, Run, command

from py2bpf.examples import common

pytestmark = pytest.mark.kernel
PID = os.getpid()

THREAD = """
import os, threading, time
def start():
    os.execv("/bin/true", ["/bin/true", {mark!r}])
thread = threading.Thread(target=start)
thread.start()
time.sleep(30)
"""


def test_a_program_that_a_thread_starts(run: Run) -> None:
    """The thread has its process's number from then on."""
    mark = f"thread-{PID}"
    with run("execsnoop", "--json") as tool:
        child = subprocess.Popen([sys.executable, "-c", THREAD.format(mark=mark)])
        assert child.wait(PATIENCE) == 0
        assert tool.end() == 0
    (row,) = [row for row in tool.rows if row["command"] == f"/bin/true {mark}"]
    assert (row["pid"], row["result"]) == (child.pid, "0")


def test_how_long_that_takes(run: Run, tmp_path: Path, extra: Callable[[str], Any]) -> None:
    parquet = extra("pyarrow.parquet")
    with subprocess.Popen(["sh", "-c", 'read line; exec "$@"', "sh", sys.executable, "-c", THREAD.format(mark="x")],
                          stdin=subprocess.PIPE) as child:  # fmt: skip
        with run("event_stream", "execve", "-o", tmp_path, "--pid", child.pid) as tool:
            child.communicate(b"\n", PATIENCE)
            assert tool.end() == 0
    found = [row for file in tmp_path.glob("*.parquet") for row in parquet.read_table(file).to_pylist()]
    assert [(row["pid"], row["result"]) for row in found] == [(child.pid, 0)] * 2
    assert all(row["nanoseconds"] is not None and 0 < row["nanoseconds"] < 10**10 for row in found)


# PID namespaces

INSIDE = """
import os, subprocess, sys, time
sys.path[:0] = {path!r}
from tool_runs import command, running
name, options, act = {name!r}, {options!r}, {act!r}
me = os.getpid()
assert me < 100, "a namespace of its own"
with running(command(name, "--json", *options, "--pid", me)) as tool:
    exec(act)
    assert tool.end() == 0, tool.errors
print(me, *tool.lines, sep="\\n")
"""
ACTS = {
    "nanosleep_watcher": "time.sleep(0.02)",
    "opensnoop": "os.close(os.open('/', 0))",
    "unlinkers": "os.path.exists('/nonesuch/x') or subprocess.run(['true'])\ntry: os.unlink('/nonesuch/x')\n"
                 "except OSError: pass",
    "sync_watcher": "os.sync()",
    "connect_watcher": "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('127.0.0.1', 9))",
}  # fmt: skip


def in_namespace(missing: Callable[[str], Any], code: str) -> list[str]:
    if os.geteuid() or not shutil.which("unshare"):
        missing("a PID namespace needs root and unshare, of util-linux")
    words = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, timeout=2 * PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", ACTS)
def test_in_a_pid_namespace(run: Run, missing: Callable[[str], Any], name: str) -> None:
    """--pid and the numbers shown are the namespace's."""
    code = INSIDE.format(path=sys.path, name=name, options=(), act=ACTS[name])
    me, *lines = in_namespace(missing, code)
    assert lines and all(f'"pid": {me},' in line for line in lines)


def test_event_stream_in_a_pid_namespace(
    run: Run, missing: Callable[[str], Any], tmp_path: Path, extra: Callable[[str], Any]
) -> None:
    """Its own calls are left out there, too."""
    parquet = extra("pyarrow.parquet")
    act = "for _ in range(50): os.getppid()"
    code = INSIDE.format(path=sys.path, name="event_stream", options=("getppid", "-o", str(tmp_path)), act=act)
    me, *_ = in_namespace(missing, code)
    found = [row for file in tmp_path.glob("*.parquet") for row in parquet.read_table(file).to_pylist()]
    assert len(found) == 50 and {row["pid"] for row in found} == {row["tid"] for row in found} == {int(me)}
    act = "own = tool.process.pid; time.sleep(0.5); print(own)"
    options = ("write", "read", "-o", str(tmp_path / "own"))
    code = INSIDE.format(path=sys.path, name="event_stream", options=options, act=act).replace(', "--pid", me', "")
    own, *_ = in_namespace(missing, code)
    found = [row for file in tmp_path.glob("own/*.parquet") for row in parquet.read_table(file).to_pylist()]
    assert found and int(own) not in {row["pid"] for row in found}


# 32-bit programs

CODE = bytes((0xB8, 162, 0, 0, 0, 0xBB)) + struct.pack("<I", 0x08048000 + 96 + 52) + bytes(
    (0x31, 0xC9, 0xCD, 0x80, 0xB8, 1, 0, 0, 0, 0x31, 0xDB, 0xCD, 0x80)
)  # fmt: skip
"""nanosleep(&time, 0); exit(0), by i386's numbers 162 and 1, behind the headers: time lies 52 bytes behind the code."""


def small_elf(path: Path) -> Path:
    """A static program for i386."""
    base, headers = 0x08048000, 52 + 32
    body = CODE.ljust(64, b"\x90") + struct.pack("<II", 0, 20_000_000)
    body = body[:64] + body[64:]
    head = b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack(
        "<HHIIIIIHHHHHH", 2, 3, 1, base + headers, 52, 0, 0, 52, 32, 1, 0, 0, 0
    )  # fmt: skip
    program = struct.pack("<8I", 1, 0, base, base, headers + len(body), headers + len(body), 5, 0x1000)
    at = CODE.index(0xBB) + 1
    fixed = body[:at] + struct.pack("<I", base + headers + 64) + body[at + 4 :]
    path.write_bytes(head + program + fixed)
    path.chmod(0o755)
    return path


@pytest.fixture
def old_program(tmp_path: Path, missing: Callable[[str], Any]) -> Path:
    path = small_elf(tmp_path / "small")
    try:
        done = subprocess.run([path])
    except OSError:
        missing("this kernel runs no programs for i386")
    if done.returncode < 0:
        missing("this kernel runs no programs for i386")
    assert done.returncode == 0
    return path


def test_calls_of_32_bit_programs_are_not_seen(run: Run, old_program: Path) -> None:
    """As every tool's help says: the kernel's events of system calls leave them out. If this fails, say otherwise."""
    with run("nanosleep_watcher", "--json") as tool:
        before = time.monotonic()
        assert subprocess.run([old_program]).returncode == 0
        assert time.monotonic() - before >= 0.02
        time.sleep(0.01)
        assert tool.end() == 0
    assert not [row for row in tool.rows if row["comm"] == "small"]
    assert [row for row in tool.rows if row["pid"] == PID]


def test_the_start_of_a_32_bit_program_is_seen(run: Run, old_program: Path) -> None:
    with run("execsnoop", "--json") as tool:
        assert subprocess.run([old_program]).returncode == 0
        assert tool.end() == 0
    assert [row["result"] for row in tool.rows if row["command"] == str(old_program)] == ["0"]


@pytest.mark.parametrize("name", [*ACTS, "execsnoop", "event_stream"])
def test_the_help_says_so(name: str) -> None:
    told = subprocess.run(command(name, "--help"), capture_output=True, text=True).stdout
    assert "32-bit" in told and "In a PID namespace" in told


# Texts that are cut


def shown(run: Run, name: str, act: Callable[[], object], *options: str) -> tuple[list[dict[str, Any]], list[str]]:
    """A tool's output for the call, as JSON and as a table."""
    with run(name, "--json", *options) as tool:
        act()
        assert tool.end() == 0
    with run(name, *options) as table:
        act()
        assert table.end() == 0
    return tool.rows, table.lines[1:]


@pytest.mark.parametrize("name", ["opensnoop", "unlinkers"])
@pytest.mark.parametrize(("length", "is_cut"), [(253, False), (254, False), (255, True), (256, True), (1000, True)])
def test_long_paths(run: Run, name: str, length: int, is_cut: bool) -> None:
    """One of 255 bytes fills the field: nobody knows whether there was more."""
    path = ("/nonesuch" + "/x" * length)[:length]

    def act() -> None:
        try:
            os.unlink(path) if name == "unlinkers" else os.open(path, os.O_RDONLY)
        except OSError:
            pass

    (row,), (line,) = shown(run, name, act, "--pid", str(PID))
    assert row["path"] == path[:255] and row.get("cut") == (["path"] if is_cut else None)
    assert line.endswith(path[:255] + common.CUT * is_cut) and line.count(".") == 3 * is_cut


def test_long_arguments(run: Run) -> None:
    mark = f"long-{PID}"
    cases = [(["/bin/true", mark, "a" * 126], False), (["/bin/true", mark, "b" * 127], True),
             (["/bin/true", mark, "c" * 200, "d"], True), (["/bin/true", mark, *"e" * 19], True)]  # fmt: skip

    def act() -> None:
        for words, _ in cases:
            subprocess.run(words, check=True)

    rows, lines = shown(run, "execsnoop", act)
    rows, lines = [row for row in rows if mark in row["command"]], [line for line in lines if mark in line]
    wanted = [
        f"/bin/true {mark} {'a' * 126}", f"/bin/true {mark} {'b' * 127}...", f"/bin/true {mark} {'c' * 127}... d",
        f"/bin/true {mark} {' '.join('e' * 18)} ...",
    ]  # fmt: skip
    assert sorted(row["command"] for row in rows) == wanted
    assert sorted(line[line.index("/bin/true") :] for line in lines) == wanted
    assert {row["command"]: row.get("cut") for row in rows} == {
        command: ["command"] if is_cut else None for command, (_, is_cut) in zip(wanted, cases, strict=True)
    }


def test_what_is_not_shown_does_not_count(run: Run, tmp_path: Path) -> None:
    """--count limits the shown events; the summary includes the others."""
    import socket

    with run("connect_watcher", "--json", "--pid", PID, "--family", "ipv6", "--count", 2) as tool:
        for family, address in [(socket.AF_INET, "127.0.0.1")] * 3 + [(socket.AF_INET6, "::1")] * 2:
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                sock.connect((address, 9))
        assert tool.end(by=None) == 0
    assert [row["family"] for row in tool.rows] == ["ipv6"] * 2
    assert "5 events: 2 shown, 3 not shown, 0 lost" in tool.errors
