"""Common subexpressions: a pure operation is not repeated if a dominating block has done it already.

%1 = and %0, 15          %1 = and %0, 15
%2 = and %0, 15     ->   (uses of %2 become %1)

The verifier applies a test of an index only to values computed after the test. So an address, and the values that it is
computed from, are not taken from before a test that bounds the index.

%1 = shl %0, 3              %1 = shl %0, 3
%2 = ptradd %9, %1          %2 = ptradd %9, %1
guard ult %0, 2        ->   guard ult %0, 2
%4 = shl %0, 3              %4 = shl %0, 3
%5 = ptradd %9, %4          %5 = ptradd %9, %4
"""

from __future__ import annotations

from typing import Any

from ..ir.dominators import dominators
from ..ir.ops import INFO, Op
from ..ir.values import Block, Function, Value, replace_all

Tests = tuple[Value, "Tests"] | None
"""The conditions that were tested on the way to a place, last one first."""
Table = dict[Any, tuple[Value, Tests]]
"""The value of each computed operation, and the tests before it."""
Changes = list[tuple[Any, tuple[Value, Tests] | None]]
"""Earlier entries of the table, to be restored."""


def run(fn: Function) -> None:
    """Walks down the dominator tree with one table; on the way up, its changes are undone."""
    tree = dominators(fn)
    indices = _indices(fn)
    new: dict[Value, Value] = {}
    table: Table = {}
    waiting: list[tuple[Block | None, Tests]] = [(fn.blocks[0], None)]
    changes: list[Changes] = []
    while waiting:
        block, tests = waiting.pop()
        if block is None:
            _take_back(table, changes.pop())
            continue
        changes.append([])
        tests = _walk(block, tests, table, changes[-1], new, indices)
        waiting.append((None, None))
        waiting += [(child, tests) for child in reversed(tree.children[block])]
    replace_all(fn, new)


def _walk(
    block: Block, tests: Tests, table: Table, changed: Changes, new: dict[Value, Value], indices: set[Value],
) -> Tests:  # fmt: skip
    """Processes a block; gives the conditions that are tested at its end."""
    kept = []
    for value in block.body:
        args = value.args
        for position, arg in enumerate(args):
            if arg in new:
                args[position] = new[arg]
        if INFO[value.op].pure and value.op is not Op.CTX:
            key = _key(value)
            known = table.get(key)
            earlier, before = known or (value, tests)
            if earlier is not value and not (value in indices and _bounded(value, tests, before)):
                new[value] = earlier
                continue
            changed.append((key, known))
            table[key] = value, tests
        elif value.op in (Op.GUARD, Op.BRANCH):
            tests = value.args[0], tests
        kept.append(value)
    block.body = kept
    return tests


def _take_back(table: Table, changed: Changes) -> None:
    for key, before in reversed(changed):
        if before is None:
            del table[key]
        else:
            table[key] = before


def _indices(fn: Function) -> set[Value]:
    """The addresses that contain an index, and the values from which the indices are computed."""
    found: set[Value] = set()
    for block in fn.blocks:
        for value in block.body:
            if value.op is Op.PTRADD and value.args[1].op is not Op.CONST:
                found |= {value, *_parts(value.args[1])}
    return found


def _bounded(value: Value, now: Tests, before: Tests) -> bool:
    """Whether a test between two places may have bounded a value's operands."""
    inner: set[Value] = set()
    for arg in value.args:
        inner |= _parts(arg)
    while now is not before:
        assert now is not None
        condition, now = now
        tested = _parts(condition)
        if inner & tested and value not in tested:
            return True
    return False


def _parts(value: Value) -> set[Value]:
    """The values from which a number is computed, including itself, without constants."""
    found: set[Value] = set()
    rest = [value]
    while rest:
        part = rest.pop()
        if part.op is not Op.CONST and part not in found:
            found.add(part)
            rest += part.args if INFO[part.op].pure else []
    return found


def _key(value: Value) -> Any:
    args = [(arg.attr, arg.type) if arg.op is Op.CONST else id(arg) for arg in value.args]
    if INFO[value.op].commutative:
        args.sort(key=str)
    return (value.op, value.type, value.attr, *args)
