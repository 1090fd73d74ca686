"""One child process that runs tests with a change, and its outcome.

The parent has pytest imported, and none of our modules: a child begins at once, and imports them with the change.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from c_core import BuildFailedError, Core
from child_limits import FOR_BPF, MEMORY, confine
from mutant import ROOT, Mutant
from mutation_targets import Suite, World
from overlay import Overlay
from reporter import Recorder, Reporter

PATIENCE: Final = 20.0
"""Seconds to begin, to build, to collect; and for each test, besides ten times what it takes."""
WAITING: Final = 5
"""So many times as long a child may take that hardly runs: the machine is busy. One that waits for ever ends then."""
FIRST_PATIENCE: Final = 120.0
"""The same where nobody knows yet what it takes, or where all of the C core is built."""

_OPTIONS: Final = ("-x", "-q", "--assert=plain", "--tb=short", "-p", "no:cacheprovider", "--hypothesis-seed=0",
                   "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT))  # fmt: skip


@dataclass(frozen=True)
class Work:
    """What a child does. ``tests`` in their order; None: all of the suite, recording what each touches."""

    suite: Suite
    mutant: Mutant | None
    folder: Path
    core: Core
    tests: Sequence[str] | None = None
    symbols: Mapping[int, str] = field(default_factory=dict)


@dataclass
class Child:
    """A running child, and its reports."""

    pid: int
    pipe: int
    patience: float
    seconds: Mapping[str, float]
    allowed: float = 0.0
    begun: float = 0.0
    used: float = 0.0
    at: str = ""
    rest: bytes = b""
    told: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._allow(self.patience)

    def _allow(self, seconds: float) -> None:
        """From now on so many seconds until it must be heard of."""
        self.allowed, self.begun, self.used = seconds, time.monotonic(), self._processor()

    def _processor(self) -> float:
        """Seconds that it has run, with what it started and waited for."""
        with contextlib.suppress(OSError, IndexError, ValueError):
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
            return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
        return 0.0

    def late(self) -> bool:
        """Whether it hangs: it has run for longer than it may, or waits for ever."""
        took = time.monotonic() - self.begun
        return took > self.allowed and (
            took > WAITING * self.allowed or self._processor() - self.used > self.allowed
        )

    def read(self) -> bool:
        """Reads the available output; False at the end."""
        data = os.read(self.pipe, 1 << 16)
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self._hear(json.loads(line))
        return bool(data)

    def _hear(self, what: dict[str, Any]) -> None:
        self.told.append(what)
        self.at = what.get("at", self.at)
        self._allow(self.patience + 10 * self.seconds.get(self.at, 0))

    def end(self) -> int:
        """Makes sure that nothing of it goes on; its exit status, negative for a signal's."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        os.close(self.pipe)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def start(work: Work, seconds: Mapping[str, float]) -> Child:
    """Forks a child for the work; ``seconds`` are what its tests take."""
    work.folder.mkdir(parents=True, exist_ok=True)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _child(work, writing)
    os.close(writing)
    long = work.tests is None or (work.mutant is not None and work.mutant.file.endswith(".h"))  # all files are built
    return Child(pid, reading, FIRST_PATIENCE if long else PATIENCE, seconds)


def _child(work: Work, pipe: int) -> None:
    status = 70
    try:
        world = work.suite.world
        os.environ.pop("PY2BPF_REQUIRE_KERNEL", None)
        os.environ["PY2BPF_BACKEND"] = "vm" if world is World.VM else "kernel"
        memory = resource.RLIM_INFINITY if world is World.C else MEMORY  # the sanitizers map terabytes
        confine(work.folder, memory, FOR_BPF if world is World.KERNEL else ())
        status = WORLDS[world](work, pipe)
    except BuildFailedError as error:
        print(error)
        os.write(pipe, b'{"broken": true}\n')
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _run_python(work: Work, pipe: int) -> int:
    texts, core = {}, None
    change = work.mutant
    if change and change.file.endswith(".py"):
        texts[change.file] = change.text
    elif change:
        core = work.folder / "_core_module.so"
        if not core.exists():
            work.core.build("module", work.folder, change.file, change.text)
            if work.core.same(work.folder):
                os.write(pipe, b'{"same": true}\n')
                return 0
    elif work.symbols:
        core = work.core.folder / "_core_counted.so"
    sys.meta_path.insert(0, Overlay(texts, core))
    in_vm = work.suite.world is World.VM
    if work.tests is None:
        plugin: Reporter = Recorder(pipe, in_vm, work.suite.without, str(core), work.symbols)
        return int(pytest.main([*_OPTIONS[1:], *_absolute(work.suite.paths)], plugins=[plugin]))
    plugin = Reporter(pipe, {test: i for i, test in enumerate(work.tests)}, in_vm)
    paths = dict.fromkeys(test.partition("::")[0] for test in work.tests)
    return int(pytest.main([*_OPTIONS, *_absolute(paths)], plugins=[plugin]))


def _absolute(paths: Any) -> list[str]:
    return [str(ROOT / path) for path in paths]


def _run_checks(work: Work, pipe: int) -> int:
    """The C tests, which end at the first failure."""
    change = work.mutant
    program = work.core.build("checked", work.folder, *((change.file, change.text) if change else ()))
    os.write(pipe, b'{"at": "C core"}\n')
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=1", "LD_PRELOAD": ""}
    done = subprocess.run([program], env=environment)
    os.write(pipe, json.dumps({"passed" if done.returncode == 0 else "failed": "C core"}).encode() + b"\n")
    return int(done.returncode != 0)


WORLDS: Final[dict[World, Callable[[Work, int], int]]] = {
    World.VM: _run_python, World.PLAIN: _run_python, World.KERNEL: _run_python, World.C: _run_checks,
}  # fmt: skip
