"""Reads IR back from the printer's text, so that passes and analyses are tested by text."""

from __future__ import annotations

import dataclasses
import re
from ctypes import c_uint32, c_uint64
from typing import Any

from py2bpf.compiler.ir.ops import ATTRIBUTES, Op, Raise
from py2bpf.compiler.ir.types import I64, U64, VOID, Ptr, Region, Type
from py2bpf.compiler.ir.values import Block, Function, Value, append, const
from py2bpf.spec import MapSpec, Target
from py2bpf.uapi.helpers import HELPERS
from py2bpf.uapi.hooks import BY_NAME
from py2bpf.uapi.map_types import MapType

MAPS = (
    MapSpec(MapType.HASH, c_uint32, c_uint64, 64),
    MapSpec(MapType.ARRAY, c_uint32, c_uint64, 64),
    MapSpec(MapType.RINGBUF, None, None, 4096, data_type=c_uint64),
)
"""The maps of a function with the setting ``maps``; the last is what records belong to."""
EDGES = {"data": 76, "data_end": 80}
_INTS = {"i64": I64, "u64": U64}
_SPECS = {Region.RECORD: MAPS[2]}
_TUPLES = {op for op, names in ATTRIBUTES.items() if len(names) > 1} | {Op.JUMP}


def parse(text: str) -> Function:
    """The function of a text such as to_text() makes, with those that it names after it; phis follow the order of
    ``; from``.

    Before the blocks may stand ``program NAME (HOOK)`` or ``subprogram NAME (TYPE)``, and ``@`` lines: ``@ without
    iterators`` for the target, ``@ flag %1`` for what tells a caller that the program ends, ``@ maps``, ``@ callback``.
    Functions that are named and not there return 0.
    """
    parts = re.split(r"^(?=program |subprogram )", text.strip(), flags=re.M)
    program, *others = [_Reader(part) for part in parts if part.strip()]
    functions = {reader.fn.name: reader.fn for reader in others}
    for reader in (*others, program):
        reader.read(functions)
    for fn in functions.values():
        fn.belong_to(program.fn)
    return program.fn


class _Reader:
    def __init__(self, text: str) -> None:
        self.lines = [line.partition(" | ")[0].strip() for line in text.strip().splitlines()]
        self.fn = self._head()
        self.fn.edges.update(EDGES)
        self.blocks: dict[str, Block] = {}
        self.values: dict[str, Value] = {}

    def _head(self) -> Function:
        found = re.match(r"(?:program|subprogram) (\w+) \((\w+)\)", self.lines[0])
        name, kind = (found[1], found[2]) if found else ("test", "socket_filter")
        if found:
            del self.lines[0]
        fn = Function(name, BY_NAME["socket_filter" if kind in _INTS else kind].spec)
        if kind in _INTS:
            fn.result = _INTS[kind]
        return fn

    def read(self, functions: dict[str, Function]) -> None:
        settings = [line[2:].split() for line in self.lines if line.startswith("@ ")]
        self.functions = functions
        labels = [found[1] for line in self.lines if (found := re.match(r"(b\d+):", line))]
        self.blocks = {label: Block() for label in labels}
        rows = [self._row(line) for line in self.lines if not line.startswith("@ ")]
        for value, names in filter(None, rows):
            value.args = [self.values[name] if name[0] == "%" else const(int(name)) for name in names]
        for word, *rest in settings:
            self._set(word, rest)

    def _set(self, word: str, rest: list[str]) -> None:
        if word == "without":
            self.fn.target = dataclasses.replace(Target(), **dict.fromkeys(rest, False))
        elif word == "flag":
            self.fn.flag = self.values[rest[0]]
        elif word == "maps":
            self.fn.maps[:] = MAPS
        else:
            setattr(self.fn, word, True)

    def _row(self, line: str) -> tuple[Value, list[str]] | None:
        header = re.match(r"(b\d+):(?:\s*; from (.*))?$", line)
        if header:
            block = self.blocks[header[1]]
            self.fn.blocks.append(block)
            block.preds = [self.blocks[name.strip()] for name in (header[2] or "").split(",") if name]
            return None
        name, _, rest = line.rpartition(" = ")
        word, _, rest = rest.partition(" ")
        op, kind = Op(word), VOID
        if name:
            word, _, rest = rest.partition(" ")
            kind = _type(word)
        parts = [part for part in rest.split(", ") if part]
        operands = [part for part in parts if re.match(r"%|-?\d", part)]
        value = Value(op, [], kind, self._attr(op, [part for part in parts if part not in operands]))
        self.values[name] = value
        self.fn.params += op is Op.PARAM
        block = self.fn.blocks[-1]
        (block.phis if op is Op.PHI else block.body).append(value)
        return value, operands

    def _attr(self, op: Op, parts: list[str]) -> Any:
        if not parts:
            return None
        names = ATTRIBUTES[op]
        found = [self._part(name, part.removeprefix(f"{name}=")) for name, part in zip(names, parts, strict=True)]
        return tuple(found) if op in _TUPLES else found[0]

    def _part(self, name: str, text: str) -> Any:
        if text in self.blocks:
            return self.blocks[text]
        if name == "raises":
            error = text.removesuffix(" on None")
            return Raise("" if error == "impossible" else error, error != text)
        readers = {"helper": HELPERS.__getitem__, "op": Op, "function": self._function, "start": str, "end": str,
                   "callback": self._function, "bounds": str}  # fmt: skip
        if name in readers:
            return readers[name](text)
        return {"signed": True, "unsigned": False, "yes": True, "no": False}.get(text, text) if (
            name in ("signed", "in_reach")) else int(text)

    def _function(self, name: str) -> Function:
        if name not in self.functions:
            made = self.functions[name] = Function(name, self.fn.hook)
            made.blocks = [Block()]
            append(made.blocks[0], Op.RETURN, [const(0)])
        return self.functions[name]


def _type(text: str) -> Type:
    if text in _INTS:
        return _INTS[text]
    region = Region(text.rstrip("*?"))
    return Ptr(region, text.endswith("?"), _SPECS.get(region))
