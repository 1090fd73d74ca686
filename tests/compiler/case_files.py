"""Golden files: one program each, with the compiler's results for it, and checks of what it does.

A file is text in sections. Before the first one stand ``hook: NAME`` (socket_filter when absent),
``target: no iterators`` and remarks.

    -- python   the program: the function ``prog``, and what it uses (see NAMES)
    -- peval    its IR after partial evaluation
    -- ir       its IR after the last pass
    -- asm      its instructions
    -- error    the exception's class and its whole text
    -- warning  the compiler's warnings, as much of them; a program that warns must have it
    -- run      Python statements, run with the program loaded into the kernel; each expression must be true

``pytest --update-cases`` rewrites the sections between the first and the last with what the compiler gives now.
"""

from __future__ import annotations

import ast
import ctypes
import functools
import linecache
import re
import socket
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernel_btf import KERNEL

import py2bpf
from py2bpf import datastructures, disasm, funcs, net
from py2bpf.compiler import pipeline
from py2bpf.compiler.pass_list import PASSES
from py2bpf.exception import TranslationError
from py2bpf.spec import ContextSpec, MapSpec, ProgramSpec, Target
from py2bpf.uapi import contexts
from py2bpf.uapi.hooks import BY_TYPE, SPECS
from py2bpf.uapi.map_types import MapFlags, MapType
from py2bpf.uapi.prog_types import ProgType


def context_of(prog_type: ProgType) -> ContextSpec:
    """The hook of a case's program; a probe gets the registers of x86-64."""
    own = BY_TYPE[prog_type].context
    return contexts.pt_regs("x86_64") if own is contexts.OF_REGISTERS else own.spec or contexts.SK_BUFF


GOLDEN = ("peval", "ir", "asm", "error", "warning")
SECTIONS = ("python", *GOLDEN, "run")
PACKET = bytes(range(64))
"""What ``run()`` sends through a program. Its Ethernet type is no protocol, so nothing of it is parsed."""


@dataclass
class Case:
    path: Path
    head: str
    sections: dict[str, str]

    @property
    def prog_type(self) -> ProgType:
        found = re.search(r"^hook: (\w+)$", self.head, re.M)
        return ProgType[found[1].upper()] if found else ProgType.SOCKET_FILTER

    @property
    def target(self) -> Target:
        """The target: that of Linux 6.1 if the head says ``target: no iterators``."""
        return Target(iterators=re.search(r"^target: no iterators$", self.head, re.M) is None)

    @property
    def source_name(self) -> str:
        return f"{self.path.stem}.py"


def parse(path: Path) -> Case:
    head, *parts = re.split(r"^-- (.*)\n", path.read_text(), flags=re.M)
    names = parts[::2]
    wrong = [name for name in names if name not in SECTIONS]
    if wrong or len(set(names)) != len(names) or "python" not in names or len(names) < 2:
        raise ValueError(f"{path}: needs a python section and others, each of {', '.join(SECTIONS)}, once; has {names}")
    return Case(path, head, dict(zip(names, parts[1::2], strict=True)))


def write(case: Case) -> None:
    text = case.head + "".join(f"-- {name}\n{body.rstrip()}\n\n" for name, body in case.sections.items())
    case.path.write_text(text.rstrip() + "\n")


class PureMap:
    """All that the compiler asks of a map; needs no kernel."""

    def __init__(self, map_spec: MapSpec) -> None:
        self.map_spec = map_spec


class PureRing(PureMap):
    """A ring buffer."""

    def __init__(self, data: Any, size: int = 1 << 20, *, wakeup: int = 0, variable: bool = False) -> None:
        spec = MapSpec(MapType.RINGBUF, None, None, size, data_type=data, wakeup=wakeup, variable=variable)
        super().__init__(spec)


def pure_maps() -> dict[str, Any]:
    """The constructors of datastructures; their objects can be compiled, but not used."""

    def keyed(kind: MapType, per_cpu: bool = False) -> Callable[..., PureMap]:
        def make(key: Any, value: Any, entries: int, default: int | None = None) -> PureMap:
            return PureMap(MapSpec(kind, key, value, entries, default=default, per_cpu=per_cpu))

        return make

    def indexed(kind: MapType, per_cpu: bool = False) -> Callable[..., PureMap]:
        return lambda value, entries: PureMap(MapSpec(kind, ctypes.c_uint32, value, entries, per_cpu=per_cpu))

    stacks = ctypes.c_uint64 * 127
    return {
        "HashMap": keyed(MapType.HASH),
        "LruHashMap": keyed(MapType.LRU_HASH),
        "PerCpuHashMap": keyed(MapType.PERCPU_HASH, per_cpu=True),
        "LruPerCpuHashMap": keyed(MapType.LRU_PERCPU_HASH, per_cpu=True),
        "LpmTrieMap": keyed(MapType.LPM_TRIE),
        "ArrayMap": indexed(MapType.ARRAY),
        "PerCpuArrayMap": indexed(MapType.PERCPU_ARRAY, per_cpu=True),
        "StackTraceMap": lambda entries: PureMap(MapSpec(MapType.STACK_TRACE, ctypes.c_uint32, stacks, entries)),
        "ProgArray": lambda entries: PureMap(MapSpec(MapType.PROG_ARRAY, ctypes.c_uint32, ctypes.c_uint32, entries)),
        "Global": lambda value: PureMap(
            MapSpec(MapType.ARRAY, ctypes.c_uint32, value, 1, flags=MapFlags.MMAPABLE, is_global=True)
        ),
        "BpfQueue": lambda data: PureMap(MapSpec(MapType.PERF_EVENT_ARRAY, None, None, 2, data_type=data)),
        "RingBuffer": PureRing,
        "UserRingBuffer": lambda data, size=1 << 20: PureMap(
            MapSpec(MapType.USER_RINGBUF, None, None, size, data_type=data)
        ),
    }


def live_maps() -> dict[str, Any]:
    return {name: getattr(datastructures, name) for name in pure_maps()}


def namespace(case: Case, maps: dict[str, Any]) -> dict[str, Any]:
    """Runs the python section. What it may use besides the maps' constructors: ctypes and its types, functools,
    socket, struct, py2bpf, funcs, net, and ``kernel``, the types of tests/kernel_btf.py."""
    names: dict[str, Any] = {"ctypes": ctypes, "functools": functools, "socket": socket, "struct": struct,
                             "py2bpf": py2bpf, "funcs": funcs, "net": net, "kernel": KERNEL,
                             "__name__": case.path.stem, **maps}  # fmt: skip
    names |= {name: value for name, value in vars(ctypes).items() if name.startswith("c_")}
    names |= {name: getattr(ctypes, name) for name in ("Structure", "Union", "BigEndianStructure", "sizeof")}
    source = case.sections["python"]
    linecache.cache[case.source_name] = (len(source), None, source.splitlines(True), case.source_name)
    exec(compile(source, case.source_name, "exec", dont_inherit=True), names)
    return names


def translate(case: Case, names: dict[str, Any]) -> dict[str, str]:
    """What the golden sections must hold, by section; "error" alone where the compiler refuses."""
    stages: dict[str, str] = {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            spec = pipeline.compile_function(
                names["prog"], context_of(case.prog_type), SPECS[case.prog_type], target=case.target,
                dump=stages.__setitem__
            )
        except TranslationError as error:
            return {"error": f"{type(error).__name__}: {error}"}
    found = {"peval": stages["peval"], "ir": stages[PASSES[-1].name], "asm": assembly(spec)}
    texts = [f"{warning.category.__name__}: {warning.message}" for warning in caught]
    return found | ({"warning": "\n".join(texts)} if texts else {})


def assembly(spec: ProgramSpec) -> str:
    code = disasm.listing(spec.code)
    return code + "".join(f"; error {i} at line {site.line}: {site.error}\n" for i, site in enumerate(spec.errors))


def check_run(source: str, names: dict[str, Any], filename: str) -> None:
    """Runs statements; an expression that is false fails, showing both sides of a comparison."""
    for node in ast.parse(source, filename).body:
        text = ast.unparse(node)
        if not isinstance(node, ast.Expr):
            exec(compile(ast.Module([node], []), filename, "exec"), names)
        elif isinstance(node.value, ast.Compare) and len(node.value.ops) == 1 and isinstance(node.value.ops[0], ast.Eq):
            left, right = (eval(ast.unparse(side), names) for side in (node.value.left, node.value.comparators[0]))
            assert left == right, f"{text}: {left!r} is not {right!r}"
        else:
            found = eval(ast.unparse(node.value), names)
            assert found or found is None, text
