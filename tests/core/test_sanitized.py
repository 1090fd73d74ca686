"""Builds the C core and its C tests with the sanitizers of addresses, undefined behaviour and races, and runs them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
CORE = HERE.parents[1] / "csrc"
WARNINGS = ["-std=gnu11", "-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes", "-Wvla", "-Werror"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
RACES = ["-fsanitize=thread", "-Wno-tsan", "-fno-omit-frame-pointer"]
"""-Wtsan warns of fences, which that sanitizer doesn't know: ours are for the kernel."""


@pytest.fixture
def compiler(missing: Callable[[str], None]) -> str:
    found = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc")
    if found is None:
        missing("there is no C compiler (apt-get install gcc)")
    assert found is not None
    return found


def build(compiler: str, flags: list[str], program: Path) -> None:
    sources = [*sorted(CORE.rglob("*.c")), *sorted(HERE.glob("check_*.c"))]
    command = [compiler, *WARNINGS, "-g", *flags, f"-I{CORE}", *map(str, sources), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def run(program: Path, *checks: str) -> subprocess.CompletedProcess[str]:
    """Disables address randomization, with which old thread sanitizers find no room for their tables."""
    still = ["setarch", "-R"]
    if not shutil.which("setarch") or subprocess.run([*still, "true"], stderr=subprocess.DEVNULL).returncode:
        still = []
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1", "LD_PRELOAD": ""}
    return subprocess.run([*still, program, *checks], capture_output=True, text=True, timeout=300, env=environment)


BUILDS = {
    "address": ([*SANITIZERS, "-O1"], []),
    "thread": ([*RACES, "-O1"], ["threads"]),
    "optimised": (["-O3"], []),
    "short slices": (["-O1", "-DP2B_VM_SLICE=5"], []),
}


@pytest.mark.parametrize(("flags", "checks"), BUILDS.values(), ids=list(BUILDS))
def test_c_core(compiler: str, flags: list[str], checks: list[str], tmp_path: Path) -> None:
    program = tmp_path / "check"
    build(compiler, flags, program)
    done = run(program, *checks)
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr


BEHIND_THE_END = """
    #include <stdlib.h>
    int main(int argc, char **argv) { char *p = malloc(8); (void)argv; return p[7 + argc]; }
"""
TWO_WRITERS = """
    #include <pthread.h>
    static int n;
    static void *count(void *arg) { n++; return arg; }
    int main(void) { pthread_t t; pthread_create(&t, 0, count, 0); n++; return pthread_join(t, 0); }
"""


@pytest.mark.parametrize(("flags", "source", "report"), [
    pytest.param(SANITIZERS, BEHIND_THE_END, "heap-buffer-overflow", id="address"),
    pytest.param(RACES, TWO_WRITERS, "data race", id="thread"),
])  # fmt: skip
def test_the_sanitizer_would_tell(compiler: str, flags: list[str], source: str, report: str, tmp_path: Path) -> None:
    """Plants a fault, to prove that the builds above would notice one."""
    (tmp_path / "bad.c").write_text(source)
    subprocess.run([compiler, *flags, str(tmp_path / "bad.c"), "-o", str(tmp_path / "bad")], check=True)
    done = run(tmp_path / "bad")
    assert done.returncode != 0
    assert report in done.stderr
