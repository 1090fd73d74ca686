"""Decides which tests run on this machine, and checks every test of the kernel for leaks."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings
from threaded import starts_threads

REQUIRED = os.environ.get("PY2BPF_REQUIRE_KERNEL") == "1"
"""Whether a test that can't run is a failure: CI sets it."""


settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")  # how long an example takes there says nothing


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-cases", action="store_true", help="rewrite the golden sections of tests/cases")


def pytest_configure() -> None:
    """A shell starts what it puts into the background with SIGINT ignored, nohup(1) what it runs with SIGHUP, and our
    children would inherit that: tests of these would wait for ever."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks tests that start threads. Tests marked ``qemu`` or ``cpus`` run in a guest only: tests/qemu/test_guests.py
    starts them there."""
    for item in items:
        if isinstance(item, pytest.Function) and starts_threads(item.function):
            item.add_marker("threads")
    if os.environ.get("PY2BPF_GUEST") == "1":
        return
    for_guests = [item for item in items if item.get_closest_marker("qemu") or item.get_closest_marker("cpus")]
    if for_guests:
        config.hook.pytest_deselected(items=for_guests)
        items[:] = [item for item in items if item not in for_guests]


@cache
def kernel_obstacle() -> str:
    """Why this process can't use BPF; "" when it can."""
    from py2bpf.exception import KernelError
    from py2bpf.kernel import syscalls
    from py2bpf.uapi.map_types import MapType

    try:
        syscalls.map_create(MapType.ARRAY, 4, 4, 1).close()
    except KernelError as error:
        return str(error)
    return ""


def in_vm(item: pytest.Item) -> bool:
    """Whether this is a kernel test that is repeated in the embedded VM, and so needs no privileges."""
    callspec = getattr(item, "callspec", None)
    return callspec is not None and callspec.params.get("backend") == "vm"


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("kernel") and not in_vm(item) and kernel_obstacle():
        pytest.skip(kernel_obstacle())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where the kernel is required, a skipped test of the kernel is a failed one."""
    report = yield
    if REQUIRED and report.skipped and not hasattr(report, "wasxfail") and item.get_closest_marker("kernel"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"PY2BPF_REQUIRE_KERNEL=1 forbids skipping this test. {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """So is a whole module that skips itself."""
    report = yield
    if REQUIRED and report.outcome == "skipped":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"PY2BPF_REQUIRE_KERNEL=1 forbids skipping this module. {reason}"
    return report


@pytest.fixture(scope="session")
def missing() -> Callable[[str], NoReturn]:
    """For a test that needs a program of the system: skips it, or fails if nothing may be skipped."""

    def give_up(reason: str) -> NoReturn:
        if REQUIRED:
            pytest.fail(f"PY2BPF_REQUIRE_KERNEL=1, and {reason}", pytrace=False)
        pytest.skip(reason)

    return give_up


@pytest.fixture(scope="session")
def peer_output(missing: Callable[[str], NoReturn]) -> Callable[..., str]:
    """Runs a program of the system that ours is compared with, and returns its output. If the program can't run here,
    such as bpftool on a kernel without the features that it needs, the test is skipped with the reason.
    """

    def run(command: Sequence[str], given: str = "") -> str:
        try:
            done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=PEER_TIME)
        except (OSError, subprocess.TimeoutExpired) as error:
            missing(f"{command[0]} can't be run here: {error}")
        if done.returncode:
            missing(f"{command[0]} can't be run here, it ended with status {done.returncode}: {done.stderr[-500:]}")
        return done.stdout

    return run


PEER_TIME = 120
"""Seconds that such a program may take."""


@pytest.fixture
def tracefs(missing: Callable[[str], NoReturn]) -> Path:
    """Where tracefs is mounted."""
    from py2bpf.exception import KernelError
    from py2bpf.kernel.tracefs import root
    from py2bpf.util import ensure_resources

    try:
        ensure_resources()
        return root()
    except KernelError as error:
        missing(str(error))


def open_descriptors() -> dict[int, str]:
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:  # the listing's own
            continue
    return found


@pytest.fixture(autouse=True)
def _no_descriptor_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test of the kernel closes what it opens."""
    if not request.node.get_closest_marker("kernel"):
        yield
        return
    before = open_descriptors()
    yield
    if open_descriptors().items() - before.items():
        gc.collect()  # cycles, a traceback's say, may hold what the test has let go
    leaked = {fd: what for fd, what in open_descriptors().items() if before.get(fd) != what}
    assert not leaked, f"the test left descriptors open: {leaked}"
