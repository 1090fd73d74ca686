"""Runs the tests that need another kernel than this machine's, one boot for each kernel.

Marked ``vm``: leave them out with ``-m "not vm"``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import pytest
from guest import Outcome, missing_programs, run_tests, search_path
from kernels import KERNELS, ROOT

ALWAYS = "qemu"
"""What runs in every guest: tests of what this machine's kernel may lack (kprobes)."""


class Guest(NamedTuple):
    """A kernel to boot, the marker expression of the tests, and how many CPUs they have."""

    kernel: str
    expression: str
    cpus: int = 1


GUESTS = {
    "5.10": Guest("5.10", f"{ALWAYS} or any_kernel"),
    "6.1": Guest("6.1", f"{ALWAYS} or any_kernel"),
    "6.12": Guest("6.12", ALWAYS),
    "6.1 with two CPUs": Guest("6.1", "cpus", 2),
}
"""``any_kernel`` marks the core that every kernel since 5.10 must run."""


def choose_files(expression: str) -> list[str]:
    """The test files with tests of the expression, found on the host, where importing them is quick."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--collect-only", "-qq", "-m", expression],
        cwd=ROOT,
        env={**os.environ, "PY2BPF_GUEST": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    names = {line.rsplit(":", 1)[0].split("::")[0] for line in done.stdout.splitlines() if ".py" in line}
    assert done.returncode == 0 and names, f"no tests are marked {expression}:\n{done.stdout}{done.stderr}"
    return sorted(names)


@pytest.fixture(scope="module")
def guests(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[Outcome]]]:
    """One running guest for each kernel that the session selected, as many at once as there are processors."""
    if missing := missing_programs():
        reason = "kernels in QEMU need " + ", ".join(missing)
        if os.environ.get("PY2BPF_REQUIRE_KERNEL") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    wanted = [name for name in GUESTS if any(item.name.endswith(f"[{name}]") for item in request.session.items)]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        yield {name: pool.submit(boot, name) for name in wanted}


def boot(name: str) -> Outcome:
    guest = GUESTS[name]
    return run_tests(KERNELS[guest.kernel], ["-m", guest.expression, *choose_files(guest.expression)], cpus=guest.cpus)


@pytest.mark.vm
@pytest.mark.slow
@pytest.mark.parametrize("name", GUESTS)
def test_kernel(name: str, guests: dict[str, Future[Outcome]]) -> None:
    outcome = guests[name].result()
    told = f"Linux {name} in QEMU: exit {outcome.status}, {outcome.passed} passed\n{outcome.output}"
    assert outcome.status == 0, told
    assert outcome.passed > 0, told
    assert outcome.failed == outcome.skipped == 0, told


def test_this_venv_comes_first_in_the_guests_path() -> None:
    assert search_path().split(os.pathsep)[0] == os.path.dirname(sys.executable)
