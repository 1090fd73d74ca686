"""Reads IR back from the printer's text, so that a pass is tested by its text before and after."""

from __future__ import annotations

import re

from py2bpf.compiler.ir.ops import Op, Raise
from py2bpf.compiler.ir.types import CTX, I64, STACK, U64, VOID, Ptr, Region
from py2bpf.compiler.ir.values import Block, Function, Value, const
from py2bpf.uapi.hooks import SPECS
from py2bpf.uapi.prog_types import ProgType

_TYPES = {
    "i64": I64, "u64": U64, "ctx*": CTX, "stack*": STACK,
    "value*": Ptr(Region.VALUE), "value*?": Ptr(Region.VALUE, True),
    "mem*?": Ptr(Region.MEM, True),
}  # fmt: skip
_OPS = {op.value: op for op in Op}


def parse(text: str) -> Function:
    """The function of a text such as to_text() makes; phis follow the order of ``; from``."""
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
        attrs = [_attr(word, blocks) for word in words if not re.match(r"%|-?\d", word)]
        if attrs:
            single = value.op in (Op.ALLOCA, Op.BSWAP, Op.MAP, Op.GUARD, Op.EXIT)
            value.attr = attrs[0] if single else tuple(attrs)
        wanted.append((value, [word for word in words if re.match(r"%|-?\d", word)]))
        (block.phis if value.op is Op.PHI else block.body).append(value)
    for value, names in wanted:
        value.args = [values[name] if name[0] == "%" else const(int(name)) for name in names]
    return fn


def _attr(word: str, blocks: dict[str, Block]) -> object:
    if word in blocks:
        return blocks[word]
    if word in ("signed", "unsigned"):
        return word == "signed"
    if word.endswith("Error"):
        return Raise(word)
    return int(word.removeprefix("#"))
