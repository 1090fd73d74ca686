"""A physical register for each virtual one, by colouring the graph of interference after Chaitin and Briggs.

Moves are removed if their two ends can be one register. Then registers are taken out of the graph, first those that
certainly get a colour, and coloured in the opposite order. A register that gets no colour must be spilled.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from .interference import Interference, Weighted
from .machine import ALLOCATABLE, VIRTUAL

_PHYSICAL: Final = (1 << VIRTUAL) - 1
_INFINITE: Final = float("inf")


class Colouring:
    """Colours one graph, which it changes; ``temporaries`` are the registers that must not be spilled again."""

    def __init__(self, graph: Interference, temporaries: Collection[int]) -> None:
        self.graph = graph
        self.temporaries = temporaries
        self.adjacent = graph.adjacent
        self.cost = graph.cost
        self.alias = list(range(len(graph.adjacent)))
        self.colour_of: dict[int, int] = {}
        self.partners: dict[int, list[Weighted]] = {}
        self._coalesce()
        self._pair()

    def colour(self) -> list[int]:
        """Assigns colours; returns the registers (as all their virtual names) that must be spilled."""
        failed = {register for register in reversed(self._simplify()) if not self._select(register)}
        if not failed:
            return []
        return [v for v in range(VIRTUAL, len(self.alias)) if self.find(v) in failed]

    def colours(self) -> dict[int, int]:
        """The physical register of every virtual one."""
        return {v: self.colour_of.get(self.find(v), 0) for v in range(VIRTUAL, len(self.alias))}

    # coalescing

    def find(self, register: int) -> int:
        """The register into which this one was coalesced."""
        while self.alias[register] != register:
            self.alias[register] = self.alias[self.alias[register]]
            register = self.alias[register]
        return register

    def _coalesce(self) -> None:
        """Makes one register of the two ends of a move if that certainly causes no spill (Briggs)."""
        for _, dst, src in sorted(self.graph.moves, key=lambda move: -move[0]):
            a, b = self.find(dst), self.find(src)
            if a == b or self.adjacent[a] >> b & 1:
                continue
            if a in self.temporaries or b in self.temporaries:
                continue
            if self._is_safe(a, b):
                self._unite(a, b)

    def _is_safe(self, a: int, b: int) -> bool:
        both = self.adjacent[a] | self.adjacent[b]
        colours = (ALLOCATABLE & ~both).bit_count()
        neighbours = both & ~_PHYSICAL & self.graph.present
        if neighbours.bit_count() < colours:
            return True
        significant = 0
        while neighbours:
            low = neighbours & -neighbours
            register = low.bit_length() - 1
            if (self.adjacent[register] & ~_PHYSICAL).bit_count() >= self.graph.allowed(register).bit_count():
                significant += 1
            neighbours ^= low
        return significant < colours

    def _unite(self, a: int, b: int) -> None:
        graph = self.graph
        self.alias[b] = a
        self.adjacent[a] |= self.adjacent[b]
        self.cost[a] += self.cost[b]
        if b in graph.hints:
            graph.hints.setdefault(a, []).extend(graph.hints[b])
        graph.present &= ~(1 << b)
        graph.present |= 1 << a
        bit, gone = 1 << a, ~(1 << b)
        for register in _bits(self.adjacent[b]):
            self.adjacent[register] = self.adjacent[register] & gone | bit

    def _pair(self) -> None:
        """Notes for each register the other ends of its remaining moves."""
        for weight, dst, src in self.graph.moves:
            a, b = self.find(dst), self.find(src)
            if a != b:
                self.partners.setdefault(a, []).append((weight, b))
                self.partners.setdefault(b, []).append((weight, a))

    # the order in which registers leave the graph

    def _simplify(self) -> list[int]:
        """Registers in the order of removal: first those that certainly get a colour."""
        rest = self.graph.present
        degree: dict[int, int] = {}
        limit: dict[int, int] = {}
        easy: list[int] = []
        for register in _bits(rest):
            degree[register] = (self.adjacent[register] & rest).bit_count()
            limit[register] = self.graph.allowed(register).bit_count()
            if degree[register] < limit[register]:
                easy.append(register)
        order: list[int] = []
        while rest:
            while easy:
                register = easy.pop()
                if rest >> register & 1:
                    rest = self._remove(register, rest, degree, limit, easy, order)
            if rest:
                victim = min(_bits(rest), key=lambda r: self._spill_cost(r) / (degree[r] + 1))
                rest = self._remove(victim, rest, degree, limit, easy, order)
        return order

    def _remove(self, register: int, rest: int, degree: dict[int, int], limit: dict[int, int], easy: list[int],
                order: list[int]) -> int:  # fmt: skip
        rest &= ~(1 << register)
        order.append(register)
        for other in _bits(self.adjacent[register] & rest):
            degree[other] -= 1
            if degree[other] == limit[other] - 1:
                easy.append(other)
        return rest

    def _spill_cost(self, register: int) -> float:
        return _INFINITE if register in self.temporaries else self.cost[register]

    # colours

    def _select(self, register: int) -> bool:
        free = self.graph.allowed(register)
        for other in _bits(self.adjacent[register] & ~_PHYSICAL):
            colour = self.colour_of.get(other)
            if colour is not None:
                free &= ~(1 << colour)
        if not free:
            return False
        self.colour_of[register] = self._preferred(register, free)
        return True

    def _preferred(self, register: int, free: int) -> int:
        """The free register that saves the most moves, or else one that calls destroy anyway."""
        votes: dict[int, float] = {}
        for weight, physical in self.graph.hints.get(register, ()):
            if free >> physical & 1:
                votes[physical] = votes.get(physical, 0) + weight
        for weight, other in self.partners.get(register, ()):
            colour = self.colour_of.get(other)
            if colour is not None and free >> colour & 1:
                votes[colour] = votes.get(colour, 0) + weight
        if votes:
            return max(votes, key=lambda colour: votes[colour])
        return (free & -free).bit_length() - 1


def _bits(mask: int) -> list[int]:
    """The numbers of the bits that are set."""
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found
