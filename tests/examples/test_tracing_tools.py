"""The tools that watch system calls, with system calls made for them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tool_runs import Run

pytestmark = pytest.mark.kernel

PID = os.getpid()
COMM = Path("/proc/self/comm").read_text().strip()
OPENAT2 = 437
"""The same number on every architecture."""


@pytest.fixture(autouse=True)
def _one_cpu() -> Iterator[None]:
    """Keeps the calls on one CPU: a queue has the records of each CPU in order, those of two it may exchange."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


def test_nanosleep_watcher(run: Run) -> None:
    with run("nanosleep_watcher", "--json", "--pid", PID, "--count", 2) as tool:
        time.sleep(0.05)
        time.sleep(0.01)
        assert tool.end(by=None) == 0
    first, second = tool.rows
    assert first["pid"] == PID and first["comm"] == COMM and first["call"] == "clock_nanosleep"
    assert 50 <= first["ms"] < 5000 and 10 <= second["ms"] < 5000
    assert first["result"] == "0"


def test_a_sleep_that_began_before_is_not_told(run: Run) -> None:
    with subprocess.Popen(["sleep", "1000"]) as sleeper:
        with run("nanosleep_watcher", "--json", "--pid", sleeper.pid) as tool:
            sleeper.kill()
            sleeper.wait()
            assert tool.end() == 0
    assert tool.rows == []


def test_an_interrupted_sleep_is_told(run: Run) -> None:
    code = "import signal, time; signal.setitimer(signal.ITIMER_REAL, 0.05); time.sleep(30)"
    with run("nanosleep_watcher", "--json") as tool:
        with subprocess.Popen([sys.executable, "-c", code]) as sleeper:
            assert sleeper.wait() == -signal.SIGALRM
        assert tool.end() == 0
    (row,) = [row for row in tool.rows if row["pid"] == sleeper.pid]
    assert row["result"] == "interrupted by a signal" and row["ms"] < 20000


def test_sync_watcher(run: Run, tmp_path: Path) -> None:
    with run("sync_watcher", "--json", "--pid", PID, "--count", 3) as tool:
        with open(tmp_path / "file", "w") as file:
            os.fsync(file.fileno())
            os.fdatasync(file.fileno())
            fd = file.fileno()
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fsync(fd)
        assert tool.end(by=None) == 0
    assert [(row["call"], row["fd"], row["result"]) for row in tool.rows] == [
        ("fsync", fd, "0"),
        ("fdatasync", fd, "0"),
        ("fsync", fd, "Bad file descriptor"),
    ]
    assert all(row["pid"] == PID and row["ms"] >= 0 for row in tool.rows)


def test_sync_has_no_descriptor(run: Run) -> None:
    with run("sync_watcher", "--json", "--pid", PID, "--count", 1) as tool:
        os.sync()
        assert tool.end(by=None) == 0
    (row,) = tool.rows
    assert row["call"] == "sync" and row["fd"] == "-"


def test_opensnoop(run: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "new file")
    with run("opensnoop", "--json", "--pid", PID, "--count", 3) as tool:
        opened = os.open(path, os.O_CREAT | os.O_WRONLY)
        with pytest.raises(FileNotFoundError):
            os.open("nonesuch", os.O_RDONLY)
        how = (ctypes.c_uint64 * 3)(os.O_PATH, 0, 0)
        libc = ctypes.CDLL(None)
        os.close(libc.syscall(OPENAT2, -1, str(tmp_path).encode(), how, ctypes.sizeof(how)))
        os.close(opened)
        assert tool.end(by=None) == 0
    assert [(row["path"], row["result"]) for row in tool.rows] == [
        (path, str(opened)),
        ("nonesuch", "No such file or directory"),
        (str(tmp_path), tool.rows[2]["result"]),
    ]
    assert int(tool.rows[0]["flags"], 0) & (os.O_CREAT | os.O_WRONLY) == os.O_CREAT | os.O_WRONLY
    assert int(tool.rows[2]["flags"], 0) == os.O_PATH and int(tool.rows[2]["result"]) >= 0


def test_opensnoop_shows_failures_alone(run: Run) -> None:
    with run("opensnoop", "--json", "--pid", PID, "--failed") as tool:
        os.close(os.open("/", os.O_RDONLY))
        with pytest.raises(FileNotFoundError):
            os.open("/nonesuch", os.O_RDONLY)
        assert tool.end() == 0
    assert [row["path"] for row in tool.rows] == ["/nonesuch"]


def test_unlinkers(run: Run, tmp_path: Path) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.write_text("x")
    folder.mkdir()
    with run("unlinkers", "--json", "--pid", PID, "--count", 3) as tool:
        file.unlink()
        folder.rmdir()
        with pytest.raises(FileNotFoundError):
            os.unlink("nonesuch\n")
        assert tool.end(by=None) == 0
    assert [(row["path"], row["result"]) for row in tool.rows] == [
        (str(file), "0"),
        (str(folder), "0"),
        ("nonesuch\n", "No such file or directory"),
    ]


def test_execsnoop(run: Run) -> None:
    mark = f"mark-{PID}"
    with run("execsnoop", "--json") as tool:
        child = subprocess.Popen(["/bin/true", mark, "two words", *"abc"])
        child.wait()
        subprocess.run(["/bin/true", mark, *map(str, range(18))], check=True)
        subprocess.run(["/bin/true", mark, *map(str, range(19))], check=True)
        with pytest.raises(FileNotFoundError):
            subprocess.run(["/nonesuch", mark], check=True)
        assert tool.end() == 0
    rows = [row for row in tool.rows if mark in row["command"]]
    assert [row["command"] for row in rows] == [
        f"/bin/true {mark} 'two words' a b c",
        f"/bin/true {mark} " + " ".join(map(str, range(18))),
        f"/bin/true {mark} " + " ".join(map(str, range(18))) + " ...",
        f"/nonesuch {mark}",
    ]
    assert [row["result"] for row in rows] == ["0", "0", "0", "No such file or directory"]
    assert rows[0]["pid"] == child.pid


def make_connects(folder: Path) -> list[tuple[str, str, str]]:
    """Connects in many ways; gives what a tool should tell of it."""
    told = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()):
            told.append(("ipv4", f"127.0.0.1:{server.getsockname()[1]}", "0"))
    with socket.socket() as sock, contextlib.suppress(ConnectionRefusedError):
        sock.bind(("127.0.0.1", 0))  # nobody listens there
        port = sock.getsockname()[1]
        with socket.socket() as client:
            told.append(("ipv4", f"127.0.0.1:{port}", "Connection refused"))
            client.connect(("127.0.0.1", port))
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.connect(("::1", 9))
        told.append(("ipv6", "[::1]:9", "0"))
    for name, shown in ((str(folder / "sock"), str(folder / "sock")), ("\0hidden", "@hidden")):
        with socket.socket(socket.AF_UNIX) as sock, contextlib.suppress(OSError):
            told.append(("unix", shown, "Connection refused" if shown[0] == "@" else "No such file or directory"))
            sock.connect(name)
    return told


def test_connect_watcher(run: Run, tmp_path: Path) -> None:
    with run("connect_watcher", "--json", "--pid", PID, "--count", 5) as tool:
        told = make_connects(tmp_path)
        assert tool.end(by=None) == 0
    assert [(row["family"], row["address"], row["result"]) for row in tool.rows] == told


def test_connect_watcher_of_one_family(run: Run, tmp_path: Path) -> None:
    with run("connect_watcher", "--json", "--pid", PID, "--family", "ipv6") as tool:
        make_connects(tmp_path)
        assert tool.end() == 0
    assert [row["address"] for row in tool.rows] == ["[::1]:9"]


@pytest.mark.qemu
def test_connect_watcher_with_kprobes(run: Run, tmp_path: Path) -> None:
    with run("connect_watcher", "--json", "--pid", PID, "--count", 5, "--kprobe") as tool:
        told = make_connects(tmp_path)
        assert tool.end(by=None) == 0
    assert [(row["family"], row["address"], row["result"]) for row in tool.rows] == told


def test_an_address_longer_than_it_must_be(run: Run) -> None:
    """Programs often pass the size of sockaddr_storage."""
    storage = bytearray(128)
    storage[:8] = socket.AF_INET.to_bytes(2, sys.byteorder) + (9).to_bytes(2, "big") + bytes([127, 0, 0, 1])
    with run("connect_watcher", "--json", "--pid", PID, "--count", 1) as tool:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            assert ctypes.CDLL(None).connect(sock.fileno(), bytes(storage), len(storage)) == 0
        assert tool.end(by=None) == 0
    assert tool.rows[0]["address"] == "127.0.0.1:9"
