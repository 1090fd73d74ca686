"""Guests run beside the other tests: an emulated kernel takes minutes, and its tests come late."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import pytest
from guest import Outcome, missing_programs, run_tests, terminate_all
from guests import GUESTS, choose_files
from kernels import KERNELS

_RUNNING: Final = pytest.StashKey["Running"]()


class Running:
    """Guests on their way: as many at once as there are processors, one less beside other tests."""

    def __init__(self, names: list[str], alone: bool) -> None:
        cpus = os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(max(1, cpus if alone else cpus - 1))
        self.outcomes: Final[Mapping[str, Future[Outcome]]] = {name: self._pool.submit(_boot, name) for name in names}

    def stop(self) -> None:
        """Ends those that nobody waits for any more: after Ctrl-C, or where the first failure ends the session."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        terminate_all()
        self._pool.shutdown()


def _boot(name: str) -> Outcome:
    guest = GUESTS[name]
    return run_tests(KERNELS[guest.kernel], ["-m", guest.expression, *choose_files(guest.expression)], cpus=guest.cpus)


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
def guests(request: pytest.FixtureRequest) -> Mapping[str, Future[Outcome]]:
    """What comes of the guests that the session selected."""
    if missing := missing_programs():
        reason = "kernels in QEMU need " + ", ".join(missing)
        if os.environ.get("PY2BPF_REQUIRE_KERNEL") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return request.session.stash[_RUNNING].outcomes
