"""Which files are changed, and which tests are asked about each: the tables of the mutation check."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import Enum
from fnmatch import fnmatch
from typing import Final, NamedTuple

import mutate_c
import mutate_python
from mutant import ROOT, Mutant


class World(Enum):
    """What a suite's tests may do. None may do harm: at most load the programs that the tests themselves hold."""

    VM = "in the embedded VM, those of the kernel too; without privileges"
    PLAIN = "as a user without privileges runs them"
    KERNEL = "with the kernel's BPF, where the change can't reach what is loaded"
    C = "the C core's own tests under the sanitizers"


class Suite(NamedTuple):
    world: World
    paths: tuple[str, ...] = ()
    without: str = "$^"
    """A pattern of tests that are left out: those of the tests' own tools, and those that a busy machine may fail."""


_MESSAGES: Final = ("test_errors", "test_warnings", "test_contexts_of_hooks", "peval/test_none_carets",
                    "peval/test_packet_errors", "peval/test_never_true", "peval/test_called_once", "peval/test_plans",
                    "test_attempts")  # fmt: skip
SUITES: Final = {
    "bytecode": Suite(World.VM, ("tests/compiler/bytecode",)),
    "passes": Suite(World.VM, ("tests/compiler/passes", "tests/compiler/analysis", "tests/compiler/ir")),
    "cases": Suite(World.VM, ("tests/compiler/test_cases.py",)),
    "messages": Suite(World.VM, tuple(f"tests/compiler/{name}.py" for name in _MESSAGES)),
    "codegen": Suite(World.VM, ("tests/compiler/codegen",)),
    "encoder": Suite(World.VM, ("tests/core/test_core_encode.py",)),
    "language": Suite(World.VM, ("tests/language",)),
    "differential": Suite(World.VM, ("tests/differential",), r"test_fuzz\.py::test_(same|covers|sizes)"),
    "simulation": Suite(World.VM, ("tests/sim",)),
    "codec": Suite(World.PLAIN, ("tests/codec/test_codec.py",)),
    "maps": Suite(World.PLAIN, ("tests/datastructures",), r"test_(async|concurrent|pop_all)\.py|signals|threads"),
    "vm": Suite(World.KERNEL, ("tests/vm",), r"interrupted|thread|meanwhile"),
    "C core": Suite(World.C),
}

_COMPILED: Final = ("cases", "messages", "language", "differential")
_EMBEDDED: Final = ("vm", "cases", "maps", "language", "C core")

ASKED: Final = {
    "py2bpf/compiler/bytecode/*.py": ("bytecode", *_COMPILED),
    "py2bpf/compiler/passes/*.py": ("passes", *_COMPILED),
    "py2bpf/compiler/ir/*.py": ("passes", *_COMPILED),
    "py2bpf/compiler/analysis/*.py": ("passes", *_COMPILED),
    "py2bpf/compiler/codegen/*.py": ("codegen", *_COMPILED),
    "py2bpf/compiler/*.py": _COMPILED,
    "py2bpf/asm.py": ("encoder", *_COMPILED),
    "py2bpf/codec/*.py": ("codec", "maps", *_COMPILED),
    "py2bpf/vm/*.py": _EMBEDDED[:-1],
    "csrc/common/encode.c": ("C core", "encoder", *_COMPILED),
    "csrc/sys/reloc.c": ("C core", "encoder", *_COMPILED),
    "csrc/vm/*.[ch]": _EMBEDDED,
    "csrc/common/core.h": ("C core", "encoder", *_EMBEDDED[:-1]),
}
"""By the first pattern that fits; a star fits slashes too. The suites are asked in this order, and the first that
notices ends it."""

_SINCE: Final = {**{f"v3{minor}.py": minor for minor in range(11, 30)}, "second_slots.py": 14}
_OTHER_PYTHONS: Final = {
    f"py2bpf/compiler/bytecode/{name}" for name, minor in _SINCE.items() if minor > sys.version_info.minor
}


def files() -> Iterator[str]:
    """All that are changed, in order. Those that this Python doesn't run are left out."""
    for path in sorted([*ROOT.glob("py2bpf/**/*.py"), *ROOT.glob("csrc/**/*.[ch]")]):
        file = str(path.relative_to(ROOT))
        if asked(file) and file not in _OTHER_PYTHONS:
            yield file


def asked(file: str) -> tuple[str, ...]:
    """The suites that are asked about a file."""
    return next((suites for pattern, suites in ASKED.items() if fnmatch(file, pattern)), ())


def mutants() -> Iterator[Mutant]:
    """Every change of every file."""
    for file in files():
        find = mutate_python.mutants if file.endswith(".py") else mutate_c.mutants
        yield from find(file, (ROOT / file).read_bytes())
