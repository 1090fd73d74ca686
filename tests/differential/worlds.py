"""The worlds that run a random program: CPython over simulated maps, and BPF in the kernel.

A pool has one of each map, which all programs of a process share; between runs the used ones are brought back to where
a sample begins.
"""

from __future__ import annotations

import ctypes
import functools
import linecache
import os
import random
import re
import types
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self

import shared
from constructs import PRELUDE
from grammar import Program
from oracle import BUILTINS, typed, typed_source
from shared import CONSTANTS, GLOBALS, MAPS, OUTPUTS, QUEUES, STRUCTS, Input, Traffic, create_queue
from simulated import EndOfProgram, Funcs, PacketContext, SimulatedGlobal, SimulatedMap, SimulatedQueue, Type

from py2bpf import Global, funcs, vm
from py2bpf.datastructures.globals import Place
from py2bpf.exception import MixedSigns, PossiblyNone
from py2bpf.prog import ProgType, compile_prog, load_spec
from py2bpf.spec import ProgramSpec, Target
from py2bpf.uapi.contexts import SK_BUFF, XDP_MD
from py2bpf.uapi.prog_types import HOOKS

UNWRITTEN = 0xA5A5_5A5A_DEAD_BEEF
FILE, PRELUDE_FILE = "<random program>", "<prelude>"
RAISED = (ArithmeticError, ValueError, AssertionError, LookupError, AttributeError, TypeError, RuntimeError)
SCALARS = {name: getattr(ctypes, name) for name in ("c_int16", "c_int32", "c_int64", "c_uint8", "c_uint16", "c_uint32")}
_NAMES = re.compile(r"\b[A-Z]+\b")
_ETHERNET = 14
_LOST = ".lost"
_IP, _IP_SIZE = (b"\x08\0", b"\x86\xdd"), 54  # Ethernet types, and headers of Ethernet and IPv6
_START = {"socket_filter": _ETHERNET, "sched_cls": 0, "xdp": 0}
_CONTEXTS: dict[str, Any] = {"socket_filter": SK_BUFF, "sched_cls": SK_BUFF, "xdp": XDP_MD}
"""Where a context's packet begins: socket filters don't see the Ethernet header."""


@dataclass(frozen=True)
class Sample:
    """One run's beginning: the fields of Input, the packet, whether the maps have entries."""

    values: Mapping[str, int]
    packet: bytes
    filled: bool


@dataclass(frozen=True)
class Answer:
    """What a run gave: the result's 32 bits, the used maps' entries and queues' records as bytes, the packet."""

    retval: int
    maps: dict[str, dict[bytes, bytes]]
    events: dict[str, list[bytes]]
    packet: bytes


_EDGES = {
    "a": (-(1 << 63), (1 << 63) - 1, -1), "b": ((1 << 64) - 1, 1 << 63), "c": (-(1 << 31), (1 << 31) - 1, -1),
    "e": ((1 << 32) - 1, 1 << 31), "f": (-(1 << 15), (1 << 15) - 1, -1), "d": (255, 128),
}  # fmt: skip
_BITS = {"a": 64, "b": 64, "c": 32, "e": 32, "f": 16, "d": 8}
_TYPES = dict(Input._fields_)


def samples(seed: int | str, count: int) -> list[Sample]:
    """Inputs near the boundaries and anywhere, the same for the same seed."""
    numbers = random.Random(f"sample {seed}")
    found = []
    for i in range(count):
        size = (1, 3, 8, 16, 33, 64)[i % 6]
        values = {}
        for name, bits in _BITS.items():
            number = numbers.getrandbits(min(size, bits)) * numbers.choice((1, 1, -1))
            if numbers.random() < 0.08:
                number = numbers.choice(_EDGES[name])
            values[name] = _TYPES[name](number).value
        packet = numbers.randbytes(numbers.choice((14, 20, 64, 64, 64, 100)))
        if packet[12:14] in _IP and len(packet) < _IP_SIZE:  # of which the kernel makes no test run
            packet = packet[:12] + b"\x88\xb5" + packet[14:]
        found.append(Sample(values, packet, i % 3 == 1))
    return found


def filling(name: str) -> dict[Any, Any]:
    """The entries that a map has at the beginning of a filled sample."""
    row = MAPS[name]
    numbers = random.Random(f"filling of {name}")
    count = row.entries if row.is_array else 4
    entries = {}
    for i in range(count):
        value = row.value.from_buffer_copy(numbers.randbytes(ctypes.sizeof(row.value)))
        if isinstance(value, ctypes._SimpleCData):
            value = row.value(numbers.choice((1, 3, 200, -5, 70000))).value
        elif isinstance(value, ctypes.Structure):
            value = row.value(*(_small(numbers, kind) for _, kind, *_ in row.value._fields_))
        key: Any = i
        if issubclass(row.key, ctypes.Structure):
            key = (i, i & 1, i >> 1)
        entries[key] = value
    return entries


def _small(numbers: random.Random, kind: Any) -> Any:
    if issubclass(kind, ctypes._SimpleCData):
        return numbers.choice((0, 1, 2, 100, 7))
    is_text = issubclass(kind, ctypes.Array) and kind._type_ is ctypes.c_char
    return numbers.choice((b"ab", b"xyz1", b"")) if is_text else kind()


FILLINGS = {name: filling(name) for name in MAPS if name not in ("IN", "OUT")}


def _bytes(kind: Any, value: Any) -> bytes:
    if isinstance(value, tuple):
        return bytes(kind(*value))
    if isinstance(value, Place):
        value = value.whole()
    return bytes(value) if isinstance(value, (ctypes.Structure, ctypes.Array)) else bytes(kind(value))


class Pool:
    """The maps and queues of one world that keeps them in BPF's form. A context manager.

    Keeps its process on one CPU meanwhile: the one whose values count in per-CPU maps.
    """

    def __init__(self, world: vm.Name = "kernel") -> None:
        self.world: vm.Name = world
        self._cpus = os.sched_getaffinity(0)
        self.cpu = sorted(self._cpus)[os.getpid() % len(self._cpus)]
        os.sched_setaffinity(0, {self.cpu})
        if world == "vm":
            self.cpu = 0
        with ExitStack() as stack, vm.backend(world):
            self.maps = {name: stack.enter_context(row.create()) for name, row in MAPS.items()}
            self.queues = {name: stack.enter_context(create_queue(record)) for name, record in QUEUES.items()}
            self.globals = {name: stack.enter_context(Global(kind)) for name, kind in GLOBALS.items()}
            self.names()  # opens the counters
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()
        os.sched_setaffinity(0, self._cpus)

    @property
    def objects(self) -> dict[str, Any]:
        return {**self.maps, **self.queues, **self.globals}

    def names(self) -> list[str]:
        """Of all that programs may hold: also of the counters that stand beside maps, for what these could not take."""
        counted = [name for name, held in self.maps.items() if getattr(held, "lost_counter", None) is not None]
        return [*self.objects, *(f"{name}{_LOST}" for name in counted)]

    def held(self, name: str) -> Any:
        """What has a name."""
        return self.maps[name.removesuffix(_LOST)].lost_counter if name.endswith(_LOST) else self.objects[name]

    def begin(self, used: Iterable[str], sample: Sample) -> None:
        """Puts the sample into the used maps."""
        for name in used:
            if name in QUEUES:
                continue
            if name in GLOBALS:
                self.globals[name].value = _initial(name, sample)
                continue
            m, row = self.maps[name], MAPS[name]
            if name == "IN":
                m[0] = Input(**sample.values)
            elif name == "OUT":
                m.update(dict.fromkeys(range(OUTPUTS), UNWRITTEN))
            else:
                if not row.is_array:
                    m.clear()
                if sample.filled:
                    m.update(_FILLED[name])
                elif row.is_array:
                    m.update(_EMPTY[name])

    def end(self, used: Iterable[str]) -> tuple[dict[str, dict[bytes, bytes]], dict[str, list[bytes]]]:
        """What the used maps and queues have now; takes the records out."""
        maps, events = {}, {}
        for name in used:
            if name in QUEUES:
                events[name] = [_bytes(QUEUES[name], record) for record in self.queues[name].poll(0)]
            elif name in GLOBALS:
                maps[name] = {b"": _bytes(GLOBALS[name], self.globals[name].value)}
            elif name != "IN":
                row = MAPS[name]
                entries = self.maps[name].items()
                if row.per_cpu:
                    entries = [(key, values[self.cpu]) for key, values in entries]
                maps[name] = {_bytes(row.key, key): _bytes(row.value, value) for key, value in entries}
        return maps, events


def _initial(name: str, sample: Sample) -> Any:
    """A global variable's value before a run."""
    if GLOBALS[name] is Traffic:
        return Traffic(7, -5, 3, 2, 1, b"ab") if sample.filled else Traffic()
    return 12345 if sample.filled else 0


def _entries(name: str, entries: Mapping[Any, Any]) -> list[tuple[Any, Any]]:
    """Entries in the form in which maps of the library take them."""
    key = MAPS[name].key
    return [(key(*k) if isinstance(k, tuple) else k, v) for k, v in entries.items()]


_FILLED = {name: _entries(name, entries) for name, entries in FILLINGS.items()}
_EMPTY = {
    name: [(i, row.value() if issubclass(row.value, ctypes.Structure) else 0) for i in range(row.entries)]
    for name, row in MAPS.items()
    if row.is_array
}


linecache.cache[PRELUDE_FILE] = (len(PRELUDE), None, PRELUDE.splitlines(True), PRELUDE_FILE)
_PLAIN_PRELUDE = compile(PRELUDE, PRELUDE_FILE, "exec")
_TYPED_PRELUDE = typed_source(PRELUDE, PRELUDE_FILE)


class Compiled:
    """A program compiled for BPF, with the names of the maps that it uses."""

    def __init__(self, program: Program, pool: Pool, target: Target | None = None) -> None:
        linecache.cache[FILE] = (len(program.source), None, program.source.splitlines(True), FILE)
        names = {**pool.objects, **STRUCTS, **SCALARS, **CONSTANTS, "funcs": funcs}
        function = _define([_PLAIN_PRELUDE, compile(program.source, FILE, "exec")], names)
        self.hook = program.hook
        self.spec: ProgramSpec = _compile(program.hook, function, target)
        names = {id(pool.held(name)): name for name in pool.names()}
        self.captures = [None if capture is None else names[id(capture)] for capture in self.spec.captures]
        self.used = sorted({name for name in self.captures if name in pool.objects} | {"IN", "OUT"})


def _compile(hook: str, function: Any, target: Target | None) -> ProgramSpec:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PossiblyNone)
        warnings.simplefilter("ignore", MixedSigns)
        return compile_prog(ProgType[hook.upper()], _CONTEXTS[hook], function, target=target)


def _define(codes: Iterable[types.CodeType], names: Mapping[str, Any]) -> Callable[[Any], Any]:
    namespace: dict[str, Any] = {"__name__": "differential", "functools": functools, **names}
    for code in codes:
        exec(code, namespace)
    function: Callable[[Any], Any] = namespace["program"]
    return function


class BpfRun:
    """A compiled program loaded into a pool's world. A context manager."""

    def __init__(self, compiled: Compiled, pool: Pool) -> None:
        self.name = pool.world
        self.used, self.hook, self.pool = compiled.used, compiled.hook, pool
        with vm.backend(pool.world):
            self.prog = load_spec(compiled.spec, [name and pool.held(name) for name in compiled.captures])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.prog.close()

    def run(self, sample: Sample) -> Answer:
        self.pool.begin(self.used, sample)
        ran = self.prog.test_run(sample.packet)
        maps, events = self.pool.end(self.used)
        return Answer(ran.retval, maps, events, ran.data[_START[self.hook] :])

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
        self.maps = [name for name in MAPS if name in named]  # of which some may be behind what always raises
        self.queues = [name for name in QUEUES if name in named]
        self.globals = [name for name in GLOBALS if name in named]
        self.code = typed_source(program.source, FILE)
        self.raised: dict[tuple[int, str], int] = {}

    def run(self, sample: Sample) -> Answer:
        """Runs the program. Raises LeavesType for a sample outside of what the language promises."""
        maps = {name: SimulatedMap(MAPS[name]) for name in self.maps}
        queues = {name: SimulatedQueue(QUEUES[name]) for name in self.queues}
        maps["IN"][0] = tuple(sample.values[name] for name, _ in Input._fields_)
        for i in range(OUTPUTS):
            maps["OUT"][i] = UNWRITTEN
        for name, held in maps.items():
            if sample.filled and name in FILLINGS:
                for key, value in FILLINGS[name].items():
                    held[key] = value if isinstance(value, (int, tuple)) else _View(value)
        values = {
            name: SimulatedGlobal(GLOBALS[name], _bytes(GLOBALS[name], _initial(name, sample))) for name in self.globals
        }
        skb = PacketContext(sample.packet, _START[self.hook])
        retval = self._call(skb, {**maps, **queues, **values}) & 0xFFFFFFFF
        contents = {name: maps[name].contents() for name in self.maps if name in self.used and name != "IN"}
        contents |= {name: {b"": bytes(values[name].raw)} for name in self.globals if name in self.used}
        return Answer(
            retval,
            contents,
            {name: queues[name].records for name in self.queues if name in self.used},
            bytes(skb.bytes[skb.start :]),
        )

    def _call(self, skb: PacketContext, objects: Mapping[str, Any]) -> int:
        hook = HOOKS[ProgType[self.hook.upper()]]
        try:
            result = _define([_TYPED_PRELUDE, self.code], {**_WORLD, **objects})(skb)
            return hook.neutral if result is None else int(result)
        except EndOfProgram:
            return 0
        except RAISED as error:
            place = _line(error), type(error).__name__
            self.raised[place] = self.raised.get(place, 0) + 1
            return hook.safe


@dataclass
class _View:
    raw: Any


def _line(error: BaseException) -> int:
    """The program's line that raised: the innermost one."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in (FILE, PRELUDE_FILE, shared.__file__):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


_WORLD: dict[str, Any] = {
    **BUILTINS, **CONSTANTS, "CODES": {key: typed(value) for key, value in CONSTANTS["CODES"].items()},
    **{name: Type(kind) for name, kind in {**STRUCTS, **SCALARS}.items()},
    "funcs": Funcs, "print": lambda *values: None, **dict.fromkeys((*MAPS, *QUEUES)),
}  # fmt: skip
