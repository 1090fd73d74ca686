"""Free-threaded CPython is refused with a sentence: by the package before its core is loaded, and by the build.

Under an ordinary CPython an interpreter pretends to be one; .ci/pythons.sh runs this file under a real one, where there
is one.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
WHY = (
    f"py2bpf doesn't run on free-threaded CPython, which {sys.executable} is: what its threads share relies on the "
    "GIL, and its C core has the stable ABI (abi3), which free-threaded builds can't load. Use the ordinary build: "
    "python3.14 instead of python3.14t, say"
)
PRETEND = "import runpy, sys, sysconfig; sysconfig.get_config_vars(); sys.abiflags = 't'; "


def run(code: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *options, "-c", code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("what", ["py2bpf", "py2bpf.vm", "py2bpf._ffi", "py2bpf.pytest_plugin", "py2bpf.examples.demo"])
def test_an_import_says_why(what: str) -> None:
    done = run(f"{PRETEND}import {what}")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"ImportError: {WHY}"


def test_the_core_is_not_loaded() -> None:
    """Loading it would fail, or switch the GIL on."""
    done = run(f"""{PRETEND}
try:
    import py2bpf
except ImportError as error:
    print(error.name, any("_core" in name or "cffi" in name for name in sys.modules))
""")
    assert done.stdout == "py2bpf False\n", done.stderr


def test_so_does_the_command() -> None:
    done = run(f"{PRETEND}runpy.run_module('py2bpf', run_name='__main__')")
    assert done.returncode == 1
    assert f"ImportError: {WHY}" in done.stderr.splitlines()[-1]


def test_setup_says_why_before_it_needs_anything() -> None:
    done = run(f"{PRETEND}sys.modules['setuptools'] = None; runpy.run_path('setup.py', run_name='__main__')")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{WHY}\n")


def test_so_does_the_build_that_pip_asks_for() -> None:
    pytest.importorskip("setuptools")
    code = f"import setuptools.build_meta as backend; {PRETEND}backend.get_requires_for_build_wheel()"
    done = run(code, "-W", "ignore")
    assert (done.returncode, done.stderr) == (1, f"{WHY}\n")


@pytest.mark.skipif("t" in sys.abiflags, reason="for an ordinary CPython")
def test_an_ordinary_one_is_welcome() -> None:
    assert run("import py2bpf.vm").returncode == 0
