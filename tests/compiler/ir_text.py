"""Reads IR back from the printer's text, so that a pass is tested by its text before and after."""

from __future__ import annotations

import re

from py2bpf.compiler.ir.ops import Op, Raise
from py2bpf.compiler.ir.types import CTX, I64, STACK, U64, VOID, Ptr, Region
from py2bpf.compiler.ir.values import Block, Function, Value, append, const
from py2bpf.uapi.helpers import HELPERS
from py2bpf.uapi.hooks import SPECS
from py2bpf.uapi.prog_types import ProgType

_TYPES = {
    "i64": I64, "u64": U64, "ctx*": CTX, "stack*": STACK,
    "value*": Ptr(Region.VALUE), "value*?": Ptr(Region.VALUE, True),
    "mem*?": Ptr(Region.MEM, True), "map*": Ptr(Region.MAP), "packet*": Ptr(Region.PACKET),
}  # fmt: skip
_OPS = {op.value: op for op in Op}
_SINGLE = (
    Op.ALLOCA, Op.BSWAP, Op.MAP, Op.MAPVALUE, Op.PARAM, Op.FUNC, Op.CALL, Op.CALL_SUB, Op.LOOP, Op.GUARD, Op.EXIT,
)  # fmt: skip
"""The operations whose attribute is no tuple."""


def parse(text: str) -> Function:
    """The function of a text such as to_text() makes; phis follow the order of ``; from``. The subprograms that the
    text names return 0."""
    fn = Function("test", SPECS[ProgType.SOCKET_FILTER])
    lines = [line.strip() for line in text.strip().splitlines()]
    blocks = {label: Block() for line in lines if (label := line.split(":")[0]) and re.match(r"b\d+:", line)}
    values: dict[str, Value] = {}
    wanted: list[tuple[Value, list[str]]] = []
    for line in lines:
        header = re.match(r"(b\d+):(?:\s*; from (.*))?$", line)
        if header:
            block = blocks[header[1]]
            fn.blocks.append(block)
            block.preds = [blocks[name] for name in (header[2] or "").split(", ") if name]
            continue
        name, _, rest = line.rpartition(" = ")
        words = rest.replace(",", "").split()
        value = Value(_OPS[words.pop(0)], [], _TYPES[words.pop(0)] if name else VOID)
        values[name] = value
        attrs = [_attr(word, blocks, fn) for word in words if not re.match(r"%|-?\d", word)]
        if attrs:
            value.attr = attrs[0] if value.op in _SINGLE else tuple(attrs)
        wanted.append((value, [word for word in words if re.match(r"%|-?\d", word)]))
        (block.phis if value.op is Op.PHI else block.body).append(value)
        fn.params += value.op is Op.PARAM
    for value, names in wanted:
        value.args = [values[name] if name[0] == "%" else const(int(name)) for name in names]
    return fn


def _attr(word: str, blocks: dict[str, Block], fn: Function) -> object:
    if word in blocks:
        return blocks[word]
    if word in ("signed", "unsigned"):
        return word == "signed"
    if word.endswith("Error"):
        return Raise(word)
    if word in HELPERS:
        return HELPERS[word]
    if word in _OPS:
        return _OPS[word]
    name = word.removeprefix("#")
    return int(name) if re.match(r"-?\d", name) else _subprogram(name, fn)


def _subprogram(name: str, fn: Function) -> Function:
    for known in fn.subprograms:
        if known.name == name:
            return known
    made = Function(name, fn.hook)
    made.blocks = [Block()]
    append(made.blocks[0], Op.RETURN, [const(0)])
    made.belong_to(fn)
    return made
