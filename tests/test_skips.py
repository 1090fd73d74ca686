"""If the kernel is required, no test of it is skipped silently: how conftest.py treats skips."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

@pytest.mark.kernel
def test_in_its_body():
    pytest.skip("this kernel has no such thing")

@pytest.mark.kernel
@pytest.mark.skipif(True, reason="of another kernel")
def test_by_a_mark():
    pass

@pytest.fixture
def thing():
    pytest.importorskip("no_such_module_here")

@pytest.mark.kernel
def test_in_a_fixture(thing):
    pass

@pytest.mark.kernel
@pytest.mark.xfail(reason="known", strict=True)
def test_that_is_known_to_fail():
    assert False

def test_of_a_tool(missing):
    missing("needs a tool")

def test_of_something_else():
    pytest.skip("not about the kernel")
"""


FAILING = "2 failed, 1 skipped, 1 xfailed, 2 errors"
"""Errors are what skips before the test's body become."""


def exit_status(tmp_path: Path, tests: str, changed: str, required: str, counts: str) -> int:
    """Runs tests with our conftest and what is ``changed`` in it; its last line begins with ``counts``."""
    here = Path(__file__).parent
    (tmp_path / "test_some.py").write_text(tests)
    (tmp_path / "threaded.py").write_text((here / "threaded.py").read_text())
    (tmp_path / "conftest.py").write_text((here / "conftest.py").read_text() + changed)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = kernel\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True, text=True, env=os.environ | {"PY2BPF_REQUIRE_KERNEL": required},
    )  # fmt: skip
    assert done.stdout.splitlines()[-1].startswith(counts), done.stdout + done.stderr
    return done.returncode


@pytest.mark.parametrize(("required", "counts"), [("1", FAILING), ("0", "5 skipped, 1 xfailed")])
def test_a_skip_fails(tmp_path: Path, required: str, counts: str) -> None:
    changed = "\n\ndef kernel_obstacle():\n    return ''\n"
    assert exit_status(tmp_path, TESTS, changed, required, counts) == int(required)


@pytest.mark.parametrize(("required", "counts"), [("1", "1 error"), ("0", "1 skipped")])
def test_a_module_that_skips_itself_fails(tmp_path: Path, required: str, counts: str) -> None:
    tests = 'import pytest\npytest.importorskip("no_such_module_here")\n'
    assert exit_status(tmp_path, tests, "", required, counts) != 0
