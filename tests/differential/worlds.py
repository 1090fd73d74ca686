"""The worlds that run a random program: CPython over simulated maps, and BPF in the kernel or the embedded VM."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import hooks
import shared
import tails
from compiled import FILE, OBJECTS_FILE, PRELUDE_FILE, PRELUDES, SCALARS, Compiled, define, preludes
from grammar import Program
from oracle import BUILTINS, typed, typed_source
from pools import UNWRITTEN, Pool, bytes_of
from samples import FILLINGS, Sample, initial
from shared import CONSTANTS, GLOBALS, MAPS, OUTPUTS, QUEUES, RINGS, STRUCTS, Input
from simulated import (
    PLACES,
    EndOfProgram,
    Funcs,
    SimulatedGlobal,
    SimulatedMap,
    SimulatedQueue,
    SimulatedRing,
    SimulatedTails,
    SimulatedTrie,
    TailCalled,
    Type,
)

from py2bpf import vm
from py2bpf.prog import load_spec
from py2bpf.uapi.hooks import SPECS

RAISED = (ArithmeticError, ValueError, AssertionError, LookupError, AttributeError, TypeError, RuntimeError)
_NAMES = re.compile(r"\b[A-Z]+\b")
_TYPED_PRELUDES = {file: typed_source(source, file) for file, source in PRELUDES.items()}
_TAILS = {index: typed_source(source, PRELUDE_FILE) for index, source in tails.TAILS.items()}


@dataclass(frozen=True)
class Answer:
    """What a run gave: the result's 32 bits, the used maps' entries and queues' records as bytes, the packet."""

    retval: int
    maps: dict[str, dict[bytes, bytes]]
    events: dict[str, list[bytes]]
    packet: bytes


class BpfRun:
    """A compiled program loaded into a pool's world. A context manager."""

    def __init__(self, compiled: Compiled, pool: Pool) -> None:
        self.name = pool.world
        self.used, self.hook, self.pool = compiled.used, compiled.hook, pool
        held = pool.objects_of(self.hook)
        with vm.backend(pool.world):
            self.prog = load_spec(compiled.spec, [name and held[name] for name in compiled.captures])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.prog.close()

    def run(self, sample: Sample) -> Answer:
        self.pool.begin(self.used, sample)
        run = hooks.given(self.hook, sample.packet, sample.seed)
        self.pool.dirty(self.hook, run)
        ran = self.prog.test_run(run.packet, run.context)
        maps, events = self.pool.end(self.used)
        return Answer(ran.retval, maps, events, ran.data[hooks.ROWS[self.hook].start or 0 :])

    def errors(self) -> dict[tuple[int, str], int]:
        """How often runs ended where Python would have raised, by line and exception."""
        return {(site.line, site.error): count for site, count in self.prog.errors.items()}


class PythonRun:
    """A program's runs in CPython."""

    name = "CPython"

    def __init__(self, program: Program, used: Sequence[str]) -> None:
        self.hook = program.hook
        self.used = used
        named = set(_NAMES.findall(program.source)) | set(used)
        if "J" in named:
            named |= tails.USED
        self.maps = [name for name in MAPS if name in named]  # of which some may be behind what always raises
        self.queues = [name for name in QUEUES if name in named]
        self.globals = [name for name in GLOBALS if name in named]
        self.codes = [*preludes(program.source, _TYPED_PRELUDES), typed_source(program.source, FILE)]
        self.raised: dict[tuple[int, str], int] = {}

    def run(self, sample: Sample) -> Answer:
        """Runs the program. Raises LeavesType for a sample outside of what the language promises."""
        maps = {name: (SimulatedTrie if MAPS[name].is_trie else SimulatedMap)(MAPS[name]) for name in self.maps}
        queues = {name: (SimulatedRing if name in RINGS else SimulatedQueue)(QUEUES[name]) for name in self.queues}
        maps["IN"][0] = tuple(sample.values[name] for name, _ in Input._fields_)
        for i in range(OUTPUTS):
            maps["OUT"][i] = UNWRITTEN
        for name, held in maps.items():
            if sample.filled and name in FILLINGS:
                for key, value in FILLINGS[name].items():
                    held[key] = value if isinstance(value, (int, tuple)) else _View(value)
        first = {name: bytes_of(GLOBALS[name], initial(name, sample)) for name in self.globals}
        values = {name: SimulatedGlobal(GLOBALS[name], data) for name, data in first.items()}
        ctx = hooks.python_context(self.hook, hooks.given(self.hook, sample.packet, sample.seed))
        retval = self._call(ctx, {**maps, **queues, **values}) & 0xFFFFFFFF
        contents = {name: maps[name].contents() for name in self.maps if name in self.used and name != "IN"}
        contents |= {name: {b"": bytes(values[name].raw)} for name in self.globals if name in self.used}
        return Answer(
            retval,
            contents,
            {name: queues[name].records for name in self.queues if name in self.used},
            ctx.packet_after() if hooks.ROWS[self.hook].start is not None else b"",
        )

    def _call(self, ctx: Any, objects: Mapping[str, Any]) -> int:
        hook = SPECS[hooks.ROWS[self.hook].kind]
        names = {**_WORLD, **objects}
        names["J"] = SimulatedTails({i: lambda code=code: define([code], names)(ctx) for i, code in _TAILS.items()})
        try:
            result = define(self.codes, names)(ctx)
            return hook.default if result is None else int(result)
        except EndOfProgram:
            return 0
        except TailCalled as called:
            return int(called.args[0])
        except RAISED as error:
            place = _line(error), type(error).__name__
            self.raised[place] = self.raised.get(place, 0) + 1
            return hook.fallback


@dataclass
class _View:
    raw: Any


def _line(error: BaseException) -> int:
    """The program's line that raised: the innermost one."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in (FILE, PRELUDE_FILE, OBJECTS_FILE, shared.__file__):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


_WORLD: dict[str, Any] = {
    **BUILTINS, **PLACES, **CONSTANTS, "CODES": {key: typed(value) for key, value in CONSTANTS["CODES"].items()},
    **{name: Type(kind) for name, kind in {**STRUCTS, **SCALARS}.items()},
    "funcs": Funcs, "print": lambda *values: None, **dict.fromkeys((*MAPS, *QUEUES)),
}  # fmt: skip
