"""The import rules of the package, checked over the syntax tree of every module.

Data flows one way: bytecode -> peval -> ir -> passes -> codegen -> spec -> kernel. A module may import its own package
and what EDGES grants to the package's row, nothing else.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]

BASE = {
    "py2bpf.spans",
    "py2bpf.exception",
    "py2bpf.spec",
    "py2bpf.asm",
    "py2bpf.borders",
    "py2bpf.fields",
    "py2bpf.padding",
    "py2bpf.given",
}
"""The border types, which everybody may use, what cuts our frames out of errors, what ctypes types consist of, what of
them is no data, and what looks at values that users give."""

SIDES = {"py2bpf.backend", "py2bpf.programs", "py2bpf.record_streams"}
"""What the kernel side and the embedded VM implement."""

EDGES: dict[str, set[str]] = {
    "py2bpf.spans": set(),
    "py2bpf.exception": {"py2bpf.spans"},
    "py2bpf.asm": {"py2bpf.exception"},
    "py2bpf.spec": BASE,
    "py2bpf.borders": {"py2bpf.exception"},
    "py2bpf.fields": {"py2bpf.exception"},
    "py2bpf.padding": {"py2bpf.exception", "py2bpf.fields"},
    "py2bpf.given": {"py2bpf.exception", "py2bpf.borders"},
    "py2bpf.codec": BASE,
    "py2bpf.optional": {"py2bpf.borders"},
    "py2bpf.disasm": BASE | {"py2bpf.uapi"},
    "py2bpf.uapi": BASE,
    "py2bpf.worlds": BASE,
    "py2bpf.ledger": {"py2bpf.borders"},
    "py2bpf.terminal": set(),
    "py2bpf.clocks": BASE,
    "py2bpf.intrinsics": BASE | {"py2bpf.uapi", "py2bpf.worlds"},
    # A compiler stage sees the data types of the stage before it, not its code.
    "py2bpf.compiler.bytecode": BASE,
    "py2bpf.compiler.ir": BASE | {"py2bpf.uapi"},
    "py2bpf.compiler.peval": BASE
    | {"py2bpf.uapi", "py2bpf.intrinsics", "py2bpf.compiler.bytecode.canonical", "py2bpf.compiler.ir"}
    | {"py2bpf.btf.shapes"},  # layouts of the kernel's structures: facts, read when a program names one
    "py2bpf.compiler.analysis": BASE | {"py2bpf.uapi", "py2bpf.compiler.ir"},
    "py2bpf.compiler.passes": BASE | {"py2bpf.uapi", "py2bpf.compiler.ir", "py2bpf.compiler.analysis"},
    "py2bpf.compiler.codegen": BASE | {"py2bpf.uapi", "py2bpf.disasm", "py2bpf.compiler.ir"},
    # The pipeline joins the stages; it's what the rest of the package compiles with.
    "py2bpf.compiler": BASE | {"py2bpf.uapi", "py2bpf.intrinsics", "py2bpf.disasm", "py2bpf.compiler"},
    "py2bpf.btf": BASE | {"py2bpf.uapi", "py2bpf.worlds", "py2bpf._ffi"},
    # What holds a file descriptor never looks back at the compiler.
    "py2bpf._ffi": set(),
    "py2bpf.cpus": set(),
    # The two sides under maps, queues and programs, to all who use either.
    "py2bpf.programs": BASE | {"py2bpf.core", "py2bpf.disasm"},
    "py2bpf.record_streams": {"py2bpf.codec", "py2bpf.core"},
    "py2bpf.backend": BASE | {"py2bpf.codec", "py2bpf.core", "py2bpf.programs", "py2bpf.record_streams"},
    # What the kernel side and the embedded VM have in common.
    "py2bpf.core": BASE | {"py2bpf.uapi", "py2bpf.codec", "py2bpf._ffi"},
    "py2bpf.kernel": BASE
    | {"py2bpf.uapi", "py2bpf.btf", "py2bpf.codec", "py2bpf.core", "py2bpf.cpus", "py2bpf.disasm", "py2bpf._ffi"}
    | {"py2bpf.optional", "py2bpf.clocks"}
    | SIDES,
    # The embedded VM takes the place of bpf(2) under maps and programs.
    "py2bpf.vm": BASE | SIDES | {"py2bpf.uapi", "py2bpf.codec", "py2bpf.core", "py2bpf.cpus", "py2bpf._ffi"},
    "py2bpf.datastructures": BASE
    | {"py2bpf.uapi", "py2bpf.intrinsics", "py2bpf.funcs", "py2bpf.worlds"}
    | {"py2bpf.codec", "py2bpf.core", "py2bpf.cpus", "py2bpf.ledger", "py2bpf.optional"}
    | SIDES,
    # A program's Python side: sees maps and helpers as programs do, and no compiled program.
    "py2bpf.sim": BASE
    | {"py2bpf.uapi", "py2bpf.codec", "py2bpf.datastructures", "py2bpf.intrinsics"}
    | {"py2bpf.worlds", "py2bpf.btf.shapes", "py2bpf.backend"},
    # How programs get to their places in the kernel: below the modules that users import, above programs.
    "py2bpf.hooks": BASE | {"py2bpf.uapi", "py2bpf.core", "py2bpf.kernel", "py2bpf.backend", "py2bpf.prog"},
    "py2bpf.funcs": BASE | {"py2bpf.uapi", "py2bpf.intrinsics", "py2bpf.checksum"},
    "py2bpf.checksum": set(),
    "py2bpf.net": BASE | {"py2bpf.funcs", "py2bpf.records"},
    "py2bpf.testing": {"py2bpf.*"},
    # Tools use what every user has: the package and its public modules.
    "py2bpf.examples": {"py2bpf.*"},
    # The other modules at the top are the public face: programs and hooks.
    "py2bpf": {
        "py2bpf.*",
        "py2bpf.uapi",
        "py2bpf.btf",
        "py2bpf.codec",
        "py2bpf.core",
        "py2bpf.kernel",
        "py2bpf.compiler.pipeline",
        "py2bpf.compiler.attempts",
        "py2bpf.disasm",
    },
}
"""What a package or module may import of ours; the longest matching row counts. ``py2bpf.*`` stands for all public
modules at the top."""

INNER = {
    "py2bpf.compiler",
    "py2bpf.codec",
    "py2bpf.core",
    "py2bpf.kernel",
    "py2bpf.btf",
    "py2bpf.uapi",
    "py2bpf.intrinsics",
    "py2bpf.disasm",
    "py2bpf._core",
    "py2bpf._ffi",
}
"""What ``py2bpf.*`` doesn't stand for."""

CORE_IMPORTER = "py2bpf._ffi"
VERSION_PICKERS = "py2bpf.compiler.bytecode"


class Import(NamedTuple):
    """One import statement's target, and its line."""

    target: str
    line: int


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def row_of(module: str) -> str:
    """The row of EDGES that rules a module."""
    return max((row for row in EDGES if within(module, row)), key=len)


def granted(row: str, target: str) -> bool:
    for allowed in EDGES[row] | {row}:
        if allowed == "py2bpf.*":
            if not any(within(target, inner) for inner in INNER):
                return True
        elif allowed != "py2bpf" and within(target, allowed):
            return True
    return False


def imports(module: str, tree: ast.AST, known: set[str], is_package: bool) -> Iterator[Import]:
    """All imports of our own modules, relative ones resolved; ``known`` are the names of our modules."""
    for node in ast.walk(tree):
        for target in targets(module, node, known, is_package):
            if within(target, "py2bpf"):
                yield Import(target, getattr(node, "lineno", 0))


def targets(module: str, node: ast.AST, known: set[str], is_package: bool) -> Iterable[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        package = module.split(".") if is_package else module.split(".")[:-1]
        base = package[: len(package) - node.level + 1] if node.level else []
        origin = ".".join([*base, *(node.module.split(".") if node.module else [])])
        names = [f"{origin}.{alias.name}" for alias in node.names]
        return [name if name in known or name.endswith("._core") else origin for name in names]
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
        return [arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    return []


def check_module(module: str, source: str, known: set[str], is_package: bool = False) -> list[str]:
    """The violations of one module, each as one line of text."""
    tree = ast.parse(source)
    found = []
    row = row_of(module)
    for target, line in imports(module, tree, known, is_package):
        if within(target, "py2bpf._core"):
            if module != CORE_IMPORTER:
                found.append(f"{module}:{line} imports the C core; only {CORE_IMPORTER} may")
        elif not granted(row, target):
            found.append(f"{module}:{line} imports {target}, which the row {row} doesn't grant")
    if not within(module, VERSION_PICKERS):
        found += [f"{module}:{line} looks at Python's version" for line in version_looks(tree)]
    return found


def version_looks(tree: ast.AST) -> Iterator[int]:
    """The lines that ask which Python runs."""
    names = {"version_info", "hexversion", "python_version", "python_version_tuple"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in names:
            yield node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module in ("sys", "platform"):
            yield from (node.lineno for alias in node.names if alias.name in names)


def our_modules() -> dict[str, Path]:
    files = sorted((ROOT / "py2bpf").rglob("*.py"))
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in files]
    return dict(zip(names, files, strict=True))


MODULES = our_modules()


@pytest.mark.parametrize("module", MODULES)
def test_module_keeps_the_rules(module: str) -> None:
    path = MODULES[module]
    assert check_module(module, path.read_text(), set(MODULES), path.name == "__init__.py") == []


FREERS = ("os.close", "os.dup", "ffi.gc")


def test_handles_alone_close_and_free() -> None:
    """The machine of the VM (vm/machine_calls.py) is the process's, and never ends before it."""
    found = {
        path.relative_to(ROOT / "py2bpf").as_posix()
        for path in (ROOT / "py2bpf").rglob("*.py")
        if "examples" not in path.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in FREERS
    }
    assert found == {"core/handles.py", "vm/machine_calls.py"}


def field_walks(tree: ast.AST) -> list[int]:
    """The lines that read ``_fields_`` of a class."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and node.attr == "_fields_" and isinstance(node.ctx, ast.Load))
        or (isinstance(node, ast.Call) and any(ast.unparse(arg) == "'_fields_'" for arg in node.args))
    ]


def test_one_module_reads_fields() -> None:
    assert field_walks(ast.parse("for name, *_ in kind.__dict__.get('_fields_', ()): pass")) == [1]
    assert field_walks(ast.parse("ctype._fields_")) == [1]
    found = {module for module, path in MODULES.items() if field_walks(ast.parse(path.read_text()))}
    assert found == {"py2bpf.fields"}


def test_one_module_picks_the_python_version() -> None:
    looking = [m for m, path in MODULES.items() if any(True for _ in version_looks(ast.parse(path.read_text())))]
    assert len(looking) <= 1, looking


def test_rows_name_what_exists() -> None:
    """A renamed package must not leave its row behind and slip under a laxer one."""
    gone = [row for row in EDGES if row not in MODULES]
    assert gone == []


# The checker itself: planted violations.

KNOWN = {
    "py2bpf",
    "py2bpf._ffi",
    "py2bpf.asm",
    "py2bpf.kprobe",
    "py2bpf.uapi.helpers",
    "py2bpf.kernel",
    "py2bpf.kernel.kernel_program",
    "py2bpf.compiler.pipeline",
    "py2bpf.compiler.ir.types",
    "py2bpf.compiler.bytecode.canonical",
    "py2bpf.compiler.bytecode.cfg",
    "py2bpf.compiler.peval.evaluator",
}


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("py2bpf.compiler.codegen.select", "from ...kernel.kernel_program import load"),
        ("py2bpf.compiler.codegen.select", "def f():\n    import py2bpf.kernel"),
        ("py2bpf.compiler.codegen.select", "import importlib\nimportlib.import_module('py2bpf.kernel')"),
        ("py2bpf.compiler.pipeline", "from .. import kernel"),
        ("py2bpf.compiler.peval.evaluator", "from ..bytecode.cfg import build"),
        ("py2bpf.compiler.peval.evaluator", "from ..bytecode import cfg"),
        ("py2bpf.compiler.passes.dce", "from ..peval.evaluator import evaluate"),
        ("py2bpf.compiler.ir.types", "from ..bytecode.canonical import Op"),
        ("py2bpf.uapi.helpers", "from ..kernel import program"),
        ("py2bpf.asm", "from .uapi import helpers"),
        ("py2bpf.asm", "import py2bpf"),
        ("py2bpf.exception", "from .compiler import pipeline"),
        ("py2bpf.exception", "def text():\n    from .compiler import pipeline"),
        ("py2bpf.kernel.kernel_program", "from ..compiler.pipeline import compile_function"),
        ("py2bpf.kernel.kernel_program", "from .. import kprobe"),
        ("py2bpf.kernel.kernel_program", "from py2bpf._core import lib"),
        ("py2bpf.kprobe", "from . import _core"),
        ("py2bpf.kernel.core", "from .._core import lib"),
        ("py2bpf.kprobe", "from ._ffi import lib"),
        ("py2bpf.kprobe", "from .compiler.ir.types import Int"),
        ("py2bpf.examples.opensnoop", "from ..kernel.kernel_program import Program"),
        ("py2bpf.kprobe", "import sys\nif sys.version_info > (3, 12): pass"),
        ("py2bpf.compiler.ir.types", "from sys import version_info"),
        ("py2bpf.kprobe", "import platform\nplatform.python_version()"),
    ],
)
def test_a_violation_is_found(module: str, source: str) -> None:
    assert len(check_module(module, source, KNOWN | {module})) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("py2bpf.exception", "from .spans import Span"),
        ("py2bpf.compiler.peval.evaluator", "from ..bytecode.canonical import Op\nfrom ..ir.types import Int"),
        ("py2bpf.compiler.pipeline", "from .bytecode.cfg import build\nfrom .peval import evaluator"),
        ("py2bpf.compiler.bytecode.v312", "import sys\nsys.version_info"),
        ("py2bpf.kprobe", "from .kernel.kernel_program import load\nfrom .compiler.pipeline import compile_function"),
        ("py2bpf._ffi", "from ._core import ffi, lib"),
        ("py2bpf.kernel.core", "from .._ffi import ffi, lib"),
        ("py2bpf.examples.opensnoop", "import py2bpf\nfrom py2bpf import kprobe\nimport py2bpf.tracepoint"),
        ("py2bpf.uapi.helpers", "import enum\nfrom . import prog_types\nfrom ..spec import HookSpec"),
    ],
)
def test_an_allowed_import_passes(module: str, source: str) -> None:
    assert check_module(module, source, KNOWN | {module}) == []


# What `import py2bpf` costs.

HEAVY = {"numpy", "rich", "asyncio", "cffi", "argparse", "hypothesis", "pycparser", "setuptools"}


def import_in_fresh_process(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def test_import_is_light() -> None:
    loaded = set(import_in_fresh_process("import sys, py2bpf; print(*sys.modules)").split())
    assert "py2bpf" in loaded
    assert loaded & HEAVY == set()


def test_import_is_quick() -> None:
    """At most 80 ms, taking the best of a few processes: others may be busy."""
    code = "import time; t = time.perf_counter(); import py2bpf; print(time.perf_counter() - t)"
    assert min(float(import_in_fresh_process(code)) for _ in range(5)) < 0.080


def test_files_of_tests_have_different_names() -> None:
    """pytest, and what tests import, take two files of one name for the same module, wherever they are."""
    names = [path.name for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py"]
    assert sorted(names) == sorted(set(names))
