"""The build of the C core whose slices have 5 instructions runs, and agrees with the kernel and CPython on programs
that the ordinary slices cut as well. `make short-slices` runs all of the tests of the VM with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
TESTS = ("tests/vm/test_slices.py", "tests/differential/test_long_programs.py")


@pytest.mark.slow
@pytest.mark.kernel
def test_tests_pass_with_slices_of_5_instructions(tmp_path: Path) -> None:
    pytest_ = [Path(sys.executable).with_name("pytest"), "-q", "-p", "no:cacheprovider", *TESTS]
    done = subprocess.run(
        ["sh", TOP / ".ci" / "short-slices.sh", *pytest_], cwd=TOP, capture_output=True, text=True, timeout=300,
        env={**os.environ, "PYTHON": sys.executable, "BUILD": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
