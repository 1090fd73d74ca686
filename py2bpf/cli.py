"""``python -m py2bpf``: shows what the compiler makes of a function, and runs functions over captures.

    python -m py2bpf dis count.py:count                  the instructions of a function, under its source lines
    python -m py2bpf dis count.py:count --all            every stage: bytecode, IR after each pass, instructions
    python -m py2bpf dis tools.py:on_packet --hook xdp   the instructions as a program of that hook
    python -m py2bpf replay count.py:count lo.pcap       runs a function over a capture; --hook xdp or tc, --json

Nothing is loaded into the kernel or attached. The file itself is run, as an import runs it, so code that attaches
programs belongs under ``if __name__ == "__main__":``. The maps that the file makes live in the embedded VM for
``replay``, and for ``dis`` if the kernel refuses to make them. A new command is a row of ``_COMMANDS``.
"""

from __future__ import annotations

import argparse
import errno
import functools
import inspect
import os
import runpy
import sys
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Final

from .backend import current
from .compiler.pipeline import compile_function
from .exception import KernelError, NotInVm, Py2BpfError
from .hooks.probes import Unattached
from .prog import Prog, create_prog, listing
from .spec import ContextSpec
from .uapi.hooks import HOOKS, Hook, Trait

_MODULE: Final = "__py2bpf_dis__"
"""The ``__module__`` of functions that the file itself defines."""
_REPLAYED: Final = {hook.alias or hook.name: hook for hook in HOOKS if Trait.CAPTURES in hook.traits}
"""The hooks through which a capture can be replayed."""

_COMPILED: Final = {**_REPLAYED, **{hook.name: hook for hook in HOOKS if hook.context.spec is not None}}
"""The hooks that ``dis --hook`` takes: those with one context. The context of a probe follows from what it probes."""

_AT_IMPORT: Final = (
    "The file was run up to that line, as an import runs it. Put code that attaches programs and reads queues under "
    "`if __name__ == '__main__':`, which skips it here"
)

_REFUSED: Final = (errno.EPERM, errno.EACCES)
"""The kernel's error numbers for missing privileges."""


class _Usage(Exception):  # noqa: N818 - becomes a message of the argument parser
    """What is wrong with the command line."""


class _Broken(Exception):  # noqa: N818 - carries a message on
    """The user's file can't be run; the message says why."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command. The exit status is 0; 1 for a function that can't be compiled or a capture that can't be read; 2
    for wrong arguments."""
    parser = _parser()
    args = parser.parse_args(argv)
    if sys.stdout is None:
        print("standard output is closed", file=sys.stderr)
        return 1
    try:
        status: int = args.run(args)
        sys.stdout.flush()
        return status
    except _Usage as error:
        parser.error(str(error))
    except _Broken as error:
        print(error, file=sys.stderr)
    except Py2BpfError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    except OSError as error:
        if error.filename is not None:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno != errno.EPIPE:  # EPIPE: the reader of the output, for example head(1), has gone
            print(f"cannot write to standard output: {error.strerror}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    what = "Shows what the compiler makes of a function, and runs functions over captures."
    parser = argparse.ArgumentParser(prog="python -m py2bpf", description=what)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (purpose, add_arguments, run) in _COMMANDS.items():
        command = commands.add_parser(name, help=purpose)
        command.set_defaults(run=run)
        add_arguments(command)
    return parser


def _dis_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("target", metavar="FILE:FUNCTION", help="a Python file, and a function or probe in it")
    command.add_argument("--all", action="store_true", help="show every stage of the compiler")
    known = f"the program type: {', '.join(_COMPILED)} (default: socket_filter)"
    command.add_argument("--hook", "--type", metavar="HOOK", help=known)


def _dis(args: argparse.Namespace) -> int:
    with ExitStack() as stack:
        names, name = _load_for_dis(args.target, stack)
        _show(names[name], args.hook, args.all)
    return 0


def _load_for_dis(target: str, stack: ExitStack) -> tuple[dict[str, Any], str]:
    """Loads the file. Its maps are never used, so if the kernel refuses to make them, maps of the embedded VM do."""
    from . import vm

    try:
        return _load(target)
    except KernelError as error:
        if error.errno not in _REFUSED or not current().takes_privileges:
            raise _at_import(error, target.rpartition(":")[0]) from error
        instead = "So the file's maps are in py2bpf's embedded VM, which asks for no privileges."
        print(f"{error}\n{instead}", file=sys.stderr)
    stack.enter_context(vm.backend())
    return _load(target)


def _show(found: Any, hook: str | None, everything: bool) -> None:
    fn, row, context = _resolve(found, hook)
    stages: list[str] = []
    spec = compile_function(fn, context, row.spec, dump=lambda stage, text: stages.append(f"== {stage}\n{text}"))
    if everything:
        print("\n".join(stages[:-1]))
        print("== asm")
    print(listing(spec))


def _replay_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("target", metavar="FILE:FUNCTION", help="a Python file, and a function in it")
    command.add_argument("capture", metavar="CAPTURE", help="a pcap or pcapng file of Ethernet packets")
    command.add_argument("--hook", choices=sorted(_REPLAYED), default="socket_filter",
                         help="the program type (default: %(default)s)")  # fmt: skip
    command.add_argument("--json", action="store_true", help="print everything as one JSON object")


def _replay(args: argparse.Namespace) -> int:
    """Maps and program live in the embedded VM, which needs no privileges."""
    from . import report, vm
    from .pcap import Capture
    from .replay import replay

    with ExitStack() as stack:
        try:
            capture = stack.enter_context(Capture(args.capture))
        except OSError as error:
            raise _Usage(f"can't read {args.capture}: {error.strerror}") from error
        stack.enter_context(vm.backend())
        names, name = _load(args.target)
        prog = stack.enter_context(_program(names[name], _REPLAYED[args.hook]))
        maps, queues = _captured(prog, names)
        with report.progress(capture, args.json) as progress:
            done = replay(prog, capture, queues.items(), progress)
        lost = {each: queue.lost for each, queue in queues.items()}
        if args.json:
            print(report.as_json(done, maps, prog.errors, lost))
        else:
            speed = f", {done.packets / done.seconds:,.0f} a second" if done.seconds and done.packets else ""
            print(f"{done.packets} packets, {done.bytes} bytes, in {done.seconds:.2f} s{speed}, in the embedded VM")
            report.show(report.tables(done, maps, prog.errors, lost))
        if done.problem is not None:
            print(f"{type(done.problem).__name__}: {done.problem}", file=sys.stderr)
    return 0 if done.problem is None else 1


def _program(found: Any, hook: Hook) -> Prog:
    """The program of FILE:FUNCTION, which names a function, or an object of a hook that has a program already."""
    made = _own(found, "prog")
    if isinstance(made, Prog):
        return made
    assert hook.context.spec is not None
    return create_prog(hook.prog_type, hook.context.spec, _own(found, "fn"))


def _own(found: Any, name: str) -> Any:
    """The attribute ``name`` of a probe or an object of a hook; any other object itself. Doesn't call ``__getattr__``:
    ctypes.cdll's would open a library of that name."""
    return found if inspect.getattr_static(found, name, None) is None else getattr(found, name)


def _captured(prog: Prog, names: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The maps and the event queues that a program uses, by their names in the file, or else their own names."""
    maps: dict[str, Any] = {}
    queues: dict[str, Any] = {}
    for number, each in enumerate(prog.spec.captures):
        if each is None:  # a counter of errors or losses
            continue
        known = (name for name, value in names.items() if value is each)
        name = next(known, each.map_spec.name or f"number {number}")
        (queues if hasattr(each, "poll") else maps)[name] = each
    return maps, queues


def _load(target: str) -> tuple[dict[str, Any], str]:
    """Everything that the file defines, and the name in it."""
    path, separator, name = target.rpartition(":")
    if not separator or not path or not name:
        raise _Usage(f"{target!r} is not of the form FILE:FUNCTION")
    try:
        names = runpy.run_path(path, run_name=_MODULE)
    except (NotInVm, KeyboardInterrupt, SystemExit) as error:
        raise _at_import(error, path) from error
    except OSError as error:
        if isinstance(error, Py2BpfError):
            raise
        raise _Usage(f"can't read {path}: {error.strerror}") from error
    except SyntaxError as error:
        raise _Broken("".join(traceback.format_exception_only(error)).rstrip()) from error
    owner, *attributes = name.split(".")
    if attributes and owner in names:
        try:
            names[name] = functools.reduce(getattr, attributes, names[owner])
        except AttributeError as error:
            raise _Usage(f"{path} has no {name!r}: {error}") from error
    if name not in names:
        own = {key: _own(value, "fn") for key, value in names.items() if not key.startswith("_")}
        functions = [key for key, fn in own.items() if callable(fn) and getattr(fn, "__module__", "") == _MODULE]
        raise _Usage(f"{path} has no {name!r}; it has {', '.join(functions) or 'no functions'}")
    return names, name


def _at_import(error: BaseException, path: str) -> _Broken:
    """The error for a failure while the file was run, with the line that failed."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    where = f" ({path}, line {lines[-1]})" if lines else ""
    return _Broken(f"{type(error).__name__}: {error}{where}\n{_AT_IMPORT}")


def _resolve(found: Any, name: str | None) -> tuple[Any, Hook, ContextSpec]:
    """The function, and the hook and context of its program, which a probe already knows."""
    if name is None and isinstance(found, Unattached):
        return found.fn, found.hook, found.context
    hook = _COMPILED.get((name or "socket_filter").lower())
    if hook is None:
        raise _Usage(f"unknown hook {name!r}; known are {', '.join(_COMPILED)}")
    assert hook.context.spec is not None
    return _own(found, "fn"), hook, hook.context.spec


_COMMANDS: Final = {
    "dis": ("show the instructions that a function is compiled to", _dis_arguments, _dis),
    "replay": ("run a function over a capture, in the embedded VM", _replay_arguments, _replay),
}
"""For each command: its purpose, the function that adds its arguments to a parser, and the function that runs it and
gives the exit status."""
