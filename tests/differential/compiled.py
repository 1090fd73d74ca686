"""Random programs compiled for BPF."""

from __future__ import annotations

import collections
import ctypes
import functools
import linecache
import types
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import hooks
import tails
from constructs import OBJECTS, PRELUDE, needs_objects
from grammar import Program
from shared import CONSTANTS, STRUCTS

from py2bpf import funcs
from py2bpf.exception import MixedSigns
from py2bpf.prog import compile_prog
from py2bpf.spec import ProgramSpec, Target

FILE, PRELUDE_FILE, OBJECTS_FILE = "<random program>", "<prelude>", "<prelude of objects>"
SCALARS = {
    name: getattr(ctypes, name)
    for name in ("c_char", "c_int16", "c_int32", "c_int64", "c_uint8", "c_uint16", "c_uint32")
}
PRELUDES = {PRELUDE_FILE: PRELUDE, OBJECTS_FILE: OBJECTS}
for _file, _source in PRELUDES.items():
    linecache.cache[_file] = (len(_source), None, _source.splitlines(True), _file)
_CODES = {file: compile(source, file, "exec") for file, source in PRELUDES.items()}
_MODULES = {"__name__": "differential", "functools": functools, "collections": collections}


def define(codes: Iterable[types.CodeType], names: Mapping[str, Any]) -> Callable[[Any], Any]:
    namespace: dict[str, Any] = {**_MODULES, **names}
    for code in codes:
        exec(code, namespace)
    function: Callable[[Any], Any] = namespace["program"]
    return function


def preludes(source: str, codes: Mapping[str, types.CodeType]) -> list[types.CodeType]:
    """Those that a program needs."""
    return [codes[PRELUDE_FILE], *([codes[OBJECTS_FILE]] if needs_objects(source) else [])]


class HasObjects(Protocol):
    """What a program's maps come from."""

    def objects_of(self, hook: str) -> dict[str, Any]:
        """By their names in programs of a hook."""


class Compiled:
    """A program compiled for BPF, with the names of the maps that it uses."""

    def __init__(self, program: Program, pool: HasObjects, target: Target | None = None) -> None:
        linecache.cache[FILE] = (len(program.source), None, program.source.splitlines(True), FILE)
        held = pool.objects_of(program.hook)
        names = {**held, **STRUCTS, **SCALARS, **CONSTANTS, "funcs": funcs}
        function = define([*preludes(program.source, _CODES), compile(program.source, FILE, "exec")], names)
        self.hook = program.hook
        self.spec, told = compile_for(program.hook, function, target)
        self.mixes_signs = any(issubclass(each.category, MixedSigns) for each in told)
        """The compiler has warned that a number is unsigned because it is so on some paths."""
        names = {id(each): name for name, each in held.items()}
        self.captures = [None if capture is None else names[id(capture)] for capture in self.spec.captures]
        captured = {name for name in self.captures if name in held}
        self.used = sorted(captured - {"J"} | {"IN", "OUT"} | (tails.USED if "J" in captured else set()))


def compile_for(
    hook: str, function: Any, target: Target | None
) -> tuple[ProgramSpec, list[warnings.WarningMessage]]:
    """The compiler's result for a function, and its warnings."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", MixedSigns)
        return compile_prog(hooks.ROWS[hook].kind, hooks.context_of(hook), function, target=target), told
