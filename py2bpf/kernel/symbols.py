"""The kernel's functions by name: why a function can't be probed, and which one the user may have meant.

The kernel itself decides which symbols can be probed. The files here are read only for messages, and to find the name
of a system call.
"""

from __future__ import annotations

import contextlib
import difflib
import heapq
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from ..btf import Btf, Kind
from ..exception import KernelError
from ..uapi.syscalls import PLAIN_PREFIXES, SYSCALL_ABI

KALLSYMS: Final = Path("/proc/kallsyms")
BLACKLIST: Final = Path("/sys/kernel/debug/kprobes/blacklist")

_SHOWN: Final = 5
_PRESELECTED: Final = 300
_PARTS: Final = re.compile(r"\.(isra|part|constprop|cold|llvm)\b")
_NO_FUNCTION: Final = re.compile(r"^(__pfx_|__cfi_|__probestub_|__SC[TK]__)|\.cold$")  # padding, stubs, pieces
_EXPORTED: Final = re.compile(r"^alias symbol:(\S+) (\S+)$", re.M)


@dataclass(frozen=True)
class Symbols:
    """Facts about a kernel's functions.

    ``shared`` are the names that several functions have. ``compiled`` tells whether the kernel's BTF has a function,
    ``modules`` are the symbols that unloaded modules export, with the names of these modules.
    """

    functions: frozenset[str]
    blacklist: frozenset[str] = frozenset()
    compiled: Callable[[str], bool] = frozenset().__contains__
    shared: frozenset[str] = frozenset()
    modules: tuple[tuple[str, str], ...] = ()

    @staticmethod
    def of_kernel() -> Symbols:
        """The functions of the running kernel, as far as the caller may read them."""
        counts = Counter(read_kallsyms(_text(KALLSYMS).splitlines()))
        functions = frozenset(counts)
        modules = _text(Path("/lib/modules") / os.uname().release / "modules.symbols")
        return Symbols(
            functions=functions,
            blacklist=frozenset(line.split("\t")[-1] for line in _text(BLACKLIST).splitlines()),
            compiled=_in_btf,
            shared=frozenset(name for name, count in counts.items() if count > 1),
            modules=tuple((name, module) for name, module in _EXPORTED.findall(modules) if name not in functions),
        )

    @cached_property
    def module_of(self) -> dict[str, str]:
        return dict(self.modules)

    def variants(self, name: str) -> list[str]:
        """The symbols of a function that the compiler renamed: name.isra.0 and the like."""
        return sorted(other for other in self.functions if other.startswith(f"{name}.") and _PARTS.search(other))

    def explain(self, name: str, offset: int = 0) -> str:
        """One line that says why ``name`` can't be probed ``offset`` bytes after its start, with the nearest names."""
        if name in self.blacklist:
            return f"{name} is on the kernel's kprobe blacklist: probing it could crash the kernel"
        if name in self.shared:
            return f"several functions are called {name}, and the kernel does not choose between them"
        if name in self.functions and offset:
            return f"{name} is there, but {offset:#x} bytes from its begin is no instruction that can be probed"
        if name in self.functions:
            return f"{name} is there, but the kernel refuses to probe it"
        if variants := self.variants(name):
            return f"the compiler kept of {name} only {', '.join(variants)}: probe those, or a caller"
        if self.compiled(name):
            return f"{name} is inlined: it has no address of its own; probe one of its callers"
        if module := self.module_of.get(name):
            return f"{name} is in the module {module}, which is not loaded: `modprobe {module}`"
        near = self.nearest(name)
        hint = f"; the nearest are {', '.join(near)}" if near else ""
        return f"this kernel has no function {name}, unless inlined into others{hint}"

    def nearest(self, name: str) -> list[str]:
        """Functions with similar names, the most similar first. System calls appear as ``sys_X``."""
        pairs = _pairs(name)
        names = {common_name(function) for function in self.functions if not _NO_FUNCTION.search(function)}
        similar_length = (other for other in names if 3 * max(len(name), len(other)) <= 7 * min(len(name), len(other)))
        likely = heapq.nlargest(_PRESELECTED, similar_length, key=lambda other: _likeness(pairs, other))
        return difflib.get_close_matches(name, likely, _SHOWN)


def read_kallsyms(lines: Iterable[str]) -> Iterator[str]:
    """The names of functions in /proc/kallsyms, those of modules too."""
    for line in lines:
        _address, kind, name = line.split("\t", 1)[0].split(" ", 2)
        if kind in "tTwW":
            yield name


def common_name(symbol: str) -> str:
    """``sys_close`` for any architecture's wrapper of close(2); any other symbol unchanged."""
    for abi in SYSCALL_ABI.values():
        if symbol.startswith(abi.wrapper):
            return PLAIN_PREFIXES[0] + symbol.removeprefix(abi.wrapper)
    return symbol


def _pairs(name: str) -> set[str]:
    return {name[at : at + 2] for at in range(len(name) - 1)}


def _likeness(pairs: set[str], other: str) -> float:
    """The share of common letter pairs: a cheap measure, as difflib over all functions of a kernel would take
    seconds."""
    others = _pairs(other)
    return len(pairs & others) / (len(pairs | others) or 1)


def _in_btf(name: str) -> bool:
    try:
        return Btf.kernel().number(Kind.FUNC, name) is not None
    except KernelError:
        return False


def _text(file: Path) -> str:
    """The file's text; "" if it is missing or the caller may not read it."""
    with contextlib.suppress(OSError):
        return file.read_text()
    return ""
