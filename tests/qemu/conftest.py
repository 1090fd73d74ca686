"""Guests run beside the other tests: an emulated kernel takes minutes, and its tests come late."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import boot
import pytest
from guest import Outcome, missing_programs
from guests import GUESTS

_RUNNING: Final = pytest.StashKey["Running"]()


class Running:
    """Guests on their way: as many at once as there are processors, one less beside other tests."""

    def __init__(self, names: list[str], alone: bool) -> None:
        cpus = os.cpu_count() or 1
        at_once = max(1, cpus if alone else cpus - 1)
        self._folder = Path(tempfile.mkdtemp(prefix="py2bpf-guests-"))
        with (self._folder / "log").open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, boot.__file__, str(self._folder), str(at_once), *names],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def outcome(self, name: str) -> Outcome:
        """Waits for it."""
        path = boot.path_of(self._folder, name)
        while not path.exists() and self._process.poll() is None:
            time.sleep(0.2)
        if not path.exists():
            return Outcome(-1, 0, 0, 0, (self._folder / "log").read_text())
        return boot.read(path)

    def stop(self) -> None:
        """Ends those that nobody waits for any more: after Ctrl-C, or where the first failure ends the session."""
        self._process.terminate()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Starts the guests of the tests that the session selected."""
    selected = [item for item in session.items if item.get_closest_marker("vm")]
    if session.config.option.collectonly or not selected or missing_programs():
        return
    wanted = [name for name in GUESTS if any(item.name.endswith(f"[{name}]") for item in selected)]
    session.stash[_RUNNING] = Running(wanted, alone=len(selected) == len(session.items))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if (running := session.stash.get(_RUNNING, None)) is not None:
        running.stop()


@pytest.fixture
def guests(request: pytest.FixtureRequest) -> Running:
    """The guests that the session selected."""
    if missing := missing_programs():
        reason = "kernels in QEMU need " + ", ".join(missing)
        if os.environ.get("PY2BPF_REQUIRE_KERNEL") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return request.session.stash[_RUNNING]
