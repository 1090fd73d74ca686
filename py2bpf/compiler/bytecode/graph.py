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
    stack = [(start, iter(edges(start)))]
    while stack:
        node, rest = stack[-1]
        for successor in rest:
            state = active.get(successor)
            if state is None:
                active[successor] = True
                stack.append((successor, iter(edges(successor))))
                break
            if state:
                backward.append((node, successor))
        else:
            active[node] = False
            postorder.append(node)
            stack.pop()
    return postorder, backward


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
            if node == 0:  # reached from the entry without the header, which so dominates nothing
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


class _Order:
    """Orders level by level: at each, the loops directly inside count as one node, named by their header."""

    def __init__(self, graph: Graph, loops: list[NaturalLoop], loop_of: list[int]) -> None:
        self.graph = graph
        self.loops = loops
        self.loop_of = loop_of
        self.level = -1
        self.header = -1
        self.result: list[int] = []

    def run(self, level: int, start: int) -> None:
        self.level, self.header = level, start
        for node in reversed(depth_first(start, self.edges)[0]):
            inner = self.loop_at(node)
            if inner == level:
                self.result.append(node)
            else:
                self.run(inner, node)
                self.level, self.header = level, start

    def loop_at(self, node: int) -> int:
        """The loop which ``node`` stands for at this level: the level's own one when it is plain; -2 when outside."""
        index, inner = self.loop_of[node], self.level
        while index != self.level:
            if index == -1:
                return -2
            index, inner = self.loops[index].parent, index
        return inner

    def edges(self, node: int) -> list[int]:
        loop = self.loop_at(node)
        sources: Iterable[int] = (node,) if loop == self.level else sorted(self.loops[loop].body)
        result = []
        for source in sources:
            for successor in self.graph[source]:
                inner = self.loop_at(successor)
                if inner >= 0 and inner != self.level:
                    successor = self.loops[inner].header
                if inner != -2 and successor not in (self.header, node):
                    result.append(successor)
        return result


def arrange(graph: Graph) -> tuple[list[int], list[NaturalLoop], list[int]]:
    """Find the order of the nodes, the loops, and the innermost loop of each node.

    The order is a reverse postorder in which the nodes of every loop are contiguous and its header comes first.
    Raises IrreducibleError for a cycle with two entries.
    """
    postorder, backward = depth_first(0, graph.__getitem__)
    if not backward:
        return postorder[::-1], [], [-1] * len(graph)
    loops, loop_of = find_loops(graph, backward)
    order = _Order(graph, loops, loop_of)
    order.run(-1, 0)
    return order.result, loops, loop_of
