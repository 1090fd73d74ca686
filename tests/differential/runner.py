"""Runs one function's source in CPython and in the kernel, on the same inputs, and compares the results.

The source defines ``program(ctx)`` and perhaps helper functions. Inputs are arrays of one entry (``A[0]``),
results go to ``OUT[i]`` (unsigned 64 bits, all of them compared) and into the return value; ``H`` is a hash map of
signed 64-bit numbers that begins empty, ``Rec`` a struct.
"""

from __future__ import annotations

import ctypes
import itertools
import linecache
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self

from oracle import BUILTINS, MASK, LeavesType, SimulatedMap, simulated_struct, typed_source

from py2bpf.datastructures import ArrayMap, HashMap
from py2bpf.prog import Prog, ProgType, create_prog
from py2bpf.socket_filter import SkBuffContext
from py2bpf.uapi.hooks import SPECS

FALLBACK = SPECS[ProgType.SOCKET_FILTER].fallback
DEFAULT = SPECS[ProgType.SOCKET_FILTER].default
UNWRITTEN = 0xA5A5_5A5A_DEAD_BEEF
PACKET = bytes(64)
HASH_ENTRIES = 64
TYPES: dict[str, Any] = {
    "i8": ctypes.c_int8, "i16": ctypes.c_int16, "i32": ctypes.c_int32, "i64": ctypes.c_int64,
    "u8": ctypes.c_uint8, "u16": ctypes.c_uint16, "u32": ctypes.c_uint32, "u64": ctypes.c_uint64,
}  # fmt: skip
_numbers = itertools.count()


class Record(ctypes.Structure):
    """``Rec()`` in the sources: a struct on the program's stack."""

    _fields_ = [
        ("i8", ctypes.c_int8), ("u16", ctypes.c_uint16), ("i32", ctypes.c_int32), ("u64", ctypes.c_uint64),
        ("b3", ctypes.c_uint32, 3), ("s5", ctypes.c_int32, 5), ("i64", ctypes.c_int64), ("u8", ctypes.c_uint8),
        ("i16", ctypes.c_int16), ("row", ctypes.c_uint16 * 4), ("u32", ctypes.c_uint32),
    ]  # fmt: skip


SimulatedRecord = simulated_struct(Record)


@dataclass(frozen=True)
class Answer:
    """What a run gave: the return value's 32 bits, the results, the hash map."""

    retval: int
    out: tuple[int, ...]
    items: tuple[tuple[int, int], ...]


class Case:
    """A source compiled for both worlds. ``inputs`` maps the arrays' names to their types' (``{"A": "u8"}``)."""

    def __init__(self, source: str, inputs: Mapping[str, str], outputs: int = 1) -> None:
        self.source = source
        self.inputs = dict(inputs)
        self.outputs = outputs
        with ExitStack() as stack:
            self.maps = {
                name: stack.enter_context(ArrayMap(TYPES[kind], 1)) for name, kind in self.inputs.items()
            }
            self.out = stack.enter_context(ArrayMap(ctypes.c_uint64, outputs))
            self.hash = None
            if re.search(r"\bH\b", source):
                self.hash = stack.enter_context(HashMap(ctypes.c_uint32, ctypes.c_int64, HASH_ENTRIES))
            name = _register(source)
            self.code = typed_source(source, name)
            names = {**self.maps, "OUT": self.out, "H": self.hash, "Rec": Record}
            compiled = _define(compile(source, name, "exec"), names)
            self.prog: Prog = stack.enter_context(create_prog(ProgType.SOCKET_FILTER, SkBuffContext, compiled))
            self.out.update(dict.fromkeys(range(outputs), UNWRITTEN))
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def kernel(self, values: Mapping[str, int]) -> Answer:
        """Runs the compiled program once."""
        for name, value in values.items():
            self.maps[name][0] = value
        if self.hash is not None:
            self.hash.clear()
        run = self.prog.test_run(PACKET)
        out = tuple(self.out.values())
        written = {i: UNWRITTEN for i, number in enumerate(out) if number != UNWRITTEN}
        self.out.update(written)
        items = () if self.hash is None else tuple(sorted(self.hash.items()))
        return Answer(run.retval, out, items)

    def python(self, values: Mapping[str, int]) -> Answer:
        """Runs the source in CPython. Raises LeavesType for a sample outside of the promise."""
        return simulate(self.code, self.inputs, values, self.outputs)

    def check(self, values: Mapping[str, int]) -> bool:
        """Compares both worlds on one input; False if the sample is none."""
        try:
            expected = self.python(values)
        except LeavesType:
            return False
        got = self.kernel(values)
        assert got == expected, self.report(values, expected, got)
        return True

    def report(self, values: Mapping[str, int], expected: object, got: object) -> str:
        """What a failure shows."""
        return f"\n{self.source}\ninput    {dict(values)}\nCPython  {expected}\nkernel   {got}"


def _register(source: str) -> str:
    """A file name by which diagnostics find the source."""
    name = f"<differential {next(_numbers)}>"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    return name


def _define(code: Any, names: dict[str, Any]) -> Callable[[Any], Any]:
    namespace: dict[str, Any] = {"__name__": "differential", **names}
    exec(code, namespace)
    program: Callable[[Any], Any] = namespace["program"]
    return program


def simulate(code: Any, inputs: Mapping[str, str], values: Mapping[str, int], outputs: int) -> Answer:
    """One run in CPython over simulated maps. If Python raises, the program ends with the hook's fallback result."""
    maps = {name: SimulatedMap(TYPES[kind], 1) for name, kind in inputs.items()}
    for name, value in values.items():
        maps[name].fill([value])
    out, table = SimulatedMap(ctypes.c_uint64, outputs), SimulatedMap(ctypes.c_int64)
    out.fill([UNWRITTEN] * outputs)
    program = _define(code, {**BUILTINS, **maps, "OUT": out, "H": table, "Rec": SimulatedRecord})
    try:
        result = program(None)
        retval = DEFAULT if result is None else int(result)
    except (ArithmeticError, ValueError, AssertionError, LookupError):
        retval = FALLBACK
    return Answer(retval & 0xFFFFFFFF, tuple(out.items[i] for i in range(outputs)), tuple(sorted(table.items.items())))


class Cells:
    """Many expressions over the same inputs in one program, each with its own verdict.

    Expression i goes to ``OUT[i]``. Where one leaves its type only its own cell counts for nothing; where one
    raises, the program ends and the cells after it stay unwritten.
    """

    def __init__(self, expressions: Sequence[str], inputs: Mapping[str, str], names: str = "") -> None:
        self.expressions = list(expressions)
        lines = [f"    {name.lower()} = {name}[0]" for name in inputs]
        lines += [f"    OUT[{i}] = {text}" for i, text in enumerate(self.expressions)]
        source = names + "def program(ctx):\n" + "\n".join(lines) + "\n    return 7\n"
        self.case = Case(source, inputs, len(self.expressions))
        prelude: dict[str, Any] = {}
        exec(names, prelude)
        self.functions = [
            eval(f"lambda {', '.join(name.lower() for name in inputs)}: {text}", {**prelude, **BUILTINS})
            for text in self.expressions
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.case.__exit__()

    def check(self, values: Mapping[str, int]) -> int:
        """Compares one input; the number of cells that counted."""
        answer = self.case.kernel(values)
        maps = {name: SimulatedMap(TYPES[kind], 1) for name, kind in self.case.inputs.items()}
        arguments = []
        for name, simulated in maps.items():
            simulated.fill([values[name]])
            arguments.append(simulated[0])
        checked, ended = 0, False
        for i, (text, function) in enumerate(zip(self.expressions, self.functions, strict=True)):
            expected = UNWRITTEN
            if not ended:
                try:
                    expected = int(function(*arguments)) & MASK
                except LeavesType:
                    continue
                except (ArithmeticError, ValueError):
                    ended = True
            assert answer.out[i] == expected, self.case.report(values, (text, expected), (answer.out[i], answer))
            checked += 1
        assert answer.retval == (FALLBACK if ended else 7), self.case.report(values, "the end", answer)
        return checked
