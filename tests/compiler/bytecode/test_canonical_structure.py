"""The shape of decoded functions: of all functions of the standard library, and of random graphs."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest
from canonical_machine import Machine
from hypothesis import given
from hypothesis import strategies as st

from py2bpf.compiler import bytecode
from py2bpf.compiler.bytecode import Function, Instr, Op, canonical, decode, stack
from py2bpf.compiler.bytecode.canonical import STORES, TERMINATORS
from py2bpf.compiler.bytecode.graph import Graph, IrreducibleError, _by_level, arrange, depth_first, find_loops
from py2bpf.compiler.bytecode.stack import effect
from py2bpf.compiler.peval import flow
from py2bpf.compiler.peval.handlers import HANDLERS

MODULES = (
    "argparse ast calendar configparser csv dataclasses _pydecimal difflib fractions heapq inspect ipaddress "
    "json.decoder json.encoder logging pickle random shlex statistics string subprocess tarfile textwrap threading "
    "tokenize traceback typing urllib.parse uuid zipfile"
).split()


@pytest.mark.parametrize("op", set(Op) - {Op.UNSUPPORTED}, ids=lambda op: op.name)
def test_each_operation_is_known_in_each_table(op: Op) -> None:
    assert op.name.removeprefix("BUILD_") in (canonical.__doc__ or ""), "describe it at the top of canonical.py"
    assert op is Op.FOR_ITER or op in stack._FIXED or op in stack._COUNTED, "give it a row in bytecode/stack.py"
    if op in TERMINATORS:
        assert op in flow._ENDS, "give it a row in peval/flow.py"
    else:
        assert op in HANDLERS, "give it a row in a module of peval/handlers/"
        assert op is Op.YIELD or hasattr(Machine, op.name), "give it a method in canonical_machine.py"


def codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes(constant)


def functions(module: str) -> Iterator[Function]:
    """All functions of a module of the standard library: not the module itself, nor its classes' bodies."""
    spec = importlib.util.find_spec(module)
    assert spec is not None and spec.loader is not None
    for code in codes(spec.loader.get_code(module)):  # type: ignore[attr-defined]
        if code.co_flags & 0x2:  # fast locals
            yield decode(code)


@pytest.mark.parametrize("module", MODULES)
def test_standard_library(module):
    found = list(functions(module))
    for function in found:
        check_blocks(function)
        check_loops(function)
        check_depths(function)
    assert found


def check_blocks(function: Function) -> None:
    reached = {0}
    for index, block in enumerate(function.blocks):
        assert block.index == index
        assert block.instrs[-1].op in TERMINATORS
        assert not any(instr.op in TERMINATORS for instr in block.instrs[:-1])
        for instr in block.instrs:
            assert instr.target == (block.succ[0] if block.succ and instr is block.instrs[-1] else -1)
            span = instr.span
            assert span.line >= 1 and span.filename == function.filename and span.function == function.qualname
        assert len(block.succ) == {Op.JUMP: 1, Op.BRANCH: 2, Op.FOR_ITER: 2}.get(block.instrs[-1].op, 0)
        assert index in reached, "an unreachable block, or one that precedes all of its predecessors"
        reached.update(block.succ)


def check_loops(function: Function) -> None:
    blocks, loops = function.blocks, function.loops
    for block in blocks:
        for target in block.succ:
            if target <= block.index:  # a back edge
                assert any(loop.header == target and block.index in loop.body for loop in loops)
    for index, loop in enumerate(loops):
        assert loop.body == frozenset(range(loop.header, loop.header + len(loop.body))), "the loop is scattered"
        for block in blocks:
            assert block.index in loop.body or not loop.body.intersection(block.succ) - {loop.header}
        stored = {instr.arg for member in loop.body for instr in blocks[member].instrs if instr.op in STORES}
        assert loop.stored == stored
        assert loop.parent < index
        if loop.parent >= 0:
            assert loop.body < loops[loop.parent].body
        check_turn(function, index)
    for block in blocks:
        around = [index for index, loop in enumerate(loops) if block.index in loop.body]
        assert function.loop_of[block.index] == min(around, key=lambda index: len(loops[index].body), default=-1)


def check_turn(function: Function, number: int) -> None:
    """No way from the header back to it misses the block in which a turn begins, and no inner loop has that block."""
    loop, blocks = function.loops[number], function.blocks
    assert loop.turn in loop.body and function.loop_of[loop.turn] == number
    if blocks[loop.header].instrs[0].op is Op.FOR_ITER:
        assert loop.turn == blocks[loop.header].succ[1]
    reached, pending = {loop.turn}, [loop.header]
    while pending:
        index = pending.pop()
        if index in loop.body and index not in reached:
            reached.add(index)
            assert loop.header not in blocks[index].succ
            pending += blocks[index].succ


def check_depths(function: Function) -> None:
    """The stack is equally deep on all ways to a block, never too shallow, and empty at the end."""
    depths = {0: 0}
    for block in function.blocks:
        depth = depths[block.index]
        for instr in block.instrs:
            depth = after(instr, depth)
        last = block.instrs[-1]
        if last.op is Op.RETURN:
            assert depth == 0
        for index, target in enumerate(block.succ):
            leaving = depth + (-1, 1)[index] if last.op is Op.FOR_ITER else depth
            assert depths.setdefault(target, leaving) == leaving, f"the stack's depth differs at block {target}"


def after(instr: Instr, depth: int) -> int:
    if instr.op is Op.FOR_ITER:
        return depth
    pops, pushes = effect(instr)
    assert depth >= pops, f"{instr} takes more than there is"
    return depth - pops + pushes


graphs = st.integers(2, 9).flatmap(
    lambda count: st.lists(
        st.lists(st.integers(1, count - 1), max_size=2, unique=True).map(tuple),
        min_size=count,
        max_size=count,
    )
)


def reachable(graph: Graph) -> Graph:
    """The part of a graph that can be reached from its entry, renumbered."""
    nodes = sorted(depth_first(0, graph.__getitem__)[0])
    return [tuple(nodes.index(target) for target in graph[node]) for node in nodes]


def reducible(graph: Graph) -> bool:
    """By the definition of reducible graphs: removing self-loops and merging nodes into their only predecessors leaves
    one.
    """
    edges = {node: set(targets) for node, targets in enumerate(graph)}
    changed = True
    while changed:
        changed = False
        for node in list(edges):
            edges[node].discard(node)
            before = [other for other in edges if node in edges[other]]
            if node and len(before) == 1:
                edges[before[0]] |= edges.pop(node)
                edges[before[0]].discard(node)
                changed = True
    return len(edges) == 1


@given(graphs)
def test_order_of_any_graph(graph):
    graph = reachable(graph)
    try:
        order, loops, loop_of = arrange(graph)
    except IrreducibleError:
        assert not reducible(graph)
        return
    assert reducible(graph)
    for candidate in (order, _by_level(graph, loops, -1, 0)):  # the quick way, and the one for when it fails
        assert sorted(candidate) == list(range(len(graph))) and candidate[0] == 0
        position = {node: index for index, node in enumerate(candidate)}
        for node, targets in enumerate(graph):
            for target in targets:
                back = any(loop.header == target and node in loop.body for loop in loops)
                assert back or position[node] < position[target]
        for loop in loops:
            places = sorted(position[node] for node in loop.body)
            assert places[0] == position[loop.header] and places[-1] - places[0] == len(places) - 1
    assert find_loops(graph, depth_first(0, graph.__getitem__)[1]) == (loops, loop_of)


def test_two_entries():
    with pytest.raises(IrreducibleError):
        arrange([(1, 2), (2,), (1,)])


def test_the_supported_pythons_are_told() -> None:
    """Those with a module of bytecode: to package indexes by pyproject.toml, to readers by README.md."""
    root = Path(__file__).resolve().parents[3]
    versions = [f"{major}.{minor}" for major, minor in bytecode.SUPPORTED]
    assert versions[0] == "3.11" and len(versions) >= 5
    classifiers = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', (root / "pyproject.toml").read_text())
    assert classifiers == versions
    assert f"CPython {versions[0]} to {versions[-1]}" in (root / "README.md").read_text()
