"""The demo, with and without a terminal."""

from __future__ import annotations

import os
import pty
import re
import subprocess

import pytest
from tool_runs import PATIENCE, Run, command

pytestmark = pytest.mark.kernel
SUMMARY = re.compile(r"In all: (\d+) packets of (\d+) protocols, (\d+) events, \d+ lost\.")


def test_without_a_terminal(run: Run) -> None:
    done = subprocess.run(command("demo", "--seconds", 2), capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert "packets: " in done.stdout and "slept" in done.stdout and "started" in done.stdout
    assert "\x1b" not in done.stdout
    found = SUMMARY.search(done.stdout)
    assert found and int(found[1]) > 50 and int(found[2]) >= 3 and int(found[3]) > 5


def test_in_a_terminal(run: Run) -> None:
    pytest.importorskip("rich")
    terminal, end = pty.openpty()
    try:
        with subprocess.Popen(command("demo", "--seconds", 2), stdout=end, env={**os.environ, "TERM": "xterm"}) as demo:
            os.close(end)
            shown = read_all(terminal)
            assert demo.wait(PATIENCE) == 0
    finally:
        os.close(terminal)
    assert "packets on lo" in shown and "IPv4 TCP" in shown and "events" in shown
    assert SUMMARY.search(shown)


def read_all(terminal: int) -> str:
    data = b""
    while True:
        try:
            data += os.read(terminal, 65536)
        except OSError:  # how a terminal tells that nobody writes any more
            return data.decode(errors="replace")
