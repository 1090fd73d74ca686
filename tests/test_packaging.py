"""What users install: one wheel for all CPythons from 3.11 on, which works without the source tree."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source distribution, unpacked: the build must work from what it ships, and leaves nothing in the checkout."""
    folder = tmp_path_factory.mktemp("sdist")
    code = "import setuptools.build_meta as backend, sys; print(backend.build_sdist(sys.argv[1]))"
    name = run(sys.executable, "-W", "ignore", "-c", code, folder, cwd=ROOT).splitlines()[-1]
    with tarfile.open(folder / name) as archive:
        archive.extractall(folder, filter="data")
    return folder / name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, ".", cwd=sources)
    (built,) = folder.glob("*.whl")
    return built


def test_one_wheel_fits_all_pythons(wheel: Path) -> None:
    assert "-cp311-abi3-linux_" in wheel.name


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"py2bpf"}
    assert "py2bpf/py.typed" in names
    assert [name for name in names if name.startswith("py2bpf/_core.") and name.endswith(".so")]
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "py2bpf").rglob("*.py")}
    assert modules - set(names) == set()


def test_the_extension_keeps_to_the_stable_abi(wheel: Path, tmp_path: Path) -> None:
    """No private symbol of CPython's is imported."""
    zipfile.ZipFile(wheel).extractall(tmp_path)
    (library,) = (tmp_path / "py2bpf").glob("_core.*.so")
    symbols = run("nm", "-D", "--undefined-only", library, cwd=tmp_path).split()
    assert any(name.startswith("Py") for name in symbols)
    assert [name for name in symbols if name.startswith("_Py") and name not in STABLE_WITH_UNDERSCORE] == []


STABLE_WITH_UNDERSCORE = {"_Py_NoneStruct", "_Py_Dealloc", "_Py_TrueStruct", "_Py_FalseStruct"}
"""Names of the stable ABI that macros hide."""


def test_a_fresh_venv_runs_the_wheel(wheel: Path, tmp_path: Path) -> None:
    """Installed without the project's sources in sight, it compiles a program."""
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", wheel, cwd=tmp_path)
    (tmp_path / "user.py").write_text(USER)
    where, returned = run(python, "user.py", cwd=tmp_path).split("\n")[:2]
    assert Path(where).is_relative_to(home)
    assert returned == "exit"


USER = """
import py2bpf._core
from py2bpf.prog import ProgType, compile_prog
from py2bpf.socket_filter import SkBuffContext


def keep_short(skb):
    return skb.len if skb.len < 100 else 0


print(py2bpf._core.__file__)
print(compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, keep_short).code[-1])
"""
