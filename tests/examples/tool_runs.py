"""Runs the example tools as users do: as processes, ended by a signal."""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import json
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from namespaces import Namespace, alone, pair

from py2bpf.exception import KernelError
from py2bpf.util import ensure_resources

GUEST = os.environ.get("PY2BPF_GUEST") == "1"
PATIENCE = 300 if GUEST else 60
"""Seconds after which a tool hangs; importing takes long under emulation."""

Run = Callable[..., contextlib.AbstractContextManager["Tool"]]


class Tool:
    """A running tool. ``output`` has what it printed, once it has ended."""

    def __init__(self, command: Sequence[str]) -> None:
        self.process = self.start(command)
        self.output = self.errors = ""

    def start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

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
        self.output += (output or b"").decode()
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


class TerminalTool(Tool):
    """A tool whose output is a terminal; somebody always reads it."""

    def start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        self._terminal, end = pty.openpty()
        try:
            fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("4H", 50, 160, 0, 0))
            environment = {**os.environ, "TERM": "xterm", "COLUMNS": "160", "LINES": "50"}
            process = subprocess.Popen(command, stdout=end, stderr=subprocess.PIPE, env=environment)
        except BaseException:
            os.close(self._terminal)
            raise
        finally:
            os.close(end)
        self._shown = b""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return process

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # how a terminal tells that nobody writes any more
            while some := os.read(self._terminal, 65536):
                self._shown += some

    def end(self, by: signal.Signals | None = signal.SIGINT) -> int:
        status = super().end(by)
        self._reader.join(PATIENCE)
        self.output = self._shown.decode(errors="replace")
        return status

    def close(self) -> None:
        super().close()
        self._reader.join(PATIENCE)
        os.close(self._terminal)


def command(name: str, *options: object) -> list[str]:
    return [sys.executable, "-m", f"py2bpf.examples.{name}", *map(str, options)]


@contextlib.contextmanager
def running(words: Sequence[str], kind: type[Tool] = Tool) -> Iterator[Tool]:
    tool = kind(words)
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


class ToolNamespace(Namespace):
    """A network namespace for tools."""

    def run(self, name: str, *options: object) -> contextlib.AbstractContextManager[Tool]:
        return running([*self.prefix, *command(name, *options)])

    def call(self, name: str, *options: object) -> subprocess.CompletedProcess[str]:
        """Runs a tool that ends by itself."""
        return subprocess.run([*self.prefix, *command(name, *options)], capture_output=True, text=True)

    def in_terminal(self, name: str, *options: object) -> contextlib.AbstractContextManager[Tool]:
        """As run(), with a terminal to write to."""
        return running([*self.prefix, *command(name, *options)], TerminalTool)


@pytest.fixture
def namespace(missing: Callable[[str], Any]) -> Iterator[ToolNamespace]:
    with alone(missing, ToolNamespace) as made:
        yield made


@pytest.fixture
def wire(missing: Callable[[str], Any]) -> Iterator[tuple[ToolNamespace, ToolNamespace]]:
    """Two namespaces joined by a pair of devices, left0 and right0."""
    with pair(missing, ToolNamespace) as made:
        yield made


@pytest.fixture
def extra(missing: Callable[[str], Any]) -> Callable[[str], Any]:
    """Imports a module that only some tools need: the build server has all of them."""

    def load(name: str) -> Any:
        try:
            return importlib.import_module(name)
        except ImportError as error:
            missing(str(error))

    return load


@pytest.fixture
def parquet(extra: Callable[[str], Any]) -> Any:
    """The module that reads the tools' files."""
    return extra("pyarrow.parquet")


@pytest.fixture
def powerless(missing: Callable[[str], Any]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a tool without any capability."""
    if not shutil.which("setpriv"):
        missing("dropping capabilities needs setpriv, of util-linux")
    prefix = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if not os.geteuid() else []
    return lambda name, *options: subprocess.run([*prefix, *command(name, *options)], capture_output=True, text=True)
