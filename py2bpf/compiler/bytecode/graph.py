"""The shape of a control flow graph: natural loops, and an order of the blocks that keeps each loop together.

A graph is a list of successor tuples; node 0 is the entry and every node is reachable from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

Graph = Sequence[tuple[int, ...]]


class NaturalLoop(NamedTuple):
    """``header`` and ``body`` (with the header and inner loops) are nodes, ``parent`` is an index of loops or -1."""

    header: int
    body: set[int]
    parent: int


class IrreducibleError(Exception):
    """A cycle has two entries; ``node`` is in it."""

    def __init__(self, node: int) -> None:
        super().__init__(node)
        self.node = node


def depth_first(start: int, edges: Callable[[int], Iterable[int]]) -> tuple[list[int], list[tuple[int, int]]]:
    """Search from ``start``; return the nodes in postorder and the edges that lead back to a node being visited."""
    postorder: list[int] = []
    backward: list[tuple[int, int]] = []
    active = {start: True}  # True while below the node, False when done
    path = []
    node, rest = start, iter(edges(start))
    while True:
        for successor in rest:
            state = active.get(successor)
            if state is None:
                path.append((node, rest))
                active[successor] = True
                node, rest = successor, iter(edges(successor))
                break
            if state:
                backward.append((node, successor))
        else:
            active[node] = False
            postorder.append(node)
            if not path:
                return postorder, backward
            node, rest = path.pop()


def predecessors(graph: Graph) -> list[list[int]]:
    """The predecessors of every node."""
    result: list[list[int]] = [[] for _ in graph]
    for node, successors in enumerate(graph):
        for successor in successors:
            result[successor].append(node)
    return result


def _bodies(graph: Graph, backward: list[tuple[int, int]]) -> dict[int, set[int]]:
    """Header -> the nodes that reach one of its back edges without passing it. Raises IrreducibleError."""
    before = predecessors(graph)
    bodies: dict[int, set[int]] = {}
    for latch, header in backward:
        body = bodies.setdefault(header, {header})
        pending = [latch]
        while pending:
            node = pending.pop()
            if node in body:
                continue
            if node == 0:  # reached from the entry without the header, so the header dominates nothing
                raise IrreducibleError(header)
            body.add(node)
            pending += before[node]
    return bodies


def find_loops(graph: Graph, backward: list[tuple[int, int]]) -> tuple[list[NaturalLoop], list[int]]:
    """The natural loops, outer before inner, and for each node its innermost loop's index or -1."""
    loops: list[NaturalLoop] = []
    loop_of = [-1] * len(graph)
    for header, body in sorted(_bodies(graph, backward).items(), key=lambda item: -len(item[1])):
        loop = NaturalLoop(header, body, loop_of[header])
        for node in body:
            loop_of[node] = len(loops)
        loops.append(loop)
    return loops, loop_of


def _by_level(graph: Graph, loops: list[NaturalLoop], level: int, start: int) -> list[int]:
    """The nodes of a loop (or with level -1 the graph) in order; an inner loop counts as one node, its header."""
    stands_for = {node: node for node in (loops[level].body if level >= 0 else range(len(graph)))}
    inner = {loop.header: index for index, loop in enumerate(loops) if loop.parent == level}
    for header, index in inner.items():
        stands_for.update(dict.fromkeys(loops[index].body, header))

    def edges(node: int) -> list[int]:
        sources = sorted(loops[inner[node]].body) if node in inner else (node,)
        targets = [stands_for[target] for source in sources for target in graph[source] if target in stands_for]
        return [target for target in targets if target not in (start, node)]

    result: list[int] = []
    for node in reversed(depth_first(start, edges)[0]):
        result += _by_level(graph, loops, inner[node], node) if node in inner else (node,)
    return result


def _exits_first(graph: Graph, loops: list[NaturalLoop]) -> list[int] | None:
    """A depth-first search that visits edges out of a loop before edges inside. Quick, and nearly always sufficient.

    None when a loop's nodes came out scattered.
    """
    turned = list(graph)
    for loop in loops:
        for node in loop.body:
            successors = turned[node]
            if len(successors) == 2 and successors[0] in loop.body and successors[1] not in loop.body:
                turned[node] = successors[::-1]
    order = depth_first(0, turned.__getitem__)[0][::-1]
    for loop in loops:
        start = order.index(loop.header)
        if not loop.body.issuperset(order[start : start + len(loop.body)]):
            return None
    return order


def arrange(graph: Graph) -> tuple[list[int], list[NaturalLoop], list[int]]:
    """Find the order of the nodes, the loops, and the innermost loop of each node.

    The order is a reverse postorder in which the nodes of every loop are contiguous and its header comes first.
    Raises IrreducibleError for a cycle with two entries.
    """
    postorder, backward = depth_first(0, graph.__getitem__)
    if not backward:
        return postorder[::-1], [], [-1] * len(graph)
    loops, loop_of = find_loops(graph, backward)
    return _exits_first(graph, loops) or _by_level(graph, loops, -1, 0), loops, loop_of
