"""Merges the states of several paths where the paths meet."""

from __future__ import annotations

import types
from typing import Any

from ...exception import InternalCompilerError
from ..ir.ops import Op
from ..ir.types import I64, Int, Type, join_ints
from ..ir.values import Block, Value
from . import block_ends, variables
from .describe import differ
from .joins import JOINS
from .state import Heap, State
from .values import Abstract, Closure, Const, Mixed, NoValue, Variable


class Merger:
    """Merges the values that come over the edges into ``target``, and makes phis there. Implements ``Meeting``."""

    def __init__(self, target: Block) -> None:
        self.target = target

    def states(self, states: list[State]) -> State:
        first = states[0]
        if len(states) == 1:
            return first
        depth = len(first.stack)
        if any(len(state.stack) != depth for state in states):
            raise InternalCompilerError("peval", "paths meet with stacks of different depth")
        stack = [self._slot([state.stack[i] for state in states]) for i in range(depth)]
        return State(
            stack,
            self.tables([state.locals for state in states]),
            self.tables([state.cells for state in states]),
            self.heaps([state.heap for state in states]),
        )

    def tables(self, tables: list[dict[Any, Abstract]]) -> dict[Any, Abstract]:
        """Merges variables by name. One that is missing on a path can't be used afterwards."""
        first = tables[0]
        if all(table == first for table in tables[1:]):
            return first.copy()
        merged = {}
        for name in dict.fromkeys(name for table in tables for name in table):
            values = [table.get(name) for table in tables]
            merged[name] = self.values([v or NoValue("it is assigned on some paths only") for v in values])
        return merged

    def heaps(self, heaps: list[Heap]) -> Heap:
        """Merges objects made in the program. One that only some paths made is not reachable afterwards."""
        first, *rest = heaps
        merged: Heap = first.copy()
        for ident in dict.fromkeys(ident for heap in rest for ident in _unlike(first, heap)):
            versions = [heap.get(ident) for heap in heaps]
            if any(version is None for version in versions):
                del merged[ident]
            else:
                merged[ident] = self._object(versions)
        return merged

    def _object(self, versions: list[Any]) -> Any:
        if (unusable := next((v for v in versions if isinstance(v, NoValue)), None)) is not None:
            return unusable
        if isinstance(versions[0], Abstract):
            merged = self.values(versions)
            uneven = NoValue("more items are taken from it on one path than on another")
            return uneven if isinstance(merged, NoValue) else merged
        if isinstance(versions[0], dict):
            if any(list(version) != list(versions[0]) for version in versions[1:]):
                return NoValue("the dict has different keys on the paths that meet here")
            return {key: self.values([version[key] for version in versions]) for key in versions[0]}
        if any(len(v) != len(versions[0]) for v in versions[1:]):
            return NoValue("the list has different lengths on the paths that meet here")
        return tuple(self.values(list(items)) for items in zip(*versions, strict=True))

    def _slot(self, values: list[Abstract]) -> Abstract:
        """Merges one value of the stack; gives a Mixed if the values can't be joined."""
        merged = self.values(values)
        if not isinstance(merged, NoValue) or any(isinstance(v, NoValue) and not isinstance(v, Mixed) for v in values):
            return merged
        if all(merged is value for value in values):
            return merged
        ways = [(pred, variables.read_at(pred, v)) for pred, v in zip(self.target.preds, values, strict=True)]
        truths = [truth for pred, value in ways if (truth := value.truth_at(pred)) is not None]
        truth = self.phi(truths) if len(truths) == len(ways) else None
        return Mixed(merged.why, truth, self.phi([value.none_at(pred) for pred, value in ways]))

    def values(self, values: list[Abstract]) -> Abstract:
        """One value for all paths; a NoValue with the reason if there is none."""
        first = values[0]
        if all(first.same(other) for other in values[1:]):
            return first
        for value in values:
            if isinstance(value, NoValue):
                return NoValue(value.why)
        if any(isinstance(value, Variable) for value in values):
            if (variable := variables.joined(values)) is not None:
                return variable
            values = [variables.read_at(pred, value) for pred, value in zip(self.target.preds, values, strict=True)]
            first = values[0]
        for join in JOINS:
            merged = join.merge(self, values)
            if merged is not None:
                return merged
        other = next(value for value in values if not first.same(value))
        here, there = differ(first, other)
        apart = "; call each on its own path" if _is_function(first) and _is_function(other) else ""
        return NoValue(f"it is {here} on one path and {there} on another{apart}")

    def phi(self, args: list[Value]) -> Value:
        """A phi of integers, u64 if one of them is."""
        kind = I64
        for arg in args:
            assert isinstance(arg.type, Int)
            kind = join_ints(kind, arg.type)
        ways = zip(self.target.preds, args, strict=True)
        return self.phi_of([block_ends.cast(pred, arg, kind) for pred, arg in ways], kind)

    def phi_of(self, args: list[Value], kind: Type) -> Value:
        """A phi of the type that all arguments have, or of addresses."""
        phi = Value(Op.PHI, args, kind)
        self.target.phis.append(phi)
        return phi


def _is_function(value: Abstract) -> bool:
    return isinstance(value, Closure) or (isinstance(value, Const) and isinstance(value.obj, types.FunctionType))


def _unlike(first: Heap, other: Heap) -> list[Any]:
    """The objects that another heap lacks, or holds with other contents. Compared by identity, since unrolled loops
    make thousands of objects, nearly all the same."""
    return [ident for ident, version in first.items() if other.get(ident) is not version]
