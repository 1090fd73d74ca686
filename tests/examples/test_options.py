"""What all tools have in common: help, options, ends, errors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tool_runs import PATIENCE, Run, command

TRACING = ("nanosleep_watcher", "sync_watcher", "opensnoop", "unlinkers", "execsnoop", "connect_watcher")
PACKETS = ("count_by_protocol", "flow_counter", "packet_counter")
TOOLS = (*TRACING, *PACKETS, "blacklist_ingress_ips", "xdp_ports", "event_stream", "demo")

_NEEDS = {"blacklist_ingress_ips": ["-i", "lo", "10.0.0.1"], "xdp_ports": ["-i", "lo"],
          "packet_counter": ["-i", "lo"]}  # fmt: skip


def call(name: str, *options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(name, *options), capture_output=True, text=True, timeout=PATIENCE)


@pytest.mark.parametrize("name", TOOLS)
def test_help(name: str) -> None:
    done = call(name, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: python -m py2bpf.examples.{name}")


@pytest.mark.parametrize("name", [name for name in TOOLS if name != "demo"])
def test_without_privileges(name: str, powerless: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = powerless(name, *_NEEDS.get(name, []))
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Root lacks" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("opensnoop", ["--duration", "0"], "0 is not above 0"),
        ("opensnoop", ["--duration", "inf"], "inf is not above 0"),
        ("opensnoop", ["--count", "0"], "0 is not 1 or more"),
        ("opensnoop", ["--pid", "me"], "invalid"),
        ("count_by_protocol", ["--direction", "up"], "invalid choice"),
        ("xdp_ports", ["icmp/9"], "'icmp/9' is not like 9, tcp/23, udp/53 or sctp/7"),
        ("xdp_ports", ["tcp/70000"], "'70000' is no port"),
        ("xdp_ports", ["--mode", "fast"], "invalid choice"),
        ("event_stream", ["--rows", "0"], "0 is not 1 or more"),
        ("packet_counter", [], "--hook xdp needs an interface"),
        ("packet_counter", ["-i", "lo", "--direction", "out"], "arriving packets only"),
        ("packet_counter", ["--pcap", "some.pcap", "--prometheus", "9100"], "goes without"),
        ("packet_counter", ["--pcap", "some.pcap", "--hook", "tc"], "goes without"),
        ("packet_counter", ["-i", "lo", "--hook", "tc", "--mode", "native"], "--mode is one of XDP's"),
        ("packet_counter", ["-i", "lo", "--prometheus", "here"], "no port, nor ADDRESS:PORT"),
        ("blacklist_ingress_ips", [], "give the addresses"),
        ("blacklist_ingress_ips", ["10.0.0.1/8"], "10.0.0.1/8 has host bits set"),
    ],
)
def test_wrong_options(name: str, options: list[str], told: str) -> None:
    done = call(name, *options)
    assert done.returncode == 2
    assert told in done.stderr


NEEDING = [
    ("numpy", "packet_counter", ["-i", "lo"]),
    ("prometheus_client", "packet_counter", ["-i", "lo", "--prometheus", "0"]),
    ("pyarrow", "event_stream", []),
]
"""A package, the tool that needs it, and its options."""


@pytest.mark.kernel
@pytest.mark.parametrize(("module", "name", "options"), NEEDING)
def test_a_package_that_is_missing(module: str, name: str, options: list[str]) -> None:
    """As where only py2bpf itself is installed: the tool tells what to install."""
    hide = f"""
import importlib.machinery, runpy, sys

class Without(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] == {module!r} else super().find_spec(name, path, target)

sys.meta_path = [Without if each is importlib.machinery.PathFinder else each for each in sys.meta_path]
sys.argv = [{name!r}, *{options!r}]
runpy.run_module("py2bpf.examples.{name}", run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", hide], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1, done.stderr
    assert "pip install 'py2bpf[" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.kernel
@pytest.mark.parametrize(("module", "name", "options"), NEEDING)
def test_a_package_that_is_broken(module: str, name: str, options: list[str], tmp_path: Path) -> None:
    (tmp_path / f"{module}.py").write_text("raise OSError('wrong ELF class')")
    done = subprocess.run(
        [sys.executable, "-m", f"py2bpf.examples.{name}", *options], capture_output=True, text=True, timeout=PATIENCE,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert f"needs {module}, which is installed, but can't be imported: OSError: wrong ELF class" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.kernel
@pytest.mark.parametrize("name", TRACING)
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it(run: Run, name: str, by: signal.Signals) -> None:
    with run(name, "--pid", os.getpid()) as tool:
        assert tool.end(by) == 0
    assert tool.lines[0].split()[:2] == ["PID", "COMM"]
    assert "Traceback" not in tool.errors


TICKING = """
import os, random, signal
from py2bpf.examples import common

signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
for _ in range(1000):
    ticks = common.ticks(None, 1e-6)
    next(ticks)
    signal.setitimer(signal.ITIMER_REAL, 0.0003 + random.random() * 0.001)
    for _ in ticks:
        pass
"""


def test_a_signal_ends_ticks_at_any_moment() -> None:
    assert subprocess.run([sys.executable, "-c", TICKING], timeout=PATIENCE).returncode == 0


@pytest.mark.kernel
def test_what_came_before_the_signal_is_shown(run: Run) -> None:
    with run("nanosleep_watcher", "--json", "--pid", os.getpid()) as tool:
        for _ in range(20):
            time.sleep(0.001)
        assert tool.end() == 0
    assert len(tool.rows) == 20


@pytest.mark.kernel
def test_it_ends_in_time(run: Run) -> None:
    with run("nanosleep_watcher", "--duration", 1, "--pid", os.getpid()) as tool:
        begin = time.monotonic()
        assert tool.end(by=None) == 0
        assert 0.5 < time.monotonic() - begin < PATIENCE / 2


@pytest.mark.kernel
def test_as_a_table(run: Run) -> None:
    with run("nanosleep_watcher", "--pid", os.getpid(), "--count", 1) as tool:
        time.sleep(0.01)
        assert tool.end(by=None) == 0
    head, row = tool.lines
    assert head.split() == ["PID", "COMM", "CALL", "MS", "RESULT"]
    assert row.split()[0] == str(os.getpid()) and row.split()[2] == "clock_nanosleep"
    assert head.index("CALL") == row.index("clock_nanosleep")


@pytest.mark.kernel
def test_a_reader_that_goes_is_no_error(run: Run) -> None:
    with run("nanosleep_watcher", "--pid", os.getpid()) as tool:
        assert tool.process.stdout is not None
        tool.process.stdout.readline()
        tool.process.stdout.close()
        tool.process.stdout = None
        time.sleep(0.01)
        assert tool.process.wait(PATIENCE) == 0
    assert "Traceback" not in tool.errors


@pytest.mark.kernel
@pytest.mark.parametrize("name", [*PACKETS, "blacklist_ingress_ips", "xdp_ports"])
def test_an_unknown_interface(name: str) -> None:
    done = call(name, "-i", "nosuch", *(["10.0.0.1"] if name.startswith("blacklist") else []))
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and "'nosuch'; there are" in done.stderr
