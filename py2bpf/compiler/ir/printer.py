"""Text of an IR function, for golden tests, ``dis`` and PY2BPF_VERBOSE."""

from __future__ import annotations

from enum import Enum
from typing import Any

from .ops import Op, Raise
from .types import Void
from .values import Block, Function, Value


def to_text(fn: Function) -> str:
    """One line a value, ``%3 = add i64 %1, 5``; constants stand where they are used.

    Predecessors, and phis' arguments with them, are in the order of the blocks: how they came to be there differs
    between versions of CPython.
    """
    names: dict[Value, str] = {}
    labels: dict[Block, str] = {block: f"b{i}" for i, block in enumerate(fn.blocks)}
    for block in fn.blocks:
        for value in block.values():
            if not isinstance(value.type, Void):
                names[value] = f"%{len(names)}"
    places = {block: i for i, block in enumerate(fn.blocks)}
    kind = fn.hook.name if isinstance(fn.result, Void) else str(fn.result)
    lines = [f"{'program' if isinstance(fn.result, Void) else 'subprogram'} {fn.name} ({kind})"]
    for block in fn.blocks:
        order = sorted(range(len(block.preds)), key=[places.get(pred, -1) for pred in block.preds].__getitem__)
        preds = ", ".join(labels.get(block.preds[i], "?") for i in order)
        lines.append(f"{labels[block]}:" + (f"  ; from {preds}" if preds else ""))
        lines += ["  " + _line(phi, [phi.args[i] for i in order], names, labels) for phi in block.phis]
        lines += ["  " + _line(value, value.args, names, labels) for value in block.body]
    return "\n".join(lines) + "\n"


def _line(value: Value, operands: list[Value], names: dict[Value, str], labels: dict[Block, str]) -> str:
    result = f"{names[value]} = " if value in names else ""
    kind = f" {value.type}" if value in names else ""
    args = [_name(arg, names) for arg in operands]
    args += [_attr(item, labels) for item in _attrs(value)]
    return f"{result}{value.op.value}{kind}" + (" " + ", ".join(args) if args else "")


def _name(value: Value, names: dict[Value, str]) -> str:
    return str(value.attr) if value.op is Op.CONST else names.get(value, f"?{value.op.value}")


def _attrs(value: Value) -> tuple[Any, ...]:
    if value.attr is None:
        return ()
    if value.op is Op.CALL:
        return (value.attr.name,)
    return value.attr if not isinstance(value.attr, Raise) and isinstance(value.attr, tuple) else (value.attr,)


def _attr(item: Any, labels: dict[Block, str]) -> str:
    if isinstance(item, Block):
        return labels.get(item, "?")
    if isinstance(item, Raise):
        return str(item)
    if isinstance(item, bool):
        return "signed" if item else "unsigned"
    return str(item.value) if isinstance(item, Enum) else f"#{item}"
