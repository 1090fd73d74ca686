"""Which tests run in which kernels."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import NamedTuple

from kernels import ROOT

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
"""``any_kernel`` marks the core that every kernel since 5.10 must run. Those that take longest begin."""


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
