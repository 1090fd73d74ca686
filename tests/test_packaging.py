"""The package that users install: one wheel for all CPythons since 3.11, which works without the source tree."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Callable
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from typing import NoReturn

import pytest

import py2bpf

ROOT = Path(__file__).resolve().parents[1]

MOST_BYTES = 1_150_000
"""Of the wheel, which has some 970 kB in 500 files: with debug symbols in the C core, or with the tests, it would have
more than 1.3 MB."""
MOST_BYTES_OF_CORE = 400_000

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    code = "import setuptools.build_meta as backend, sys; print(backend.build_sdist(sys.argv[1]))"
    name = run(sys.executable, "-W", "ignore", "-c", code, folder, cwd=ROOT).splitlines()[-1]
    return folder / name


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from what the sdist ships, and so the build leaves nothing in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, sdist, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    """What package indexes and pip show of it."""
    with zipfile.ZipFile(wheel) as archive:
        return HeaderParser().parsestr(archive.read(f"{info_folder()}/METADATA").decode())


def info_folder() -> str:
    return f"py2bpf-{py2bpf.__version__}.dist-info"


def modules() -> set[str]:
    return {str(path.relative_to(ROOT)) for path in (ROOT / "py2bpf").rglob("*.py")}


def test_one_wheel_fits_all_pythons(wheel: Path) -> None:
    assert wheel.name.startswith(f"py2bpf-{py2bpf.__version__}-cp311-abi3-linux_")


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    info = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE", "top_level.txt")
    others = {f"{info_folder()}/{name}" for name in info} | {"py2bpf/py.typed", "py2bpf/_core.pyi"}
    assert [re.sub(r"\.abi3[^/]*", ".abi3", name) for name in names - modules() - others] == ["py2bpf/_core.abi3"]
    assert modules() | others <= names


def test_the_wheel_stays_small(wheel: Path) -> None:
    assert wheel.stat().st_size < MOST_BYTES
    with zipfile.ZipFile(wheel) as archive:
        (core,) = [each for each in archive.infolist() if "/_core.abi3" in each.filename]
    assert core.file_size < MOST_BYTES_OF_CORE


def test_the_metadata_says_what_users_and_packagers_ask(metadata: Message) -> None:
    assert metadata["Version"] == py2bpf.__version__
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert metadata.get_all("License-File") == ["LICENSE"]
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata.get_all("Requires-Dist")[0] == "cffi>=1.16"
    assert "Operating System :: POSIX :: Linux" in metadata.get_all("Classifier")
    assert metadata["Author"] and metadata["Summary"]
    assert metadata.get_payload().startswith("# py2bpf\n")


def test_the_version_stands_in_one_place() -> None:
    """Where it changes, nothing else has to. The changelog names versions since that is what it is for."""
    files = [ROOT / "pyproject.toml", ROOT / "setup.py", *(ROOT / "py2bpf").rglob("*.py")]
    stating = re.compile(rf"version.*{re.escape(py2bpf.__version__)}")
    stated = [file.relative_to(ROOT) for file in files if stating.search(file.read_text())]
    assert stated == [Path("py2bpf/__init__.py")]
    assert f"## {py2bpf.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_sdist_holds_what_the_repository_holds(sdist: Path, missing: Callable[[str], NoReturn]) -> None:
    """The tests and documents too, for packagers. New files of the checkout count once git knows them."""
    if not shutil.which("git") or not (ROOT / ".git").exists():
        missing("only git tells which files belong to the repository")
    tracked = set(run("git", "ls-files", cwd=ROOT).splitlines())
    with tarfile.open(sdist) as archive:
        shipped = {each.name.split("/", 1)[1] for each in archive.getmembers() if each.isfile()}
    left_out = {name for name in tracked - shipped if (ROOT / name).exists()}
    assert {name.split("/")[0] for name in left_out} <= {".ci", ".gitignore"}
    assert {"LICENSE", "SECURITY.md", "README.md", "Makefile", "csrc/api.h"} <= shipped


def test_the_extension_keeps_to_the_stable_abi(wheel: Path, tmp_path: Path) -> None:
    """No private symbol of CPython's is imported."""
    zipfile.ZipFile(wheel).extractall(tmp_path)
    (library,) = (tmp_path / "py2bpf").glob("_core.*.so")
    symbols = run("nm", "-D", "--undefined-only", library, cwd=tmp_path).split()
    assert any(name.startswith("Py") for name in symbols)
    assert [name for name in symbols if name.startswith("_Py") and name not in STABLE_WITH_UNDERSCORE] == []


STABLE_WITH_UNDERSCORE = {"_Py_NoneStruct", "_Py_Dealloc", "_Py_TrueStruct", "_Py_FalseStruct"}
"""Names of the stable ABI that macros hide."""


@pytest.mark.parametrize("what", ["wheel", "sdist"])
def test_a_fresh_venv_runs_what_was_installed(what: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Installed without the project's sources in sight, it compiles a program."""
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", request.getfixturevalue(what), cwd=tmp_path)
    (tmp_path / "user.py").write_text(USER)
    where, returned, version, installed = run(python, "user.py", cwd=tmp_path).split("\n")[:4]
    assert Path(where).is_relative_to(home)
    assert returned == "exit"
    assert version == installed == py2bpf.__version__


USER = """
import importlib.metadata

import py2bpf
import py2bpf._core
from py2bpf.prog import ProgType, compile_prog
from py2bpf.socket_filter import SkBuffContext


def keep_short(skb):
    return skb.len if skb.len < 100 else 0


print(py2bpf._core.__file__)
print(compile_prog(ProgType.SOCKET_FILTER, SkBuffContext, keep_short).code[-1])
print(py2bpf.__version__)
print(importlib.metadata.version("py2bpf"))
"""


@pytest.mark.parametrize(("name", "says"), [
    ("uprobo", "xdp; did you mean kprobe?"),
    ("something", "has no 'something': it has Global, Struct"),
    ("HashMap", "has no 'HashMap': from py2bpf.datastructures import HashMap"),
    ("kprobes", "has no 'kprobes': it has Global, Struct"),
])
def test_a_name_that_is_not_there(name: str, says: str) -> None:
    with pytest.raises(ImportError) as imported:
        exec(f"from py2bpf import {name}", {})
    with pytest.raises(AttributeError) as asked:
        getattr(py2bpf, name)
    assert says in str(imported.value) and str(imported.value) == str(asked.value)
    assert not hasattr(py2bpf, name)
