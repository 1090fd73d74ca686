"""The demo, with and without a terminal, next to other processes, and without privileges."""

from __future__ import annotations

import fcntl
import inspect
import os
import pty
import re
import shlex
import shutil
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from tool_runs import PATIENCE, Run, command

from py2bpf.examples import demo, demo_views
from py2bpf.testing import packets

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests"))
from test_pcap import pcap  # noqa: E402

SUMMARY = re.compile(
    r"In all: (\d+) packets of (\d+) protocols; (\d+) events, (\d+) of other processes, \d+ lost; "
    r"turns of (\d+) processes\."
)
SOURCE = inspect.getsource(demo.turn_counter(None))  # type: ignore[arg-type]


@pytest.fixture
def neighbour() -> Iterator[subprocess.Popen[bytes]]:
    """A busy process that starts programs without end."""
    with subprocess.Popen(["sh", "-c", "while :; do /bin/true; done"]) as busy:
        yield busy
        busy.kill()


@pytest.mark.kernel
def test_without_a_terminal(run: Run) -> None:
    done = subprocess.run(command("demo", "--seconds", 3), capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert "packets: " in done.stdout and "turns:   " in done.stdout
    assert "\x1b" not in done.stdout and max(map(len, done.stdout.splitlines()[:12])) <= demo_views.WIDTH
    found = SUMMARY.search(done.stdout)
    # What one round of the traffic makes; how many there are in three seconds is the machine's affair.
    assert found and int(found[1]) >= 10 and int(found[2]) >= 3 and int(found[3]) >= 2 and int(found[5]) >= 2


@pytest.mark.kernel
def test_a_busy_neighbour_and_the_demo_itself_are_both_shown(run: Run, neighbour: subprocess.Popen[bytes]) -> None:
    done = subprocess.run(command("demo", "--seconds", 3), capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("  ") and "started  /bin/true" in line]
    assert [line for line in lines if line.startswith("*") and ("slept" in line or "started" in line)]
    assert [line for line in lines if line.startswith("  turns: ") and re.search(r" \w+/\d+ \d+", line)]
    found = SUMMARY.search(done.stdout)
    assert found and 10 <= int(found[4]) < int(found[3])


@pytest.mark.kernel
def test_it_shows_the_source_and_what_to_try_next(run: Run) -> None:
    done = subprocess.run(command("demo", "--seconds", 1), capture_output=True, text=True, timeout=PATIENCE, cwd=ROOT)
    begin, end = done.stdout.split("\nIn all: ")
    assert SOURCE in begin and re.search(r"Linux \d+\S* runs this Python, as \d+ BPF instructions", begin)
    assert len(suggested(end)) == 3
    for words in suggested(end):
        helped = subprocess.run([*words, "--help"], capture_output=True, text=True, timeout=PATIENCE, cwd=ROOT)
        assert helped.returncode == 0, helped.stderr


@pytest.mark.kernel
def test_in_a_pid_namespace_nothing_is_marked_wrongly(run: Run, missing: Callable[[str], NoReturn]) -> None:
    """Programs see other numbers than the demo there."""
    if os.geteuid() or not shutil.which("unshare"):
        missing("a PID namespace needs root and unshare, of util-linux")
    words = ["unshare", "--pid", "--fork", "--mount-proc", *command("demo", "--seconds", 2)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert "can't tell which are its processes" in done.stdout
    assert "slept" in done.stdout and not re.search(r"^\*|, \*|: +\*", done.stdout, re.M)


def suggested(text: str) -> list[list[str]]:
    """The commands to try next."""
    return [shlex.split(line.split("#")[0]) for line in text.splitlines() if line.startswith("    ")]


@pytest.mark.kernel
def test_in_a_terminal(run: Run) -> None:
    pytest.importorskip("rich")
    terminal, end = pty.openpty()
    try:
        fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("4H", 24, 100, 0, 0))
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "24"}
        with subprocess.Popen(command("demo", "--seconds", 2), stdout=end, env=environment) as shown_by:
            os.close(end)
            shown = read_all(terminal)
            assert shown_by.wait(PATIENCE) == 0
    finally:
        os.close(terminal)
    assert "packets on all interfaces" in shown and "turns on a processor" in shown and "IPv4 TCP" in shown
    assert "events (* the demo's own)" in shown and "╰" in shown, "it fits into 24 lines"
    assert SUMMARY.search(shown)


def test_of_many_events_one_of_each_process_comes_first() -> None:
    events = [demo_views.Event(pid, name, "slept", name == "python") for pid, name in enumerate(["busy"] * 50)]
    events[20:20] = [demo_views.Event(100 + number, "python", "slept", True) for number in range(9)]
    events.append(demo_views.Event(200, "rare", "slept", False))
    shown = [each.comm for each in demo_views.fair(events, 4)]
    assert shown == ["busy", "busy", "python", "rare"]
    assert [each.pid for each in demo_views.fair(events[20:29], 4)] == [100], "of its own one is enough"


@pytest.mark.parametrize("capture", [False, True])
def test_without_privileges(tmp_path: Path, capture: bool) -> None:
    """As the user nobody, if the tests run as root: the demo runs in the embedded VM, and says so."""
    file = tmp_path / "some.pcap"
    frames = [packets.udp(), packets.tcp("::1", "::2"), packets.icmp()]
    file.write_bytes(pcap(frames=frames))
    arguments = ["--seconds", "1.5", *(["--capture", str(file)] if capture else [])]
    tmp_path.chmod(0o755)
    nobody = {"user": 65534, "group": 65534, "extra_groups": ()} if os.geteuid() == 0 and everybody_may(file) else {}
    if not nobody and os.geteuid() == 0:
        arguments.append("--vm")
    done = subprocess.run(
        command("demo", *arguments), capture_output=True, text=True, timeout=PATIENCE, **nobody  # type: ignore[call-overload]
    )
    assert done.returncode == 0, done.stderr
    assert "the embedded VM runs this Python" in done.stdout and SOURCE in done.stdout
    assert "They see packets" in done.stdout
    assert "privileges" in done.stdout or capture or not nobody
    assert "slept" in done.stdout and "started" in done.stdout
    found = SUMMARY.search(done.stdout)
    assert found and int(found[3]) >= 4 and int(found[5]) == 1
    assert (int(found[1]), int(found[2])) == (3, 3) if capture else int(found[1]) > 50 and int(found[2]) == 6
    with_sudo = {words[0] == "sudo" for words in suggested(done.stdout.split("In all: ")[1])}
    assert with_sudo == {bool(nobody or os.geteuid())}


def everybody_may(path: Path) -> bool:
    return all(each.stat().st_mode & 0o005 == 0o005 for each in (*path.parents, ROOT, *ROOT.parents))


def read_all(terminal: int) -> str:
    data = b""
    while True:
        try:
            data += os.read(terminal, 65536)
        except OSError:  # how a terminal tells that nobody writes any more
            return data.decode(errors="replace")
