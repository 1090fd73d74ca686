"""The interface of the evaluator for values, calls and handlers; evaluator.py implements it."""

from __future__ import annotations

import types
from typing import Any, NamedTuple, Protocol

from ...exception import Span, TranslationError
from ...spec import HookSpec
from ..bytecode.canonical import Instr
from ..ir.values import Value
from .builder import Builder
from .decisions import Decisions
from .frames import Frame
from .registry import Registry
from .state import State
from .values import Abstract, CellId, CellRef, Ref


class Taken(NamedTuple):
    """The origin of a list's ``items``: the array ``source``, as it was when the builder had counted ``writes``, and
    ``kept``, its copy in memory (``source`` itself if the items were loaded)."""

    items: tuple[Abstract, ...]
    source: Ref
    kept: Ref
    writes: int


class Consumer:
    """Takes the items of a generator expression; see generators.py."""

    def step(self, ev: Machine, frame: Frame, state: State, value: Abstract) -> None:
        """Takes one item. The generator's code may go on afterwards."""
        raise NotImplementedError

    def result(self, ev: Machine, frame: Frame, state: State) -> Abstract:
        """The call's value after the last item."""
        return state.cells[frame.path, "<found>"]


class Machine(Protocol):
    """One attempt to evaluate a program. ``b`` emits IR; ``frame`` is the activation that runs now."""

    b: Builder
    hook: HookSpec
    frame: Frame | None
    following: Instr | None
    """The instruction after the one that is evaluated."""
    decisions: Decisions
    """The decisions, which outlive the attempt."""
    registry: Registry
    slots: dict[CellId, Value]
    """The places in memory of variables whose address is taken."""
    owners: dict[CellId, types.CodeType]
    """The functions that own the cells."""
    consumers: dict[Frame, Consumer]
    """The consumers of generator expressions that run now."""
    taken: dict[int, Taken]
    """Lists that were made from arrays, by their number in the heap."""
    endless: list[Any]
    """The program's own constant iterators that have no last item."""

    def ident(self) -> int:
        """A fresh number for a cell or an object of the heap."""

    def nested(self, b: Builder) -> Machine:
        """An evaluator for a subprogram that is called at the current place."""

    def real_frame(self, fn: types.FunctionType, path: tuple[Any, ...], site: Span | None) -> Frame:
        """An activation of a function that exists in Python."""

    def activation(
        self, code: types.CodeType, globals: dict[str, Any], path: tuple[Any, ...], site: Span | None
    ) -> Frame:
        """An activation of a function that is called from ``site``."""

    def run(self, frame: Frame, names: dict[str, Abstract], state: State) -> Abstract:
        """Evaluates a frame's code at the current place, and gives its return value; ``state`` gets the cells and heap
        as the call leaves them. Raises PathEnds if no path returns."""

    def leave(self, frame: Frame, state: State, value: Abstract) -> None:
        """Ends the current block: its path returns ``value`` from the frame."""

    def located(self, error: TranslationError) -> TranslationError:
        """The error, with its place and the calls that lead there."""

    def call(
        self, state: State, callee: Abstract, args: tuple[Abstract, ...], kwargs: dict[str, Abstract], unit: int
    ) -> Abstract:
        """``callee(*args, **kwargs)``; ``unit`` numbers the calls within one function."""

    def attribute(self, state: State, owner: Abstract, name: str) -> Abstract:
        """``owner.name``."""

    def operate(self, state: State, op: str, left: Abstract, right: Abstract) -> Abstract:
        """``left op right``, where ``op`` is an operator or a comparison."""

    def truth(self, state: State, value: Abstract) -> Value:
        """``bool(value)`` as a branch condition."""

    def cell(self, frame: Frame, state: State, name: str) -> Abstract:
        """A cell or free variable's value."""

    def cell_ref(self, frame: Frame, name: str) -> CellRef:
        """A cell or free variable itself, for a closure."""
