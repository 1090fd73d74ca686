"""Calls in progress: the activations of functions, and the loops around the current place of each."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from ... import borders
from ...exception import Span
from ..bytecode.canonical import Function, Loop, Op
from ..ir.values import Block, Value
from .counters import counter_items
from .layout import scalar
from .plans import LoopAt
from .state import State
from .values import Abstract, CellId, Counter

Context = tuple[int, ...]
"""For each loop around a block, outermost first: the iteration of an unrolled loop, 0 for a run-time loop."""
Node = tuple[int, Context]
"""A block in one combination of iterations: the unit that is evaluated once."""


def _shown(code: types.CodeType, parent: Frame | None, site: Span | None) -> Span | None:
    """For a function of this package, the user's line that called it, which stands for all lines of the function."""
    if not borders.is_librarys(code.co_filename):
        return None
    return (parent.shown if parent is not None else None) or site


class Turn(NamedTuple):
    """A loop around the current place, and its current iteration."""

    loop: Loop
    at: LoopAt
    iteration: int


class RunsAtRunTime(Protocol):
    """A loop whose body is evaluated once; loops.py has it."""

    block: Block

    def go_back(self, state: State) -> None:
        """Called when a path leads back to the header."""


class Frame:
    """One activation of a function: its code, its names, and its call site."""

    __slots__ = (
        "begun",
        "cell_ids",
        "code",
        "constants",
        "context",
        "exits",
        "fn",
        "given",
        "globals",
        "held",
        "loop_chains",
        "operations",
        "parent",
        "path",
        "pending",
        "return_block",
        "run_time_loops",
        "shown",
        "site",
        "slots",
    )

    def __init__(
        self,
        code: types.CodeType,
        fn: Function,
        globals: dict[str, Any],
        parent: Frame | None,
        path: tuple[Any, ...],
        site: Span | None,
        apart: bool = False,
    ) -> None:
        self.code = code
        self.fn = fn
        self.globals = globals
        self.parent = parent
        self.path = path
        self.site = site
        self.shown = _shown(code, parent, site)
        self.given: tuple[Abstract, ...] = ()
        self.cell_ids: dict[str, CellId] = {}
        self.slots: dict[str, Value] = {}  # of the variables whose address is taken
        self.constants: dict[str, types.CellType] = {}  # free variables of a real function
        self.pending: dict[Node, tuple[Block, list[State]]] = {}
        self.run_time_loops: dict[Node, RunsAtRunTime] = {}
        """By their headers, each in its context."""
        self.begun: dict[LoopAt, int] = {}
        """How many blocks there were when the second iteration of an unrolled loop began."""
        self.exits: list[tuple[State, Abstract]] = []
        self.return_block = Block()
        self.held: Value | None = None  # the entry whose spin lock is held around the call
        self.loop_chains: list[tuple[int, ...]] = [self._chain(loop) for loop in self.fn.loop_of]
        if apart:
            self.loop_chains = self.exit_chains()
        self.context: Node = (0, ())
        self.operations = 0  # count of calls of special methods in the block: they have no unit of their own

    def place(self, span: Span) -> Span:
        """The place of an instruction that errors, line information and counters show."""
        return self.shown or span

    def _chain(self, loop: int) -> tuple[int, ...]:
        chain: list[int] = []
        while loop >= 0:
            chain.append(loop)
            loop = self.fn.loops[loop].parent
        return tuple(reversed(chain))

    def exit_chains(self) -> list[tuple[int, ...]]:
        """The loops around each block, counting a way out by ``return`` or ``break`` as part of the loop as long as
        only the loop's body leads there."""
        preds: list[list[int]] = [[] for _ in self.fn.blocks]
        for block in self.fn.blocks:
            for succ in block.succ:
                preds[succ].append(block.index)
        chains = list(self.loop_chains)
        for index in range(1, len(chains)):
            if self.header_loop(index) is None:
                common = _common_prefix([self._way_out(chains, pred, index) for pred in preds[index] if pred < index])
                if common[: len(chains[index])] == chains[index]:
                    chains[index] = common
        return chains

    def _way_out(self, chains: list[tuple[int, ...]], pred: int, index: int) -> tuple[int, ...]:
        """The loops that contain the edge from ``pred`` to ``index``, without a ``for`` that ends there."""
        loop = self.header_loop(pred)
        ended = loop is not None and self.is_for(loop) and self.fn.blocks[pred].succ[0] == index
        return chains[pred][:-1] if ended else chains[pred]

    def gets(self, value: Abstract) -> bool:
        """Whether the value is an argument from the caller."""
        return any(given is value for given in self.given)

    def depth(self) -> int:
        return sum(1 for _ in self.callers())

    def loop_at(self, loop: Loop, context: Context) -> LoopAt:
        """The key of a loop in plans. ``context`` has the iterations of the loops around it, and may have those of
        inner ones."""
        return self.path, loop.header, context[: len(self.loop_chains[loop.header]) - 1]

    def turns(self) -> list[Turn]:
        """The loops around the block that is evaluated, the outermost first."""
        index, context = self.context
        loops = (self.fn.loops[number] for number in self.loop_chains[index])
        return [Turn(loop, (self.path, loop.header, context[:depth]), context[depth])
                for depth, loop in enumerate(loops) if depth < len(context)]  # fmt: skip

    def callers(self) -> Iterator[Frame]:
        """This frame and its callers, innermost first."""
        frame: Frame | None = self
        while frame is not None:
            yield frame
            frame = frame.parent

    def header_loop(self, block: int) -> Loop | None:
        """The loop whose header the block is; None if there is none."""
        loop = self.fn.loop_of[block]
        return self.fn.loops[loop] if loop >= 0 and self.fn.loops[loop].header == block else None

    def begins_while(self, block: int, context: Context) -> bool:
        """Whether a turn of a run-time ``while`` begins in the block, after the tests at the loop's header."""
        number = self.fn.loop_of[block]
        if number < 0 or self.fn.loops[number].turn != block or self.is_for(self.fn.loops[number]):
            return False
        depth = len(self._chain(number))
        return (self.fn.loops[number].header, context[:depth]) in self.run_time_loops

    def priority(self, block: int, context: Context) -> tuple[int, ...]:
        """Orders the evaluation so that all forward edges into a block come before it."""
        order: list[int] = []
        for loop, iteration in zip(self.loop_chains[block], context, strict=True):
            order += (self.fn.loops[loop].header, iteration)
        order.append(block)
        return tuple(order)

    def size(self) -> int:
        """The number of the function's canonical instructions."""
        return sum(len(block.instrs) for block in self.fn.blocks)

    def body_size(self, loop: Loop) -> int:
        return sum(len(self.fn.blocks[index].instrs) for index in loop.body)

    def left_loops(self, index: int, succ: tuple[int, ...]) -> list[Loop]:
        """The loops around a block that one of its successors is outside of."""
        return [loop for loop in map(self.fn.loops.__getitem__, self._chain(self.fn.loop_of[index]))
                if any(target not in loop.body for target in succ)]  # fmt: skip

    def is_for(self, loop: Loop) -> bool:
        """Whether the loop's header takes the next item. (The header of a ``while`` may be the start of a ``for`` that
        never reaches a second item.)"""
        return self.fn.blocks[loop.header].instrs[0].op is Op.FOR_ITER

    def loop_variable(self, loop: Loop, state: State) -> str | None:
        """The variable of a ``for`` that certainly has a first item, so that the variable is assigned after the loop.
        """
        if not self.is_for(loop):
            return None
        counter = state.stack[-1]
        first = self.fn.blocks[self.fn.blocks[loop.header].succ[1]].instrs[0]
        certain = isinstance(counter, Counter) and bool(counter_items(counter))
        if isinstance(counter, Counter) and counter.array is not None and not scalar(counter.array.ctype._type_):
            return None
        return first.arg if certain and first.op is Op.STORE_FAST else None

    def ends_by_test(self, loop: Loop) -> bool:
        """Whether a branch (the test of ``while``) leads back to the header. Unrolling may then find an end."""
        return any(
            loop.header in self.fn.blocks[index].succ and self.fn.blocks[index].instrs[-1].op is Op.BRANCH
            for index in loop.body
        )


def _common_prefix(chains: list[tuple[int, ...]]) -> tuple[int, ...]:
    first, *others = chains
    length = len(first)
    for other in others:
        while first[:length] != other[:length]:
            length -= 1
    return first[:length]
