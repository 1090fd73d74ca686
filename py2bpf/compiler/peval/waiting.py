"""States that wait: at blocks, until all ways that lead there are evaluated, and at the end of their function."""

from __future__ import annotations

from ..ir.values import Block
from .frames import Frame, Node
from .state import State
from .values import Abstract


class Waiting:
    """Puts states into their frames and takes them out. ``kept`` counts the objects of the heap in all that wait."""

    def __init__(self) -> None:
        self.kept = 0

    def put(self, frame: Frame, node: Node, state: State) -> Block:
        """A path leads to ``node``; the block that it is to jump to."""
        block, states = frame.pending.setdefault(node, (Block(), []))
        states.append(self._keep(state))
        return block

    def take(self, frame: Frame, node: Node) -> tuple[Block, list[State]]:
        """The block of a node, and the states at its beginning in the order of its predecessors."""
        block, states = frame.pending.pop(node)
        self._free(states)
        return block, states

    def leave(self, frame: Frame, state: State, value: Abstract) -> None:
        """A path returns ``value``."""
        frame.exits.append((self._keep(state), value))

    def returned(self, frame: Frame) -> list[State]:
        """The states in which a function returns, each with the result on its stack alone."""
        self._free([state for state, _ in frame.exits])
        return [State([value], {}, state.cells, state.heap) for state, value in frame.exits]

    def _keep(self, state: State) -> State:
        self.kept += len(state.heap)
        return state

    def _free(self, states: list[State]) -> None:
        self.kept -= sum(len(state.heap) for state in states)
