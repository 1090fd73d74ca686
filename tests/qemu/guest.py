"""Boots a kernel in QEMU through virtme-ng and runs a selection of the tests inside.

The guest sees the host's files read-only, so it runs the very checkout and venv that started it. QEMU emulates the
processor (TCG): no KVM, no root needed, Python about ten times slower than on the host.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

from kernels import ROOT, Kernel, fetch

DIED = 255
"""The exit status of vng when the guest died before its command ended."""

BOOT_SECONDS = 150
"""A guest that isn't up by then hangs; 15 seconds are usual."""

TEST_SECONDS = 1500
"""After which a guest's tests are given up; 400 are usual for the longest on a machine that has nothing else to do."""

_running: set[subprocess.Popen[str]] = set()
_ended = threading.Event()

PACKAGES = "qemu-system-x86 busybox-static kmod udev"

PROGRAMS = {
    "vng": "pip install virtme-ng",
    "qemu-system-x86_64": f"apt-get install {PACKAGES}",
    "busybox": f"apt-get install {PACKAGES}",
    "depmod": f"apt-get install {PACKAGES}",
    "udevadm": f"apt-get install {PACKAGES}",
    "apt-get": "the kernels come from Debian through apt",
}
"""What a boot needs, and how to get it."""


@dataclass(frozen=True)
class Outcome:
    """What a run in a guest gave. ``output`` is everything that the guest printed."""

    status: int
    passed: int
    failed: int
    skipped: int
    output: str


def search_path() -> str:
    """PATH with this venv's programs first and the administrator's last."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def missing_programs() -> list[str]:
    """What can't be found here of PROGRAMS, each with the way to get it."""
    return [f"{name} ({remedy})" for name, remedy in PROGRAMS.items() if shutil.which(name, path=search_path()) is None]


def run_tests(kernel: Kernel, selection: list[str], timeout: int = TEST_SECONDS, cpus: int = 1) -> Outcome:
    """Boots the kernel and runs ``python -m pytest`` with the arguments ``selection`` in it. Of several ``cpus`` the
    first is online, and the tests turn the others on.

    A guest that died under the emulator, which happens before any test fails, is started once more.
    """
    outcome = _boot(kernel, selection, timeout, cpus)
    return _boot(kernel, selection, timeout, cpus) if outcome.status == DIED and not _ended.is_set() else outcome


def terminate_all() -> None:
    """Ends the guests that run, and boots no others."""
    _ended.set()
    for guest in tuple(_running):
        guest.terminate()


def _boot(kernel: Kernel, selection: list[str], timeout: int, cpus: int) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="py2bpf-guest-") as shared:
        report, script, begun = (Path(shared) / name for name in ("report.xml", "run.sh", "begun"))
        # A file, because a kernel's command line holds 2048 bytes at most.
        script.write_text(f"touch {begun}\n{_script(kernel, selection, report)}\n")
        guest = subprocess.Popen(
            ["timeout", "-k", "5", str(timeout), "vng", *_vng_options(kernel, shared, cpus), "--", f"sh {script}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,  # vng loses the output when it's no pipe
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": search_path()},
            text=True,
            errors="replace",
        )
        _running.add(guest)
        try:
            output, _ = guest.communicate(timeout=BOOT_SECONDS)
        except subprocess.TimeoutExpired:
            if not begun.exists():
                guest.terminate()
            output, _ = guest.communicate()
        finally:
            _running.discard(guest)
        status = guest.returncode if begun.exists() else DIED
        return Outcome(status, *_count(report), output=output)


def _vng_options(kernel: Kernel, shared: str, cpus: int) -> list[str]:
    return [
        "--disable-kvm",
        *("-r", str(fetch(kernel))),
        *("--memory", "2G"),
        # With two that are online from the begin, some kernels crash under TCG while they patch a static key.
        *("--cpus", str(cpus), "-a", "maxcpus=1"),
        *("-a", "mitigations=off"),
        *("-a", "lsm=lockdown,yama,apparmor,bpf"),
        f"--rwdir={shared}",
    ]


def _script(kernel: Kernel, selection: list[str], report: Path) -> str:
    """What the guest's shell runs: PATH is reset there, and bpffs isn't mounted."""
    environment = {
        "PY2BPF_GUEST": "1",
        "PY2BPF_GUEST_KERNEL": kernel.name,
        "PY2BPF_REQUIRE_KERNEL": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": "/tmp/hypothesis",
        "PATH": search_path(),
        "HOME": "/tmp",
    }
    exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
    pytest = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", f"--junitxml={report}", *selection]
    return (
        "mount -t bpf bpf /sys/fs/bpf; ip link set lo up; "
        f"cd {shlex.quote(str(ROOT))} && env {exports} {shlex.join(pytest)}"
    )


def _count(report: Path) -> tuple[int, int, int]:
    """How many tests passed, failed, were skipped; none when the run left no report."""
    if not report.exists() or not report.stat().st_size:
        return 0, 0, 0
    suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
    total, errors, failures, skipped = (
        sum(int(suite.get(name, "0")) for suite in suites) for name in ("tests", "errors", "failures", "skipped")
    )
    return total - errors - failures - skipped, errors + failures, skipped
