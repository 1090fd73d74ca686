"""Common subexpressions: a pure operation that a dominating block has done already is not done again.

%1 = and %0, 15          %1 = and %0, 15
%2 = and %0, 15     ->   (uses of %2 become %1)
"""

from __future__ import annotations

from typing import Any

from ..ir.dominators import dominators
from ..ir.ops import INFO, Op
from ..ir.values import Function, Value, replace_all


def run(fn: Function) -> None:
    """One walk in dominance order."""
    tree = dominators(fn)
    new: dict[Value, Value] = {}
    tables: list[dict[Any, Value]] = []
    for i, block in enumerate(fn.blocks):
        table = dict(tables[tree.idom[i]]) if i else {}
        tables.append(table)
        kept = []
        for value in block.body:
            args = value.args
            for position, arg in enumerate(args):
                if arg in new:
                    args[position] = new[arg]
            if INFO[value.op].pure and value.op is not Op.CTX:
                earlier = table.setdefault(_key(value), value)
                if earlier is not value:
                    new[value] = earlier
                    continue
            kept.append(value)
        block.body = kept
    replace_all(fn, new)


def _key(value: Value) -> Any:
    args = [(arg.attr, arg.type) if arg.op is Op.CONST else id(arg) for arg in value.args]
    if INFO[value.op].commutative:
        args.sort(key=str)
    return (value.op, value.type, value.attr, *args)
