"""Optional packages: the messages if one is missing or broken; and that tests skip then."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import c_uint32, c_uint64
from functools import cache
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import pytest

from py2bpf import optional, vm
from py2bpf.datastructures import HashMap, PerCpuHashMap, RingBuffer
from py2bpf.optional import EXTRAS, need, usable

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

BROKEN = {
    "needs another": ("import no_such_module_here", "ModuleNotFoundError: No module named 'no_such_module_here'"),
    "was half installed": ("from {package} import missing", "ImportError: cannot import name 'missing'"),
    "is for another machine": ("raise OSError('wrong ELF class')", "OSError: wrong ELF class"),
    "is of another Python": ("print 'hello'", "SyntaxError: "),
    "clashes": ("raise AttributeError('module has no attribute x')", "AttributeError: module has no attribute x"),
}


def test_extras_are_the_projects() -> None:
    offered = PROJECT["optional-dependencies"]
    for package, extra in EXTRAS.items():
        names = [name.split(">")[0].replace("-", "_") for name in offered[extra]]
        assert package in names


@pytest.fixture(params=BROKEN)
def broken(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Breaks a package for this test; gives what is to be told of it."""

    def break_it(package: str) -> str:
        source, told = BROKEN[request.param]
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            monkeypatch.delitem(sys.modules, name)
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(source.format(package=package))
        monkeypatch.syspath_prepend(str(tmp_path))
        return told

    return break_it


@pytest.mark.parametrize("package", EXTRAS)
def test_a_broken_package_tells_what_is_wrong(package: str, broken: Callable[[str], str]) -> None:
    told = broken(package)
    with pytest.raises(ImportError) as caught:
        need(package, "this")
    assert str(caught.value).startswith(f"this needs {package}, which is installed, but can't be imported: {told}")
    assert "pip install" not in str(caught.value) and caught.value.__cause__ is not None
    with pytest.warns(RuntimeWarning, match=f"going on without {package}, which is installed"):
        assert not usable(package)


@pytest.mark.parametrize("package", EXTRAS)
def test_a_missing_package_tells_how_to_install_it(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError) as caught:
        need(package, "this")
    assert str(caught.value) == f"this needs {package}: pip install 'py2bpf[{EXTRAS[package]}]'"
    assert not usable(package)


def test_a_module_that_is_missing_in_a_package_is_a_fault_of_it() -> None:
    pytest.importorskip("numpy")
    with pytest.raises(ImportError, match=r"installed, but can't be imported: .* 'numpy\.no_such'"):
        need("numpy", "this", "numpy.no_such")


CALLS: dict[str, tuple[str, Callable[[], object]]] = {
    "arrays": ("numpy", lambda: HashMap(c_uint32, c_uint64, 4).arrays()),
    "records": ("numpy", lambda: RingBuffer(c_uint64, 4096).read_batch(timeout=0)),
    "sums": ("numpy", lambda: PerCpuHashMap(c_uint32, c_uint64, 4).sum_arrays()),
    "table": ("pyarrow", lambda: HashMap(c_uint32, c_uint64, 4).to_arrow()),
    "table of sums": ("pyarrow", lambda: PerCpuHashMap(c_uint32, c_uint64, 4).to_arrow(sums=True)),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls_tell_so(name: str, broken: Callable[[str], str]) -> None:
    package, call = CALLS[name]
    told = broken(package)
    with vm.backend("vm"), pytest.raises(ImportError, match="which is installed, but can't be imported") as caught:
        call()
    assert told in str(caught.value)


# Who imports them


def imported(tree: ast.AST) -> Iterator[tuple[int, str, ast.stmt]]:
    """Line, package and statement of each import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0], node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module.partition(".")[0], node


def checked_first(tree: ast.AST) -> set[int]:
    """The statements before which the package was asked for, in the same function."""
    asked = set()
    for scope in ast.walk(tree):
        if isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef)):
            calls = [node for node in ast.walk(scope) if isinstance(node, ast.Call)]
            asking = [call.lineno for call in calls if ast.unparse(call.func) in ("need", "usable", "endings.needs")]
            asked |= {id(node) for node in ast.walk(scope) if isinstance(node, ast.stmt) and asking
                      and node.lineno > min(asking)}  # fmt: skip
    return asked


AFTER_OTHERS = {
    "datastructures/arrow.py": "rows are a numpy array",
    "examples/parquet_files.py": "event_stream asks before it imports this",
    "examples/event_stream.py": "batches are Arrow's",
    "examples/demo_views.py": "live_display() has asked",
    "examples/packet_outputs.py": "live_display(), or served(), has asked",
}
"""Modules that import a package without asking, and why it is there."""


def test_whoever_imports_one_asks_for_it_first() -> None:
    found = set()
    for path in sorted((ROOT / "py2bpf").rglob("*.py")):
        tree = ast.parse(path.read_text())
        typing_only = {id(part) for node in ast.walk(tree) if isinstance(node, ast.If)
                       and ast.unparse(node.test) == "TYPE_CHECKING" for part in ast.walk(node)}  # fmt: skip
        asked = checked_first(tree) | typing_only
        found |= {path.relative_to(ROOT / "py2bpf").as_posix() for _, package, node in imported(tree)
                  if package in EXTRAS and id(node) not in asked}  # fmt: skip
    assert found == AFTER_OTHERS.keys()


NEEDED = {"pytest", "hypothesis", "setuptools", "cffi"}
"""What the tests always have. Anything else of others is asked for by pytest.importorskip(), and by the fixture
``extra`` where the build server must have it."""


def of_others(package: str) -> bool:
    return package not in sys.stdlib_module_names | NEEDED | ours()


@cache
def ours() -> set[str]:
    files = [path for folder in ("tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    return {path.stem for path in files} | {path.parent.name for path in files} | {"py2bpf"}


def package_named(call: ast.Call) -> str:
    """By a call's first argument."""
    name = call.args[0]
    return str(name.value).partition(".")[0] if isinstance(name, ast.Constant) else ""


def unguarded(source: str) -> list[int]:
    """Lines that import a package of others which may not be there."""
    tree = ast.parse(source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    asking = [call for call in calls if ast.unparse(call.func).endswith(("importorskip", "extra")) and call.args]
    skips = {package_named(call): call.lineno for call in reversed(asking)}
    around = [node for node in ast.walk(tree) if isinstance(node, ast.Try)
              or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))]  # fmt: skip
    tried = {id(part) for node in around for part in ast.walk(node)}
    return [line for line, package, node in imported(tree)
            if of_others(package) and id(node) not in tried and skips.get(package, line) >= line]  # fmt: skip


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("*.py")), ids=lambda path: path.name)
def test_tests_do_without(path: Path) -> None:
    assert not unguarded(path.read_text()), "pytest.importorskip() first"


@pytest.mark.parametrize(("source", "lines"), [
    ("import numpy", [1]),
    ("from pyarrow import table", [1]),
    ("def test():\n    import pandas.testing", [2]),
    ("import numpy\nimport pytest\npytest.importorskip('numpy')", [1]),
    ("import pytest\npytest.importorskip('numpy')\nimport numpy", []),
    ("import pytest\nnumpy = pytest.importorskip('numpy.testing')\nimport numpy.testing", []),
    ("try:\n    import rich\nexcept ImportError:\n    rich = None", []),
    ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import numpy", []),
    ("import os, pytest, py2bpf.vm", []),
])  # fmt: skip
def test_what_finds_them(source: str, lines: list[int]) -> None:
    assert unguarded(source) == lines


def sets_deadline(tree: ast.AST) -> list[int]:
    """Lines that give hypothesis a time."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)
             and ast.unparse(node.func).rpartition(".")[2] in ("settings", "register_profile")]  # fmt: skip
    return [call.lineno for call in calls for keyword in call.keywords
            if keyword.arg == "deadline" and ast.unparse(keyword.value) != "None"]  # fmt: skip


def test_no_deadlines() -> None:
    """How long an example takes on a loaded machine says nothing: one profile, in conftest.py, says so for all."""
    found = {path.name: lines for path in (ROOT / "tests").rglob("*.py")
             if (lines := sets_deadline(ast.parse(path.read_text())))}  # fmt: skip
    assert not found
    assert sets_deadline(ast.parse("@settings(max_examples=3, deadline=200)\ndef test(): ...")) == [1]
    import hypothesis

    assert hypothesis.settings.default is not None and hypothesis.settings.default.deadline is None


def test_the_tests_of_a_folder_run_alone_under_the_profile() -> None:
    """conftest.py is at the top of all of them."""
    assert [path for path in (ROOT / "tests").rglob("conftest.py") if "load_profile" in path.read_text()] == [
        ROOT / "tests" / "conftest.py"
    ]


def test_tests_are_collected_without_them(tmp_path: Path) -> None:
    code = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {(*EXTRAS, "pandas")}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
import pytest
sys.exit(pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", "tests/datastructures", "tests/examples"]))
"""
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "error" not in done.stdout.splitlines()[-1], done.stdout[-2000:]


def test_what_a_signals_handler_raises_is_no_failure_of_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """At whatever line of ours it comes, once the package is imported."""
    monkeypatch.setitem(sys.modules, "numpy", ModuleType("numpy"))
    raised = 0
    while True:
        with interrupted_after(raised) as came:
            try:
                need("numpy", "this")
            except InterruptError:
                raised += 1
        if not came:
            break
    assert raised > 5


class InterruptError(Exception):
    """A handler's."""


@contextmanager
def interrupted_after(events: int) -> Iterator[list[bool]]:
    """Raises at the event of that number in py2bpf/optional.py, as a handler may. Gives whether it came to that."""
    came: list[bool] = []
    left = [events]

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        if frame.f_code.co_filename != optional.__file__:
            return None
        frame.f_trace_opcodes = True
        if not left[0]:
            came.append(True)
            left[0] = -1
            raise InterruptError
        left[0] -= 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield came
    finally:
        sys.settrace(before)
