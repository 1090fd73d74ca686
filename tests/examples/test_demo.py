"""The demo, with and without a terminal."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tool_runs import PATIENCE, Run, command

from py2bpf.testing import packets

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests"))
from test_pcap import pcap  # noqa: E402

SUMMARY = re.compile(r"In all: (\d+) packets of (\d+) protocols, (\d+) events, \d+ lost\.")


@pytest.mark.kernel
def test_without_a_terminal(run: Run) -> None:
    done = subprocess.run(command("demo", "--seconds", 2), capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert "packets: " in done.stdout and "slept" in done.stdout and "started" in done.stdout
    assert "\x1b" not in done.stdout
    found = SUMMARY.search(done.stdout)
    # What one round of the traffic makes; how many there are in two seconds is the machine's affair.
    assert found and int(found[1]) >= 10 and int(found[2]) >= 3 and int(found[3]) >= 2


@pytest.mark.kernel
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


@pytest.mark.parametrize("capture", [False, True])
def test_without_privileges(tmp_path: Path, capture: bool) -> None:
    """As nobody, where the tests run as root: in the embedded VM, which says so."""
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
    assert "Running in the embedded VM, over packets" in done.stdout
    assert "privileges" in done.stdout or capture or not nobody
    assert "slept" in done.stdout and "started" in done.stdout
    found = SUMMARY.search(done.stdout)
    assert found and int(found[3]) >= 4
    assert (int(found[1]), int(found[2])) == (3, 3) if capture else int(found[1]) > 50 and int(found[2]) == 6


def everybody_may(path: Path) -> bool:
    return all(each.stat().st_mode & 0o005 == 0o005 for each in (*path.parents, ROOT, *ROOT.parents))


def read_all(terminal: int) -> str:
    data = b""
    while True:
        try:
            data += os.read(terminal, 65536)
        except OSError:  # how a terminal tells that nobody writes any more
            return data.decode(errors="replace")
