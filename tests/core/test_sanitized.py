"""Builds the C core and its C tests with the address, leak and undefined-behaviour sanitizers, and runs them."""

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


@pytest.fixture
def compiler(missing: Callable[[str], None]) -> str:
    found = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc")
    if found is None:
        missing("there is no C compiler (apt-get install gcc)")
    assert found is not None
    return found


def build(compiler: str, flags: list[str], program: Path) -> None:
    sources = [*sorted(CORE.glob("*.c")), *sorted(HERE.glob("check_*.c"))]
    command = [compiler, *WARNINGS, "-g", *flags, f"-I{CORE}", *map(str, sources), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("flags", [[*SANITIZERS, "-O1"], ["-O3"]], ids=["sanitizers", "optimised"])
def test_c_core(compiler: str, flags: list[str], tmp_path: Path) -> None:
    program = tmp_path / "check"
    build(compiler, flags, program)
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1", "LD_PRELOAD": ""}
    done = subprocess.run([program], capture_output=True, text=True, timeout=300, env=environment)
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr


def test_the_sanitizer_would_tell(compiler: str, tmp_path: Path) -> None:
    """A read behind the end of a buffer, to prove that the build above would notice one."""
    source = tmp_path / "bad.c"
    source.write_text(
        "#include <stdlib.h>\nint main(int argc, char **argv)\n"
        "{ char *p = malloc(8); (void)argv; return p[7 + argc]; }\n"
    )
    program = tmp_path / "bad"
    subprocess.run([compiler, *SANITIZERS, str(source), "-o", str(program)], check=True)
    done = subprocess.run([program], capture_output=True, text=True, env={**os.environ, "LD_PRELOAD": ""})
    assert done.returncode != 0
    assert "heap-buffer-overflow" in done.stderr
