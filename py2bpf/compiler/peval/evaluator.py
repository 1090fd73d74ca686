"""Online partial evaluation: runs a function's canonical code over abstract values, and emits IR for run time.

A block of code is evaluated once for every combination of iterations of the unrolled loops around it. Where paths meet,
states merge and differing values become phis. So a function's cost is proportional to its code (times unrolled
iterations), never to its number of paths. Whether a loop is unrolled is a guess that may turn out wrong. Then a Restart
starts another attempt with a better decision. Attempts end, since every decision changes a bounded number of times.
"""

from __future__ import annotations

import heapq
import inspect
import types
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from ...exception import InternalCompilerError, LimitExceeded, Span, TranslationError, UnsupportedSyntax
from ...spec import ContextSpec, HookSpec, Target
from ..bytecode.canonical import Function as Code
from ..bytecode.canonical import Instr
from ..ir.loop_policy import MAX_BLOCKS, MAX_KEPT
from ..ir.values import Block, Function, Value, const
from . import (
    access,
    addresses,
    classes,
    compare,
    failures,
    flow,
    handlers,
    host,
    inlining,
    kind,
    locks,
    nevers,
    planning,
    semantics,
    subprograms,
    variables,
)
from .builder import Builder, PathEnds
from .decisions import Decisions
from .frames import Context, Frame, Node
from .loops import RunTimeLoop
from .machine import Consumer, Taken
from .merging import Merger
from .plans import RunTime
from .registry import Registry
from .state import State
from .values import UNASSIGNED, Abstract, CellId, CellRef, NoValue, wrap
from .values import Context as ContextValue
from .waiting import Waiting

MAX_DEPTH = 64

Decode = Callable[[types.CodeType], Code]


class Evaluator:
    """One attempt. ``b`` emits IR, ``frame`` is the activation that runs now, ``decode`` gives the canonical code of a
    function. ``decisions`` outlive the attempt."""

    def __init__(self, b: Builder, decode: Decode, decisions: Decisions, registry: Registry) -> None:
        self.b = b
        self.hook = b.fn.hook
        self.decode = decode
        self.decisions = decisions
        self.registry = registry
        self.frame: Frame | None = None
        self.slots: dict[CellId, Value] = {}
        self.owners: dict[CellId, types.CodeType] = {}  # the functions that own the cells
        self.following: Instr | None = None  # the instruction after the one that is evaluated
        self.idents = 0
        self.taken: dict[int, Taken] = {}
        self.consumers: dict[Frame, Consumer] = {}
        self.blocks = 0
        self.waiting = Waiting()
        self.endless: list[Any] = []  # the program's own constant iterators that have no last item

    @staticmethod
    def of_program(name: str, hook: HookSpec, target: Target, decode: Decode, decisions: Decisions) -> Evaluator:
        """An attempt to evaluate a whole program."""
        b = Builder(name, hook, target)
        b.padding = decisions.padding
        return Evaluator(b, decode, decisions, Registry())

    def ident(self) -> int:
        """A fresh number for a cell or an object of the heap."""
        self.idents += 1
        return self.idents

    def nested(self, b: Builder) -> Evaluator:
        """An evaluator for a subprogram that is called at the current place."""
        inner = Evaluator(b, self.decode, self.decisions, self.registry)
        inner.frame = self.frame
        b.span = self.b.span
        return inner

    # the program

    def program(self, fn: types.FunctionType, context: ContextSpec) -> Function:
        """The residual program of ``fn`` as IR. Raises TranslationError for code that has no meaning in BPF, Restart if
        a decision has changed."""
        with host.asking():
            self._program(fn, context)
        subprograms.check(self.decisions, self.b.fn)
        nevers.tell(self.registry.compared, self.b.fn)
        return self.b.fn

    def _program(self, fn: types.FunctionType, context: ContextSpec) -> None:
        _check_parameters(fn)
        state = State([], {}, {}, {})
        frame = self.real_frame(fn, ("program",), None)
        names = inlining.bind_real(self, state, frame, fn, (ContextValue(self.b.context, context),), {})
        try:
            result = self.run(frame, names, state)
            self.b.ret(kind.of(result).result(self, result, const(self.hook.default)))
        except PathEnds:
            pass

    # frames

    def activation(
        self, code: types.CodeType, globals: dict[str, Any], path: tuple[Any, ...], site: Span | None
    ) -> Frame:
        return Frame(code, self.decode(code), globals, self.frame, path, site, path in self.decisions.apart)

    def real_frame(self, fn: types.FunctionType, path: tuple[Any, ...], site: Span | None) -> Frame:
        frame = self.activation(fn.__code__, fn.__globals__, path, site)
        frame.constants = dict(zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True))
        return frame

    def run(self, frame: Frame, names: dict[str, Abstract], state: State) -> Abstract:
        """Evaluates a frame's code at the current place, and gives its return value; ``state`` gets the cells and heap
        as the call leaves them. Raises PathEnds if no path returns."""
        if frame.depth() > MAX_DEPTH:
            raise LimitExceeded(0, f"calls nest deeper than {MAX_DEPTH}: {frame.fn.qualname}() recurses",
                                hints=("recursion works only while its arguments are constants",))  # fmt: skip
        caller, self.frame = self.frame, frame
        frame.held = self.b.held
        cells = state.cells.copy()
        for name in frame.fn.cellvars:
            frame.cell_ids[name] = (frame.path, name)
            self.owners[frame.path, name] = frame.code
            if name in names:
                cells[frame.cell_ids[name]] = names.pop(name)
        addresses.enter(self, frame, names, cells)
        entry = self.goto(frame, (), -1, 0, State([], names, cells, state.heap.copy()))
        assert entry is not None
        queue = [(frame.priority(*entry), 0)]
        frame.context = (0, ())
        self._drain(frame, queue)
        self.frame, self.b.held = caller, frame.held
        return self._leave(frame, state)

    def _drain(self, frame: Frame, queue: list[tuple[tuple[int, ...], int]]) -> None:
        done: set[tuple[int, ...]] = set()
        while queue:
            priority, index = heapq.heappop(queue)
            if priority in done:
                continue
            done.add(priority)
            context = priority[1:-1:2]
            for target, target_context in self._block(frame, index, context):
                heapq.heappush(queue, (frame.priority(target, target_context), target))
        if frame.pending:
            raise InternalCompilerError("peval", "a block was reached after it was evaluated", self.b.span)

    def _leave(self, frame: Frame, state: State) -> Abstract:
        """Merges the returning paths of a function; gives its result."""
        if not frame.exits:
            raise PathEnds
        self.b.start(frame.return_block)
        merged = Merger(frame.return_block).states(self.waiting.returned(frame))
        state.cells, state.heap = merged.cells, merged.heap
        return merged.stack[0]

    # blocks

    def goto(self, frame: Frame, context: Context, source: int, target: int, state: State) -> Node | None:
        """Ends the current block with a jump to ``target``; the node to evaluate, None for a closed loop."""
        node = (target, self._context(frame, context, source, target))
        loop = frame.run_time_loops.get(node)
        if loop is not None:
            self.b.jump(loop.block)
            loop.go_back(state)
            return None
        self.b.jump(self.waiting.put(frame, node, state))
        return node

    def _context(self, frame: Frame, context: Context, source: int, target: int) -> Context:
        """The iterations at ``target`` when it is reached from ``source`` in ``context``."""
        to = frame.loop_chains[target]
        at = frame.loop_chains[source] if source >= 0 else ()
        shared = 0
        while shared < min(len(to), len(at)) and to[shared] == at[shared]:
            shared += 1
        iterations = context[:shared] + (0,) * (len(to) - shared)
        if shared and shared == len(to) and frame.fn.loops[to[-1]].header == target:
            loop = frame.fn.loops[to[-1]]
            if (loop.header, iterations) in frame.run_time_loops:
                return iterations
            iterations = (*iterations[:-1], iterations[-1] + 1)
            planning.turned(self.decisions.plans, frame, loop, iterations, self.b.fn)
        return iterations

    def leave(self, frame: Frame, state: State, value: Abstract) -> None:
        self.waiting.leave(frame, state, value)
        self.b.jump(frame.return_block)

    def _block(self, frame: Frame, index: int, context: Context) -> list[Node]:
        """Evaluates one block; returns the nodes that it leads to."""
        block, states = self.waiting.take(frame, (index, context))
        frame.context = (index, context)
        frame.operations = 0
        self.b.start(block)
        code = frame.fn.blocks[index]
        self.b.span = frame.place(code.instrs[0].span)
        state = Merger(block).states(states) if len(states) > 1 else states[0]
        unlock = locks.held(state)
        self.b.held = frame.held if unlock is None else unlock.entry
        state = self._begin(frame, block, state)
        try:
            for instr, self.following in pairwise(code.instrs):
                if instr.op not in handlers.QUIET:
                    self.b.span = frame.place(instr.span)
                handlers.HANDLERS[instr.op](self, frame, state, instr)
            self._count_block()
            end = code.instrs[-1]
            self.b.span = frame.place(end.span)
            return flow.leave(self, flow.End(frame, index, context, code.succ, end), state)
        except PathEnds:
            return []

    def _begin(self, frame: Frame, block: Block, state: State) -> State:
        """The state in which a block begins. At the header of a run-time loop, phis replace whatever may change."""
        index, context = frame.context
        loop = frame.header_loop(index)
        plan = None if loop is None else planning.plan_of(self.decisions.plans, frame, loop, context, state)
        if loop is None or not isinstance(plan, RunTime):
            if frame.begins_while(index, context):
                self.b.turn()
            return state
        opened = RunTimeLoop(block, self.decisions.plans, frame.loop_at(loop, context), self.b.span)
        frame.run_time_loops[frame.context] = opened
        self.b.writes += 1  # the body, not evaluated yet, may write before this place runs again
        if self.b.held is not None:
            self.b.fn.locked.add(block)
        return opened.enter(self.b.fn, frame, loop, state)

    def _count_block(self) -> None:
        self.blocks += 1
        if self.blocks > MAX_BLOCKS or self.waiting.kept > MAX_KEPT:
            raise failures.endless_growth()

    def located(self, error: TranslationError) -> TranslationError:
        """The error; if it names no place, it gets the current one."""
        failures.locate(error, self.b.span, self.frame)
        return error

    # operations that values and handlers call

    def call(
        self, state: State, callee: Abstract, args: tuple[Abstract, ...], kwargs: dict[str, Abstract], unit: int
    ) -> Abstract:
        return kind.of(callee).call(self, state, callee, args, kwargs, unit)

    def attribute(self, state: State, owner: Abstract, name: str) -> Abstract:
        return access.load_attr(self, state, owner, name)

    def operate(self, state: State, op: str, left: Abstract, right: Abstract) -> Abstract:
        operate = compare.compare if op in classes.COMPARISONS else semantics.operate
        return operate(self, state, op, left, right)

    def truth(self, state: State, value: Abstract) -> Value:
        return semantics.truth(self, state, value)

    def cell(self, frame: Frame, state: State, name: str) -> Abstract:
        """A cell or free variable's value."""
        if name in frame.cell_ids:
            return variables.read(self.b, state.cells.get(frame.cell_ids[name], UNASSIGNED))
        try:
            return wrap(frame.constants[name].cell_contents)
        except ValueError:
            return NoValue("the enclosing function has not assigned it yet")

    def cell_ref(self, frame: Frame, name: str) -> CellRef:
        return CellRef(frame.cell_ids[name])


def _check_parameters(fn: types.FunctionType) -> None:
    code = fn.__code__
    keywords = len(fn.__kwdefaults__ or ())
    needed = code.co_argcount - len(fn.__defaults__ or ())
    starred = code.co_argcount == 0 and code.co_flags & inspect.CO_VARARGS
    if (needed != 1 and not starred) or code.co_kwonlyargcount != keywords:
        raise UnsupportedSyntax(
            code.co_firstlineno,
            f"{fn.__name__}() must take one argument, the hook's context",
            hints=("give every further parameter a default: it is a constant of the program",),
            span=Span(code.co_filename, code.co_firstlineno, function=code.co_qualname),
        )
