"""Compiles every golden program and prints the results: a process of its own for test_purity.py.

``--backwards``: the last program first. ``--confined``: as nobody, without the system calls that make something.
``--maps``: ends with programs over maps of the kernel, which were made before.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
import warnings
from ctypes import c_uint32, c_uint64
from pathlib import Path
from typing import Any

from case_files import GOLDEN, Case, context_of, namespace, parse, pure_maps, translate
from confined import confine

from py2bpf import compiler, funcs
from py2bpf.datastructures import HashMap, LruHashMap, PerCpuHashMap
from py2bpf.exception import TranslationError
from py2bpf.prog import ProgType, compile_prog
from py2bpf.uapi.contexts import SK_BUFF

KINDS = (HashMap, PerCpuHashMap, LruHashMap)
ARRAY = re.compile(r"<class '[\w.]*\.(\w+_Array_\d+)'>")
"""ctypes keeps array types, and says of each that it is of the module which asked for it first."""


def cases() -> list[Case]:
    paths = sorted((Path(__file__).parents[1] / "cases").rglob("*.case"))
    return [case for case in map(parse, paths) if any(name in case.sections for name in GOLDEN)]


def compiled(case: Case) -> str:
    """All of a program's spec, or the error; the golden sections too must be those of the file."""
    wanted = {name: case.sections[name].rstrip() for name in GOLDEN if name in case.sections}
    found = translate(case, namespace(case, pure_maps()))
    assert {name: found[name].rstrip() for name in wanted} == wanted, case.path
    names = namespace(case, pure_maps())
    try:
        spec = compile_prog(case.prog_type, context_of(case.prog_type), names["prog"], target=case.target)
        return ARRAY.sub(r"\1", repr(spec))
    except TranslationError as error:
        return str(error)


def inserting(m: Any) -> Any:
    """A program that counts failed inserts into its map."""

    def fn(skb: Any) -> int:
        m[skb.len] = 1
        m[skb.len] += 1
        return int(m.lost + m.add(2, 2) + funcs.map_update_elem(m, 1, 1, 0))

    return fn


def main(options: list[str]) -> None:
    warnings.simplefilter("ignore")
    for module in pkgutil.walk_packages(compiler.__path__, f"{compiler.__name__}."):
        importlib.import_module(module.name)  # nobody may not be able to read them
    found = cases()
    kernel_maps = [kind(c_uint32, c_uint64, 8) for kind in (KINDS if "--maps" in options else ())]
    if "--confined" in options:
        confine()
    if "--backwards" in options:
        found.reverse()
    texts = {f"{case.path.parent.name}/{case.path.name}": compiled(case) for case in found}
    for m in kernel_maps:
        texts[type(m).__name__] = repr(compile_prog(ProgType.SOCKET_FILTER, SK_BUFF, inserting(m)))
    print("\n".join(f"{name}: {texts[name]}" for name in sorted(texts)))


if __name__ == "__main__":
    main(sys.argv[1:])
