"""What values, calls and handlers may ask of the evaluation in progress; evaluator.py answers."""

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
    """Where a list's ``items`` are from: the array ``source``, as it was when the builder had counted ``writes``, and
    ``kept``, the copy of it in memory (``source`` where the items were loaded)."""

    items: tuple[Abstract, ...]
    source: Ref
    kept: Ref
    writes: int


class Consumer:
    """What takes the items of a generator expression; see generators.py."""

    def step(self, ev: Machine, frame: Frame, state: State, value: Abstract) -> None:
        """Takes one item, whose code may go on afterwards."""
        raise NotImplementedError

    def result(self, ev: Machine, frame: Frame, state: State) -> Abstract:
        """The call's value after the last item."""
        return state.cells[frame.path, "<found>"]


class Machine(Protocol):
    """One attempt to evaluate a program. ``b`` emits; ``frame`` is the activation that runs now."""

    b: Builder
    hook: HookSpec
    frame: Frame | None
    following: Instr | None
    """The instruction after the one that is evaluated."""
    decisions: Decisions
    """What outlives the attempt."""
    registry: Registry
    slots: dict[CellId, Value]
    """Where in memory the variables are whose address is taken."""
    owners: dict[CellId, types.CodeType]
    """The functions that have the cells."""
    consumers: dict[Frame, Consumer]
    """Of the items of generator expressions that run now."""
    taken: dict[int, Taken]
    """Lists that were made of arrays, by their place in the heap."""
    endless: list[Any]
    """The program's own constant iterators that have no last item."""

    def ident(self) -> int:
        """A fresh number for a cell or an object of the heap."""

    def nested(self, b: Builder) -> Machine:
        """The evaluator of a subprogram, called from where this one stands."""

    def real_frame(self, fn: types.FunctionType, path: tuple[Any, ...], site: Span | None) -> Frame:
        """An activation of a function that exists in Python."""

    def activation(
        self, code: types.CodeType, globals: dict[str, Any], path: tuple[Any, ...], site: Span | None
    ) -> Frame:
        """One of a function, called from ``site`` where evaluation stands."""

    def run(self, frame: Frame, names: dict[str, Abstract], state: State) -> Abstract:
        """Evaluates a frame's code at the current place. The result is what it returns; ``state`` gets the cells and
        heap as the call leaves them. Raises PathEnds if no path returns."""

    def leave(self, frame: Frame, state: State, value: Abstract) -> None:
        """The current block ends: its path returns ``value`` from the frame."""

    def located(self, error: TranslationError) -> TranslationError:
        """The error, with its place and the calls that lead there."""

    def call(
        self, state: State, callee: Abstract, args: tuple[Abstract, ...], kwargs: dict[str, Abstract], unit: int
    ) -> Abstract:
        """``callee(*args, **kwargs)``; ``unit`` tells apart the calls of one function."""

    def attribute(self, state: State, owner: Abstract, name: str) -> Abstract:
        """``owner.name``."""

    def operate(self, state: State, op: str, left: Abstract, right: Abstract) -> Abstract:
        """``left op right``, op an operator or a comparison."""

    def truth(self, state: State, value: Abstract) -> Value:
        """``bool(value)`` as a branch condition."""

    def cell(self, frame: Frame, state: State, name: str) -> Abstract:
        """A cell or free variable's value."""

    def cell_ref(self, frame: Frame, name: str) -> CellRef:
        """What a closure holds of a cell."""
