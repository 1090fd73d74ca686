"""How every tool ends: with its summary, even if a signal ends it, or writing to its output or files fails."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tool_runs import PATIENCE, Tool, ToolNamespace, command

PID = os.getpid()


class Kind(NamedTuple):
    """A tool, its options, what its account looks like, and whether a table has a line before anything is seen."""

    name: str
    options: tuple[str, ...]
    account: str
    has_head: bool = True
    in_namespace: bool = False


EVENTS = r"(?m)^\d+ events: \d+ shown(, \d+ not shown)?, \d+ lost$"
PACKETS = r"(?m)^\d+ packets counted"
OWN = ("--pid", str(PID))
UNPARSED = r"\d+ could not be parsed"
KINDS = {
    kind.name: kind
    for kind in (
        *(Kind(name, OWN, EVENTS) for name in ("nanosleep_watcher", "sync_watcher", "opensnoop", "unlinkers")),
        *(Kind(name, OWN, EVENTS) for name in ("execsnoop", "connect_watcher")),
        Kind("event_stream", ("getppid", *OWN), r"(?m)^\d+ calls: \d+ written, \d+ lost$"),
        *(Kind(name, ("-i", "lo"), PACKETS, in_namespace=True) for name in ("count_by_protocol", "flow_counter")),
        Kind("packet_counter", ("-i", "lo"), PACKETS, has_head=True, in_namespace=True),
        Kind("xdp_ports", ("-i", "lo", "9"), rf"(?m)^\d+ packets dropped, \d+ passed; {UNPARSED}$", in_namespace=True),
        Kind("blacklist_ingress_ips", ("-i", "lo", "10.0.0.1"), rf"(?m)^\d+ packets dropped; {UNPARSED}$", False, True),
    )
}


@pytest.fixture
def started(
    namespace: ToolNamespace, tmp_path: Path, extra: Callable[[str], Any]
) -> Callable[..., contextlib.AbstractContextManager[Tool]]:
    """Starts a tool of the table, with output to where the test says."""
    extra("pyarrow"), extra("numpy")
    from py2bpf.util import ensure_resources

    ensure_resources()

    @contextlib.contextmanager
    def start(kind: Kind, *options: str, stdout: Any = subprocess.PIPE, ready: bool = True) -> Iterator[Tool]:
        folder = ("-o", str(tmp_path)) if kind.name == "event_stream" else ()
        words = command(kind.name, *kind.options, *folder, *options)
        prefix = ["ip", "netns", "exec", namespace.name] if kind.in_namespace else []
        tool = Tool.__new__(Tool)
        tool.output = tool.errors = ""
        tool.process = subprocess.Popen([*prefix, *words], stdout=stdout, stderr=subprocess.PIPE)
        try:
            if ready:
                tool.wait_until_ready()
            yield tool
        finally:
            tool.close()

    return start


Start = Callable[..., contextlib.AbstractContextManager[Tool]]


def check(tool: Tool, kind: Kind) -> None:
    """The account is there, once, and no traceback."""
    told = tool.errors + (tool.output if kind.name == "event_stream" else "")
    assert len(re.findall(kind.account, told)) == 1, told
    assert "Traceback" not in tool.errors and "Exception ignored" not in tool.errors, tool.errors


@pytest.mark.kernel
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("name", KINDS)
def test_signals(started: Start, name: str, by: signal.Signals) -> None:
    with started(KINDS[name]) as tool:
        assert tool.end(by) == 0, tool.errors
    check(tool, KINDS[name])


def see_something(tool: Tool) -> None:
    """Calls that every tracing tool shows, until the tool has found its output gone."""
    deadline = time.monotonic() + PATIENCE
    while tool.process.poll() is None and time.monotonic() < deadline:
        os.getppid()
        time.sleep(0.01)
        with contextlib.suppress(OSError), open("/tmp/nonesuch/x"):
            pass
        with contextlib.suppress(OSError):
            os.unlink("/tmp/nonesuch/x")
        subprocess.run([sys.executable, "-c", ""], check=True)


@pytest.mark.kernel
@pytest.mark.parametrize("name", KINDS)
def test_a_reader_that_goes(started: Start, name: str) -> None:
    """As head(1) does, after the first line."""
    kind = KINDS[name]
    with started(kind) as tool:
        assert tool.process.stdout is not None
        if kind.has_head and name != "packet_counter":
            tool.process.stdout.readline()
        tool.process.stdout.close()
        tool.process.stdout = None
        assert tool.end() == 0, tool.errors
    check(tool, kind)
    assert "error" not in tool.errors


@pytest.mark.kernel
@pytest.mark.parametrize("name", ["nanosleep_watcher", "opensnoop", "unlinkers"])
def test_a_reader_that_goes_ends_the_tool(started: Start, name: str) -> None:
    with started(KINDS[name], "--json") as tool:
        assert tool.process.stdout is not None
        tool.process.stdout.close()
        tool.process.stdout = None
        see_something(tool)
        assert tool.end(by=None) == 0, tool.errors
    check(tool, KINDS[name])
    assert not re.search(r"(?m)^0 events", tool.errors)


@pytest.mark.kernel
@pytest.mark.parametrize("name", KINDS)
def test_a_full_disk_below_the_output(started: Start, name: str) -> None:
    """A table fails with its head, and so before anything is attached or soon after."""
    kind = KINDS[name]
    with open("/dev/full", "wb") as full, started(kind, "-d", "2", stdout=full, ready=False) as tool:
        assert tool.end(by=None) == 1, tool.errors
    assert "error: cannot write to standard output: No space left on device" in tool.errors
    assert "Traceback" not in tool.errors and "Exception ignored" not in tool.errors, tool.errors


@pytest.mark.kernel
def test_rows_that_a_full_disk_takes_not_are_told(started: Start) -> None:
    kind = KINDS["nanosleep_watcher"]
    with open("/dev/full", "wb") as full, started(kind, "--json", stdout=full) as tool:
        see_something(tool)
        assert tool.end(by=None) == 1
    check(tool, kind)
    found = re.search(r"(?m)^(\d+) events: 0 shown, (\d+) not shown, 0 lost$", tool.errors)
    assert found and found[1] == found[2] != "0", tool.errors


@pytest.mark.kernel
@pytest.mark.parametrize("name", ["opensnoop", "packet_counter", "event_stream"])
def test_a_terminal_that_goes(started: Start, name: str) -> None:
    """Writing gives EIO then."""
    kind = KINDS[name]
    terminal, end = pty.openpty()
    with started(kind, "--json", "-d", "3", stdout=end) as tool:
        os.close(end)
        os.close(terminal)
        see_something(tool)
        assert tool.end(by=None) == 1, tool.errors
    check(tool, kind)
    assert "error: cannot write to standard output: Input/output error" in tool.errors


@pytest.mark.parametrize("name", [*KINDS, "demo"])
def test_a_closed_output(name: str) -> None:
    words = [*command(name), *KINDS[name].options] if name in KINDS else command(name)
    script = 'exec "$@" >&-'
    done = subprocess.run(["sh", "-c", script, "sh", *words], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1
    assert done.stderr == "error: standard output is closed\n"


@pytest.mark.kernel
def test_nothing_to_tell_errors_to(started: Start) -> None:
    """nohup and closed standard error: no traceback has a place, and the tool works."""
    words = command("nanosleep_watcher", "--pid", PID, "--count", 1, "--json")
    with subprocess.Popen(["sh", "-c", 'exec "$@" 2>&-', "sh", *words], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while process.poll() is None:
            time.sleep(0.01)
        assert process.returncode == 0 and b'"call": "clock_nanosleep"' in process.stdout.read()


@pytest.mark.kernel
def test_a_signal_that_is_ignored_stays_so(started: Start) -> None:
    """As nohup(1) has it."""
    with started(KINDS["nanosleep_watcher"], ready=False) as tool:
        pass
    words = ["nohup", *command("nanosleep_watcher", "--pid", PID)]
    tool.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    tool.output = tool.errors = ""
    tool.wait_until_ready()
    tool.process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert tool.process.poll() is None
    assert tool.end() == 0
    tool.close()


# Devices that are deleted

DEVICE_TOOLS = {
    "count_by_protocol": (), "flow_counter": (), "xdp_ports": ("9",), "blacklist_ingress_ips": ("10.0.0.1",),
    "packet_counter": (),
}  # fmt: skip
VARIANTS = [
    *((name, options) for name, options in DEVICE_TOOLS.items()),
    ("packet_counter", ("--hook", "tc", "--direction", "both")),
    ("packet_counter", ("--hook", "socket")),
    ("xdp_ports", ("9", "--mode", "generic")),
]


@pytest.mark.kernel
@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=str)
def test_a_device_that_is_deleted(namespace: ToolNamespace, name: str, options: tuple[str, ...]) -> None:
    """The tool says so, and shows what it has."""
    namespace.shell("ip", "link", "add", "there", "type", "veth", "peer", "here")
    for device in ("there", "here"):
        namespace.shell("ip", "link", "set", device, "up")
    with namespace.run(name, "-i", "here", *options, "--json", *(
            ("--interval", "60") if name != "blacklist_ingress_ips" else ())) as tool:  # fmt: skip
        time.sleep(0.3)
        namespace.shell("ip", "link", "del", "there")
        assert tool.end(by=None) == 0, tool.errors
    assert "the interface here has been deleted: the tool ends with what it has" in tool.errors
    assert "Traceback" not in tool.errors and "error" not in tool.errors
    assert re.search(KINDS[name].account, tool.errors), tool.errors
    if name in ("packet_counter", "blacklist_ingress_ips"):
        assert tool.rows


@pytest.mark.kernel
def test_a_device_that_gets_another_name(namespace: ToolNamespace) -> None:
    """It is still there."""
    namespace.shell("ip", "link", "add", "there", "type", "veth", "peer", "here")
    namespace.shell("ip", "link", "set", "here", "up")
    with namespace.run("xdp_ports", "-i", "here", "--json", "-d", "3") as tool:
        namespace.shell("ip", "link", "set", "here", "down")
        namespace.shell("ip", "link", "set", "here", "name", "renamed")
        namespace.shell("ip", "link", "set", "renamed", "up")
        assert tool.end(by=None) == 0
    assert "deleted" not in tool.errors and "error" not in tool.errors
