"""``python -m py2bpf``: looks into the compiler.

    python -m py2bpf dis count.py:count                  the instructions of a function, after its source lines
    python -m py2bpf dis count.py:count --all            every stage: bytecode, IR after each pass, instructions
    python -m py2bpf dis tools.py:on_exit --type XDP     as a program of that type

Nothing is loaded or attached, but the file is run as Python imports it: maps that it makes need privileges.
"""

from __future__ import annotations

import argparse
import runpy
import sys
from collections.abc import Sequence
from typing import Any, Final

from .compiler.pipeline import compile_function
from .exception import Py2BpfError
from .prog import listing
from .spec import ContextSpec
from .uapi import contexts
from .uapi.prog_types import HOOKS, ProgType

_CONTEXTS: Final = {
    ProgType.SOCKET_FILTER: contexts.SK_BUFF,
    ProgType.SCHED_CLS: contexts.SK_BUFF,
    ProgType.SCHED_ACT: contexts.SK_BUFF,
    ProgType.CGROUP_SKB: contexts.SK_BUFF,
    ProgType.XDP: contexts.XDP_MD,
    ProgType.RAW_TRACEPOINT: contexts.RAW_TRACEPOINT_ARGS,
}
"""The context of the types that have one; a probe's comes from what it probes."""


class _Usage(Exception):  # noqa: N818 - becomes a message of the argument parser
    """What is wrong with the command line."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status is 0, 1 for a function that can't be compiled, 2 for wrong arguments."""
    parser = argparse.ArgumentParser(prog="python -m py2bpf", description="Looks into the py2bpf compiler.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    dis = commands.add_parser("dis", help="show what a function is compiled to")
    dis.add_argument("target", metavar="FILE:FUNCTION", help="a Python file, and a function or probe in it")
    dis.add_argument("--all", action="store_true", help="show every stage of the compiler")
    names = ", ".join(kind.name for kind in _CONTEXTS)
    dis.add_argument(
        "--type", default=None, metavar="TYPE", help=f"the program's type: {names} (default SOCKET_FILTER)"
    )
    args = parser.parse_args(argv)
    try:
        _dis(args.target, args.type, args.all)
    except _Usage as error:
        parser.error(str(error))
    except Py2BpfError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def _dis(target: str, type_name: str | None, everything: bool) -> None:
    fn, kind, context = _resolve(_load(target), type_name)
    stages: list[str] = []
    spec = compile_function(fn, context, HOOKS[kind], dump=lambda stage, text: stages.append(f"== {stage}\n{text}"))
    if everything:
        print("\n".join(stages[:-1]))
        print("== asm")
    print(listing(spec))


def _load(target: str) -> Any:
    path, separator, name = target.rpartition(":")
    if not separator or not path or not name:
        raise _Usage(f"{target!r} is not of the form FILE:FUNCTION")
    try:
        names = runpy.run_path(path, run_name="__py2bpf_dis__")
    except OSError as error:
        raise _Usage(f"can't read {path}: {error.strerror}") from error
    if name not in names:
        functions = [key for key, value in names.items() if callable(value) and not key.startswith("_")]
        raise _Usage(f"{path} has no {name!r}; it has {', '.join(functions) or 'no functions'}")
    return names[name]


def _resolve(found: Any, type_name: str | None) -> tuple[Any, ProgType, ContextSpec]:
    """The function, and the type and context of its program: a probe knows them."""
    if type_name is None:
        probe = _probe(found)
        if probe is not None:
            return probe
    kind = ProgType.__members__.get((type_name or "SOCKET_FILTER").upper())
    if kind not in _CONTEXTS:
        raise _Usage(f"unknown type {type_name!r}; known are {', '.join(kind.name for kind in _CONTEXTS)}")
    return getattr(found, "fn", found), kind, _CONTEXTS[kind]


def _probe(found: Any) -> tuple[Any, ProgType, ContextSpec] | None:
    from . import kprobe, tracepoint

    if isinstance(found, kprobe.Probe):
        return found.fn, ProgType.KPROBE, found.context
    if isinstance(found, tracepoint.Probe):
        return found.fn, ProgType.TRACEPOINT, found.context
    return None
