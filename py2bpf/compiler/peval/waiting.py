"""States that wait to be merged: at blocks, until all paths to them are evaluated, and at the end of functions."""

from __future__ import annotations

from ..ir.values import Block
from .frames import Frame, Node
from .state import State
from .values import Abstract


class Waiting:
    """Puts states into their frames and takes them out. ``kept`` counts heap objects in all waiting states."""

    def __init__(self) -> None:
        self.kept = 0

    def put(self, frame: Frame, node: Node, state: State) -> Block:
        """Adds the state of a path that leads to ``node``; gives the block to jump to."""
        block, states = frame.pending.setdefault(node, (Block(), []))
        states.append(self._keep(state))
        return block

    def take(self, frame: Frame, node: Node) -> tuple[Block, list[State]]:
        """The block of a node, and the states at its beginning in the order of its predecessors."""
        block, states = frame.pending.pop(node)
        self._free(states)
        return block, states

    def leave(self, frame: Frame, state: State, value: Abstract) -> None:
        """Adds the state of a path that returns ``value``."""
        frame.exits.append((self._keep(state), value))

    def returned(self, frame: Frame) -> list[State]:
        """The states in which a function returns, each with only the result on its stack."""
        self._free([state for state, _ in frame.exits])
        return [State([value], {}, state.cells, state.heap) for state, value in frame.exits]

    def _keep(self, state: State) -> State:
        self.kept += len(state.heap)
        return state

    def _free(self, states: list[State]) -> None:
        self.kept -= sum(len(state.heap) for state in states)
