"""Runs the example tools as users do: as processes, ended by a signal."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from py2bpf.exception import KernelError
from py2bpf.util import ensure_resources

GUEST = os.environ.get("PY2BPF_GUEST") == "1"
PATIENCE = 300 if GUEST else 60
"""Seconds after which a tool hangs; importing takes long under emulation."""

Run = Callable[..., contextlib.AbstractContextManager["Tool"]]


class Tool:
    """A running tool. ``output`` has what it printed, once it has ended."""

    def __init__(self, command: Sequence[str]) -> None:
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.output = self.errors = ""

    def wait_until_ready(self) -> None:
        """Returns when the tool says that it's attached."""
        assert self.process.stderr is not None
        deadline = time.monotonic() + PATIENCE
        while "Ctrl-C ends." not in self.errors:
            readable, _, _ = select.select([self.process.stderr], [], [], max(0, deadline - time.monotonic()))
            some = os.read(self.process.stderr.fileno(), 4096).decode() if readable else ""
            assert some, f"it ended or hangs before it is ready: {self.errors}"
            self.errors += some

    def end(self, by: signal.Signals | None = signal.SIGINT) -> int:
        """Sends a signal, or waits for the tool's own end; gives the exit status."""
        if by is not None:
            self.process.send_signal(by)
        output, errors = self.process.communicate(timeout=PATIENCE)
        self.output += output.decode()
        self.errors += errors.decode()
        return self.process.returncode

    @property
    def lines(self) -> list[str]:
        return self.output.splitlines()

    @property
    def rows(self) -> list[dict[str, Any]]:
        """What --json printed."""
        return [json.loads(line) for line in self.lines]

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def command(name: str, *options: object) -> list[str]:
    return [sys.executable, "-m", f"py2bpf.examples.{name}", *map(str, options)]


@contextlib.contextmanager
def running(words: Sequence[str]) -> Iterator[Tool]:
    tool = Tool(words)
    try:
        tool.wait_until_ready()
        yield tool
    finally:
        tool.close()


@pytest.fixture
def run(missing: Callable[[str], Any]) -> Run:
    """``with run(name, *options) as tool`` has the tool attached."""
    try:
        ensure_resources()
    except KernelError as error:
        missing(str(error))
    return lambda name, *options: running(command(name, *options))


class Namespace:
    """A network namespace of our own, where nobody else's packets pass."""

    def __init__(self, name: str) -> None:
        self.name = name

    def run(self, name: str, *options: object) -> contextlib.AbstractContextManager[Tool]:
        return running([*self._prefix, *command(name, *options)])

    def call(self, name: str, *options: object) -> subprocess.CompletedProcess[str]:
        """Runs a tool that ends by itself."""
        return subprocess.run([*self._prefix, *command(name, *options)], capture_output=True, text=True)

    def python(self, code: str) -> str:
        done = subprocess.run([*self._prefix, sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def _prefix(self) -> list[str]:
        return ["ip", "netns", "exec", self.name]


@pytest.fixture
def namespace(missing: Callable[[str], Any]) -> Iterator[Namespace]:
    if os.geteuid() or not shutil.which("ip"):
        missing("network namespaces need root and iproute2")
    name = f"py2bpf-examples-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        yield Namespace(name)
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


@pytest.fixture
def powerless(missing: Callable[[str], Any]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a tool without any capability."""
    if not shutil.which("setpriv"):
        missing("dropping capabilities needs setpriv, of util-linux")
    prefix = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if not os.geteuid() else []
    return lambda name, *options: subprocess.run([*prefix, *command(name, *options)], capture_output=True, text=True)
