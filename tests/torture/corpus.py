"""Real functions to make mutants of: those of the golden cases, the documentation, the examples, and random ones.

Collects each by running the code that creates it, and recording what reaches the compiler. Its maps stay open.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import importlib
import linecache
import os
import random
import signal
import sys
import tempfile
import types
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import case_files
import compiled
import constructs
import fuzz
import hooks
import namespaces
import shared
from markdown import PAGES, ROOT, blocks
from pools import Pool

from py2bpf import funcs, vm
from py2bpf.compiler import pipeline
from py2bpf.kernel.kernel_map import KernelMap
from py2bpf.prog import ProgType
from py2bpf.spec import ContextSpec, HookSpec
from py2bpf.uapi.hooks import SPECS
from py2bpf.vm.vm_map import VmMap

EXAMPLES: Mapping[str, Sequence[str]] = {
    "blacklist_ingress_ips": ["-i", "lo", "10.0.0.0/8", "fd00::/8"],
    "connect_watcher": [],
    "count_by_protocol": ["-i", "lo"],
    "demo": [],
    "event_stream": ["openat", "connect"],
    "execsnoop": [],
    "flow_counter": ["-i", "lo"],
    "nanosleep_watcher": [],
    "opensnoop": ["-x"],
    "packet_counter": ["-i", "lo"],
    "sync_watcher": [],
    "unlinkers": [],
    "xdp_ports": ["-i", "lo", "80", "443"],
}
"""The tools, and the arguments with which they say nothing of what they lack."""

PATIENCE = 2.0
"""Seconds after which what makes programs is interrupted: then it waits for events."""

_SHARES = {"case": 5, "random": 3, "document": 2, "example": 1}


@dataclass(frozen=True)
class Subject:
    """A function that compiles, or is refused, for its hook. ``path`` leads from what was compiled to the function that
    is to be changed: names of closures' variables and of globals. ``tree`` is its syntax."""

    root: types.FunctionType
    context: ContextSpec
    hook: HookSpec
    path: tuple[str, ...]
    function: types.FunctionType
    tree: ast.FunctionDef | ast.Lambda
    world: vm.Backend
    source: tuple[str, Any]
    """The root's file, and what ``linecache`` has of it: files of documents share their name."""

    @property
    def prog_type(self) -> ProgType:
        return ProgType(self.hook.prog_type)

    def changed(self, function: types.FunctionType) -> types.FunctionType:
        """The compiled object, with another function in place of this one."""
        return _replaced(self.root, self.path, function)


def _replaced(root: types.FunctionType, path: tuple[str, ...], function: types.FunctionType) -> types.FunctionType:
    if not path:
        return function
    name = path[0]
    inner = _replaced(_members(root)[name], path[1:], function)
    cells = tuple(types.CellType(inner) if free == name else cell
                  for free, cell in zip(root.__code__.co_freevars, root.__closure__ or (), strict=True))  # fmt: skip
    names = root.__globals__ if name in root.__code__.co_freevars else {**root.__globals__, name: inner}
    made = types.FunctionType(root.__code__, names, root.__name__, root.__defaults__, cells)
    made.__kwdefaults__ = root.__kwdefaults__
    return made


def _members(function: types.FunctionType) -> dict[str, types.FunctionType]:
    """The functions that a function reaches by names."""
    found: dict[str, Any] = {name: function.__globals__.get(name) for name in function.__code__.co_names}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # an empty cell
            found[name] = cell.cell_contents
    return {name: each for name, each in found.items() if isinstance(each, types.FunctionType)}


def _reached(root: types.FunctionType) -> Iterator[tuple[tuple[str, ...], types.FunctionType]]:
    yield (), root
    for name, each in _members(root).items():
        if each is root:
            continue
        yield (name,), each
        for inner, last in _members(each).items():
            if last not in (root, each):
                yield (name, inner), last


def _library(function: types.FunctionType) -> bool:
    """Whether the function belongs to the package or to Python, so that users call it and don't write it."""
    file = function.__code__.co_filename
    return file.startswith((f"{ROOT}/py2bpf/", sys.base_prefix)) and "/examples/" not in file


def tree_of(function: types.FunctionType) -> ast.FunctionDef | ast.Lambda | None:
    """The syntax of a function, if its source is available."""
    code = function.__code__
    try:
        tree = ast.parse("".join(linecache.getlines(code.co_filename)))
    except SyntaxError:
        return None
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.Lambda)):
            first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
            names = [each.arg for each in (*node.args.posonlyargs, *node.args.args)]
            named = getattr(node, "name", "<lambda>") == code.co_name
            if first == code.co_firstlineno and named and names == [*code.co_varnames[: code.co_argcount]]:
                return copy.deepcopy(node)
    return None


def _subjects(root: Any, context: ContextSpec, hook: HookSpec) -> list[Subject]:
    if not isinstance(root, types.FunctionType):
        return []
    file = root.__code__.co_filename
    return [
        Subject(root, context, hook, path, function, tree, vm.current(), (file, linecache.cache.get(file)))
        for path, function in _reached(root)
        if not _library(function) and (tree := tree_of(function)) is not None
    ]


# Where they come from.


class _TimeIsUp(BaseException):
    pass


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """Interrupts code that doesn't end; exceptions of the code are ignored."""
    def stop(_number: int, _frame: object) -> None:
        raise _TimeIsUp

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        yield
    except (Exception, _TimeIsUp, SystemExit, KeyboardInterrupt):  # noqa: BLE001 - blocks and tools may end so
        pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _recorded(make: Callable[[], object]) -> list[Subject]:
    """Records what reaches the compiler while something runs. Keeps maps open that are closed meanwhile."""
    found: list[Subject] = []
    compile_function = pipeline.compile_function

    def note(fn: Any, context: ContextSpec, hook: HookSpec, **rest: Any) -> Any:
        found.extend(_subjects(fn, context, hook))
        return compile_function(fn, context, hook, **rest)

    with mock.patch.object(pipeline, "compile_function", note), mock.patch.object(KernelMap, "close", _stay), \
            mock.patch.object(VmMap, "close", _stay), _limited(), warnings.catch_warnings():  # fmt: skip
        warnings.simplefilter("ignore")
        make()
    return found


def _stay(_self: object) -> None:
    pass


def _of_case(path: Path) -> list[Subject]:
    case = case_files.parse(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = case_files.namespace(case, case_files.live_maps())
    return _subjects(names["prog"], case_files.context_of(case.prog_type), SPECS[case.prog_type])


def _of_document(place: tuple[Path, int]) -> list[Subject]:
    file, number = place
    block = blocks(file)[number]

    def run() -> None:
        code = block.without_withs() if block.is_kprobe else block.compiled()
        names = block.namespace()
        block.compiled()  # the source of this block is to be found
        exec(code, names)

    return _recorded(run)


def _of_example(name: str) -> list[Subject]:
    arguments = [name, *EXAMPLES[name], "--seconds", "0.3"]
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(sys, "argv", arguments):
        before = Path.cwd()
        os.chdir(folder)
        try:
            return _recorded(importlib.import_module(f"py2bpf.examples.{name}").main)
        finally:
            os.chdir(before)


@cache
def _pool() -> Pool:
    cpus = os.sched_getaffinity(0)
    made = Pool(vm.current())
    os.sched_setaffinity(0, cpus)
    return made


def _of_seed(seed: int) -> list[Subject]:
    made, pool = fuzz.generate(seed), _pool()  # which compiles programs of its own under the same name
    file = compiled.FILE
    linecache.cache[file] = (len(made.source), None, made.source.splitlines(True), file)
    names = {**pool.objects_of(made.hook), **shared.STRUCTS, **compiled.SCALARS, **shared.CONSTANTS, "funcs": funcs}
    codes = [*compiled.preludes(made.source, compiled._CODES), compile(made.source, file, "exec")]
    row = hooks.ROWS[made.hook]
    function = compiled.define(codes, names)
    return _subjects(function, hooks.context_of(made.hook), SPECS[row.kind])


class Corpus:
    """Collects all functions, in a network namespace of its own if the process may have one."""

    def __init__(self) -> None:
        namespaces.leave_ours()
        self.cases = sorted((ROOT / "tests" / "cases").rglob("*.case"))
        files = [ROOT / "README.md", *PAGES]
        self.documents = [(file, number) for file in files for number in range(len(blocks(file)))]
        self.examples = list(EXAMPLES)
        self._kept: dict[Any, list[Subject]] = {}
        sources = [case_files.parse(path).sections["python"] for path in self.cases]
        self.trees = [ast.parse(source) for source in [*sources, constructs.PRELUDE]]
        """Whole files, to take fragments from."""

    def pick(self, choose: random.Random) -> Subject:
        """A function; the same for the same state of ``choose``."""
        while True:
            kind = choose.choices(list(_SHARES), list(_SHARES.values()))[0]
            if kind == "random":
                found = [each for each in _of_seed(choose.randrange(1 << 30)) if each.tree.body]
            else:
                find, where = {"case": (_of_case, self.cases), "document": (_of_document, self.documents),
                               "example": (_of_example, self.examples)}[kind]  # fmt: skip
                place = choose.choice(where)  # type: ignore[arg-type]
                if place not in self._kept:
                    self._kept[place] = find(place)  # type: ignore[operator]
                found = self._kept[place]
            if found:
                return choose.choice(found)
