"""Online partial evaluation: runs a function's canonical code over abstract values and emits what is left.

A block of code is evaluated once for every combination of iterations of the unrolled loops around it; where
paths meet, states merge and differing values become phis. So a function's cost is proportional to its code
(times unrolled iterations), never to its number of paths. Whether a loop is unrolled is a guess that may turn
out wrong; then everything begins again with the better decision (Restart), which converges since every
decision changes a bounded number of times.
"""

from __future__ import annotations

import heapq
import inspect
import types
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

from ...borders import of_a_signal
from ...exception import InternalCompilerError, LimitExceeded, Span, TranslationError, UnsupportedSyntax
from ...spec import ContextSpec, HookSpec, Target
from ..bytecode.canonical import Function as Code
from ..bytecode.canonical import Instr, Loop, Op
from ..ir.loop_policy import UNROLL_INSTRUCTIONS, UNROLL_ITERATIONS
from ..ir.ops import Op as IrOp
from ..ir.values import Block, Function, Value, const
from . import (
    access,
    addresses,
    arith,
    blame,
    classes,
    compare,
    counters,
    handlers,
    host,
    inlining,
    iteration,
    iterators,
    kind,
    locks,
    nevers,
    semantics,
    subprograms,
    variables,
)
from .builder import Builder, Padding, PathEnds
from .counters import counter_items
from .frames import (
    Context,
    Frame,
    LoopPlan,
    Restart,
)
from .loops import RunTimeLoop
from .machine import Consumer, Name, Taken
from .registry import Registry
from .state import Merger, State
from .values import UNASSIGNED, Abstract, CellId, CellRef, Const, Counter, ExceptionOf, Option, Unbound, wrap
from .values import Context as ContextValue

MAX_RESTARTS = 200
MAX_ITERATIONS = 4096
LEAVING_ITERATIONS = 256
"""After so many iterations a ``while`` that leaves run-time code in each, or that run-time branches leave, is tried as
a run-time loop."""
LEAVING_BLOCKS = 2048
"""And one that run-time branches leave also after so many blocks."""
MAX_BLOCKS = 30_000
MAX_TRIED = 30_000
"""Of blocks in all attempts before the last one: each may be worth a try, and together they take minutes."""
MAX_KEPT = 4_000_000
"""Of objects in all states that wait to be merged: each iteration's lists and dicts are in those of all later ones."""
MAX_DEPTH = 64
_PATIENCE = 3
"""After so many iterations that change the plan again a loop is no longer unrolled."""
_CALLS_PATIENCE = 16
"""The same where the plans of functions change that it calls: each iteration has its own."""


Decode = Callable[[types.CodeType], Code]


def evaluate(
    fn: types.FunctionType, context: ContextSpec, hook: HookSpec, target: Target, decode: Decode, inline: bool = False
) -> Function:
    """The residual program of ``fn`` as IR. ``decode`` gives the canonical code of a function and its callees;
    ``inline``: make no subprograms.

    Raises TranslationError with the user's line for what has no meaning in BPF.
    """
    plans: dict[Any, LoopPlan] = {}
    apart: set[Any] = set()
    addressed: set[Name] = set()
    registry = Registry(inline)
    padding = Padding()
    first_error: TranslationError | None = None
    parted = False
    tried = 0
    for _ in range(MAX_RESTARTS):
        b = Builder(fn.__name__, hook, target)
        b.padding = padding
        evaluator = Evaluator(b, decode, plans, apart, registry, addressed)
        registry.made.clear()
        registry.compared.clear()
        try:
            with host.asking():
                program = evaluator.program(fn, context)
            subprograms.check(registry, program)
            nevers.tell(registry.compared, program)
            return program
        except Restart:
            tried += evaluator.blocks
            if tried > MAX_TRIED:
                error = evaluator.endless_growth()
                evaluator.locate(error)
                raise blame.on_the_user(first_error or error) from None
            evaluator.lose_patience()
            continue
        except TranslationError as error:
            evaluator.locate(error)
            tried += evaluator.blocks
            # Values that met where they no longer meet made the first error likely, unless apart they are too many.
            if first_error is None or error.final or (parted and not isinstance(error, LimitExceeded)):
                first_error = error
            parted = evaluator.keep_apart()
            final = error.final or tried > MAX_TRIED
            if final or not (parted or evaluator.unroll_instead() or evaluator.unroll_tried()):
                raise blame.on_the_user(first_error) from first_error.__cause__
        except RecursionError as error:
            if of_a_signal(error):
                raise
            raise blame.on_the_user(evaluator.too_deep()) from None
    raise first_error or InternalCompilerError("peval", "loops do not settle", evaluator.b.span)


class Evaluator:
    """One attempt. ``b`` emits; ``frame`` is the activation that runs now."""

    def __init__(self, b: Builder, decode: Decode, plans: dict[Any, LoopPlan], apart: set[Any],
                 registry: Registry, addressed: set[Name]) -> None:  # fmt: skip
        self.b = b
        self.hook = b.fn.hook
        self.decode = decode
        self.plans = plans
        self.apart = apart
        self.registry = registry
        self.frame: Frame | None = None
        self.addressed = addressed
        self.slots: dict[CellId, Value] = {}
        self.owners: dict[CellId, types.CodeType] = {}  # the functions that have the cells
        self.following: Instr | None = None  # the instruction after the one that is evaluated
        self.idents = 0
        self.taken: dict[int, Taken] = {}
        self.consumers: dict[Frame, Consumer] = {}
        self.run_time_loops: dict[tuple[Frame, tuple[int, Context]], RunTimeLoop] = {}
        self.blocks = 0
        self.kept = 0  # see MAX_KEPT
        self.endless: list[Any] = []  # the program's own constant iterators that have no last item

    def ident(self) -> int:
        """A fresh number for a cell or an object of the heap."""
        self.idents += 1
        return self.idents

    def nested(self, b: Builder) -> Evaluator:
        """The evaluator of a subprogram, called from where this one stands."""
        inner = Evaluator(b, self.decode, self.plans, self.apart, self.registry, self.addressed)
        inner.frame = self.frame
        b.span = self.b.span
        return inner

    # the program

    def program(self, fn: types.FunctionType, context: ContextSpec) -> Function:
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
        state = State([], {}, {}, {})
        frame = self.real_frame(fn, ("program",), None)
        names = inlining.bind_real(self, state, frame, fn, (ContextValue(self.b.context, context),), {})
        try:
            result = self.run(frame, names, state)
            self.b.ret(self.result(result))
        except PathEnds:
            pass
        return self.b.fn

    def result(self, value: Abstract) -> Value:
        if isinstance(value, Const) and value.obj is None:
            return const(self.hook.neutral)
        if isinstance(value, Unbound):
            raise TranslationErrorFor(value, "the program's result")
        if isinstance(value, Option):
            return self.b.emit(IrOp.SELECT, [value.present, value.value, const(self.hook.neutral)], value.value.type)
        return arith.to_ir(self.b, value, "a program returns an integer")

    # frames

    def real_frame(self, fn: types.FunctionType, path: tuple[Any, ...], site: Span | None) -> Frame:
        frame = Frame(fn.__code__, self.decode(fn.__code__), fn.__globals__, self.frame, path, site, path in self.apart)
        frame.constants = dict(zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True))
        return frame

    def run(self, frame: Frame, names: dict[str, Abstract], state: State) -> Abstract:
        """Evaluates a frame's code at the current place. The result is what it returns; ``state`` gets the
        cells and heap as the call leaves them. Raises PathEnds if no path returns."""
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
        entry = self._goto(frame, (), -1, 0, State([], names, cells, state.heap.copy()))
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
        if not frame.exits:
            raise PathEnds
        block = frame.return_block
        self.kept -= sum(len(state.heap) for state, _ in frame.exits)
        self.b.start(block)
        merger = Merger(block)
        merged = merger.states([State([value], {}, exit.cells, exit.heap) for exit, value in frame.exits])
        state.cells, state.heap = merged.cells, merged.heap
        return merged.stack[0]

    # blocks

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
            self._is_long(frame, loop, iterations)
            if iterations[-1] > MAX_ITERATIONS:
                raise LimitExceeded(
                    0,
                    f"the loop has more than {MAX_ITERATIONS} iterations to unroll",
                    hints=("a loop runs at run time if its body needs no constant",),
                )
        return iterations

    def _goto(
        self, frame: Frame, context: Context, source: int, target: int, state: State
    ) -> tuple[int, Context] | None:
        """Ends the current block with a jump to ``target``; the node to evaluate, None for a closed loop."""
        node = (target, self._context(frame, context, source, target))
        loop = self.run_time_loops.get((frame, node))
        if loop is not None:
            self.b.jump(loop.block)
            loop.close(state)
            return None
        block, states = frame.pending.setdefault(node, (Block(), []))
        states.append(state)
        self.kept += len(state.heap)
        self.b.jump(block)
        return node

    def _block(self, frame: Frame, index: int, context: Context) -> list[tuple[int, Context]]:
        """Evaluates one block; returns the nodes that it leads to."""
        block, states = frame.pending.pop((index, context))
        self.kept -= sum(len(state.heap) for state in states)
        frame.context = (index, context)
        frame.operations = 0
        self.b.start(block)
        code = frame.fn.blocks[index]
        self.b.span = frame.place(code.instrs[0].span)
        state = Merger(block).states(states) if len(states) > 1 else states[0]
        unlock = locks.held(state)
        self.b.held = frame.held if unlock is None else unlock.entry
        loop = frame.header_loop(index)
        if loop is not None and not self._plan(frame, loop, context, state).unroll:
            opened = RunTimeLoop(block, self.plans[frame.path, index, context[:-1]], self.b.span)
            frame.run_time_loops.add((index, context))
            self.run_time_loops[frame, (index, context)] = opened
            self.b.writes += 1  # what the body has yet to write may come before
            state = opened.open(self.b.fn, frame, loop, state)
            if self.b.held is not None:
                self.b.fn.locked.add(block)
        elif frame.begins_while(index, context):
            self.b.turn()
        try:
            for instr, self.following in pairwise(code.instrs):
                if instr.op not in handlers.QUIET:
                    self.b.span = frame.place(instr.span)
                handlers.HANDLERS[instr.op](self, frame, state, instr)
            return self._end(frame, index, context, code.instrs[-1], code.succ, state)
        except PathEnds:
            return []

    def _end(
        self, frame: Frame, index: int, context: Context, instr: Instr, succ: tuple[int, ...], state: State
    ) -> list[tuple[int, Context]]:
        self.blocks += 1
        if self.blocks > MAX_BLOCKS or self.kept > MAX_KEPT:
            raise self.endless_growth()
        self.b.span = frame.place(instr.span)
        if instr.op is Op.JUMP:
            return self._nodes(self._goto(frame, context, index, succ[0], state))
        if instr.op is Op.BRANCH:
            return self._branch(frame, index, context, instr, succ, state)
        if instr.op is Op.FOR_ITER:
            return self._for(frame, index, context, succ, state)
        if instr.op is Op.RETURN:
            value = state.stack.pop()
            consumer = self.consumers.get(frame)
            if consumer is not None:
                value = consumer.result(self, frame, state)
            if frame.parent is None and isinstance(value, Const) and value.obj is None:
                value = Const(self.hook.neutral)
            frame.exits.append((state, value))
            self.kept += len(state.heap)
            self.b.jump(frame.return_block)
            return []
        if instr.op is Op.RAISE:
            self.b.exit(_raised(state.stack[-int(instr.arg) :] if instr.arg else []))
        raise UnsupportedSyntax(0, f"{instr.arg} is not supported in compiled functions",
                                hints=handlers.alternatives(instr.arg))  # fmt: skip

    @staticmethod
    def _nodes(*nodes: tuple[int, Context] | None) -> list[tuple[int, Context]]:
        return [node for node in nodes if node is not None]

    def _branch(
        self, frame: Frame, index: int, context: Context, instr: Instr, succ: tuple[int, ...], state: State
    ) -> list[tuple[int, Context]]:
        value = state.stack.pop()
        if instr.arg in ("true", "false"):
            condition = semantics.truth(self, state, value)
            holds = instr.arg == "true"
        else:
            nevers.none_test(self, value)
            condition = semantics.is_none(self, value)
            holds = instr.arg == "none"
        if condition.op is IrOp.CONST:
            return self._nodes(
                self._goto(frame, context, index, succ[0 if bool(condition.attr) == holds else 1], state)
            )
        self._run_time_test(frame, index, context, succ)
        other = state.copy()
        if isinstance(value, Option):  # what `m.get(k) or 5` leaves on the stack is a number where it is true
            known = state if instr.arg in ("true", "false") else other
            known.stack = [arith.number(value.value, value.boolean) if item is value else item for item in known.stack]
        return self._split(frame, index, context, condition, succ if holds else succ[::-1], state, other)

    def _split(
        self, frame: Frame, index: int, context: Context, condition: Value, succ: tuple[int, ...], first: State,
        second: State, begin: Callable[[], None] = lambda: None,
    ) -> list[tuple[int, Context]]:  # fmt: skip
        """Branches on a run-time condition. Both sides get a block of their own, which phis' copies need; the first
        begins with ``begin``."""
        yes, no = Block(), Block()
        self.b.branch(condition, yes, no)
        nodes = []
        for block, target, state in ((yes, succ[0], first), (no, succ[1], second)):
            self.b.start(block)
            if block is yes:
                begin()
            nodes.append(self._goto(frame, context, index, target, state))
        return self._nodes(*nodes)

    def _for(
        self, frame: Frame, index: int, context: Context, succ: tuple[int, ...], state: State
    ) -> list[tuple[int, Context]]:
        iterator = state.stack[-1]
        done, body = succ
        if isinstance(iterator, Counter) and (
            counter_items(iterator) is None or self._is_run_time(frame, index, context)
        ):
            return self._counting_loop(frame, index, context, succ, state, iterator)
        if self._is_run_time(frame, index, context):  # as a count was, when the plan was made
            plan = self.plans[frame.path, index, context[:-1]]
            plan.unroll = plan.forced = True
            raise Restart
        following, found = iterators.advance(self.b, state, iterator)
        state.stack.pop()
        if found is None:
            return self._nodes(self._goto(frame, context, index, done, state))
        state.stack += [following, found]
        return self._nodes(self._goto(frame, context, index, body, state))

    def _counting_loop(
        self, frame: Frame, index: int, context: Context, succ: tuple[int, ...], state: State, counter: Counter
    ) -> list[tuple[int, Context]]:
        done, body = succ
        more = counters.more(self.b, counter)
        state.stack.pop()
        looping = state.copy()
        if counter.wraps:
            return self._late_start(frame, index, context, more, succ, looping, state, lambda: (
                replace(counter, current=counters.following(self.b, counter)), counters.item(self.b, counter)
            ))  # fmt: skip
        advanced = replace(counter, current=counters.following(self.b, counter))
        if parts := counter.parts:
            return self._late_start(frame, index, context, more, succ, looping, state,
                                    lambda: (advanced, iteration.row_at(self.b, parts, counter.current)))  # fmt: skip
        if (array := counter.array) is not None:
            current = arith.to_ir(self.b, counter.current)
            return self._late_start(frame, index, context, more, succ, looping, state,
                                    lambda: (advanced, iteration.item_at(self.b, array, current)))  # fmt: skip
        looping.stack += [advanced, counters.item(self.b, counter)]
        return self._split(frame, index, context, more, (body, done), looping, state, self.b.turn)

    def _late_start(
        self, frame: Frame, index: int, context: Context, more: Value, succ: tuple[int, ...], looping: State,
        ended: State, begin: Callable[[], tuple[Abstract, Abstract]],
    ) -> list[tuple[int, Context]]:  # fmt: skip
        """``_split`` of a loop whose body begins with what only its turns may compute: the iterator and the item."""
        turning, following = Block(), Block()
        self.b.branch(more, turning, following)
        self.b.start(following)
        nodes = [self._goto(frame, context, index, succ[0], ended)]
        self.b.start(turning)
        self.b.turn()
        looping.stack += begin()
        return self._nodes(self._goto(frame, context, index, succ[1], looping), *nodes)

    # loops

    def _is_run_time(self, frame: Frame, header: int, context: Context) -> bool:
        return (header, context) in frame.run_time_loops

    def _plan(self, frame: Frame, loop: Loop, context: Context, state: State) -> LoopPlan:
        key = (frame.path, loop.header, context[:-1])
        plan = self.plans.get(key)
        if plan is None:
            plan = self.plans[key] = LoopPlan()
            self._guess(plan, frame, loop, state)
        elif plan.unroll and frame.is_for(loop) and _counts_at_run_time(state.stack[-1]):
            plan.unroll = plan.can_unroll = plan.forced = False  # where a loop around was unrolled it was known
        return plan

    def _guess(self, plan: LoopPlan, frame: Frame, loop: Loop, state: State) -> None:
        if not frame.is_for(loop):
            plan.unroll = frame.ends_by_test(loop)
            return
        iterator = state.stack[-1]
        if isinstance(iterator, iterators.ITERATORS) and not isinstance(iterator, Counter):
            return
        if not isinstance(iterator, Counter):
            raise UnsupportedSyntax(0, f"can't iterate over {iterator.describe()}",
                                    hints=("iterate over a range, a tuple, a list or a ctypes array",))  # fmt: skip
        count = counter_items(iterator)
        plan.can_unroll = count is not None
        plan.unroll = (
            count is not None and count <= UNROLL_ITERATIONS and count * frame.body_size(loop) <= UNROLL_INSTRUCTIONS
        )

    def _run_time_test(self, frame: Frame, index: int, context: Context, succ: tuple[int, ...]) -> None:
        """A run-time branch leads back to the header of a loop that was to be unrolled: it has no known end."""
        for left in frame.left_loops(index, succ):
            depth = len(frame.loop_chains[left.header])
            known = self.plans.get((frame.path, left.header, context[: depth - 1]))
            if known is not None:
                known.leaves = True
        for target in succ:
            loop = frame.header_loop(target)
            if loop is not None and index in loop.body and not frame.is_for(loop):
                depth = len(frame.loop_chains[target])
                plan = self.plans[frame.path, target, context[: depth - 1]]
                if plan.unroll and not plan.forced:
                    plan.unroll = False
                    self._give_up(frame, target, context)
                    raise Restart

    def _give_up(self, frame: Frame, header: int, context: Context) -> None:
        """A loop around that one, a while which is unrolled, likely has no known end either when it came to a few
        iterations."""
        for depth, number in enumerate(frame.loop_chains[header][:-1]):
            loop = frame.fn.loops[number]
            plan = self.plans.get((frame.path, loop.header, context[:depth]))
            patient = plan is None or plan.forced or context[depth] < _PATIENCE
            if plan is not None and not patient and not frame.is_for(loop):
                plan.unroll = False

    def _is_long(self, frame: Frame, loop: Loop, iterations: Context) -> None:
        """A ``while`` that is unrolled begins its next iteration: after many a run-time loop is tried, unless it leaves
        no code and so costs nothing."""
        plan = self.plans[frame.path, loop.header, iterations[:-1]]
        if iterations[-1] == 1:
            plan.begun = len(self.b.fn.blocks)
        if plan.forced or frame.is_for(loop):
            return
        large = plan.leaves and iterations[-1] > _PATIENCE and len(self.b.fn.blocks) - plan.begun > LEAVING_BLOCKS
        if iterations[-1] <= LEAVING_ITERATIONS and not large:
            return
        late = iterations[-1] > MAX_ITERATIONS
        if plan.leaves or late or (iterations[-1] == LEAVING_ITERATIONS + 1 and self._leaves_code(plan)):
            plan.unroll = False
            plan.tried = not plan.leaves
            raise Restart

    def _leaves_code(self, plan: LoopPlan) -> bool:
        """Whether about every iteration since the first has left an instruction."""
        made = self.b.fn.blocks[plan.begun :]
        return sum(value.op is not IrOp.JUMP for block in made for value in block.body) >= LEAVING_ITERATIONS - 1

    def lose_patience(self) -> None:
        """After a change of plan: a ``while`` that is unrolled and changes one in every iteration may have no end."""
        frame = self.frame
        while frame is not None:
            index, context = frame.context
            for depth, number in enumerate(frame.loop_chains[index]):
                loop = frame.fn.loops[number]
                plan = self.plans.get((frame.path, loop.header, context[:depth]))
                late = depth < len(context) and context[depth] >= _CALLS_PATIENCE
                if plan is not None and late and not plan.forced and not frame.is_for(loop):
                    plan.unroll = False
            frame = frame.parent

    def keep_apart(self) -> bool:
        """After an error on a way out of a loop: whether it helps to evaluate it for each iteration by itself."""
        frame = self.frame
        while frame is not None:
            index = frame.context[0]
            if frame.path not in self.apart and frame.exit_chains()[index] != frame.loop_chains[index]:
                self.apart.add(frame.path)
                return True
            frame = frame.parent
        return False

    def unroll_instead(self) -> bool:
        """After an error inside a run-time loop: whether unrolling the innermost one is worth a try."""
        frame = self.frame
        while frame is not None:
            index, context = frame.context
            chain = frame.loop_chains[index]
            for depth in range(len(chain), 0, -1):
                plan = self.plans.get((frame.path, frame.fn.loops[chain[depth - 1]].header, context[: depth - 1]))
                if plan is not None and plan.can_unroll and not plan.unroll and not plan.forced:
                    plan.unroll = plan.forced = True
                    return True
                if plan is not None and plan.forced:
                    return False
            frame = frame.parent
        return False

    def unroll_tried(self) -> bool:
        """After any other error: whether there are long loops that were tried at run time. Code after one may need the
        constants that it ends with."""
        tried = [plan for plan in self.plans.values() if plan.tried and not plan.unroll]
        for plan in tried:
            plan.unroll = plan.forced = True
        return bool(tried)

    # errors

    def endless_growth(self) -> LimitExceeded:
        return LimitExceeded(0, "the program grows without end while its loops are unrolled",
                             hints=("a loop runs at run time if its body needs no constant",))  # fmt: skip

    def too_deep(self) -> LimitExceeded:
        """The error for what makes the compiler call itself without end."""
        error = LimitExceeded(
            0, "values lie too deep in each other here, or calls in calls",
            hints=("a list or dict that holds itself has no end: let it hold a copy",
                   "write large expressions as several statements"),
        )  # fmt: skip
        self.locate(error)
        return error

    def locate(self, error: TranslationError) -> None:
        """Gives an error that names no place the place where evaluation stands, and the calls that led there."""
        if error.span is None and self.b.span is not None:
            error.span = self.b.span
            error.line = self.b.span.line
        frame = self.frame
        notes = []
        while frame is not None and frame.parent is not None:
            comprehension = frame.fn.name.startswith("<") and frame.fn.name != "<lambda>"
            if frame.site is not None and frame.shown is None and not comprehension:
                notes.append((frame.site, frame.fn.name + blame.CALLED))
            frame = frame.parent
        if not error.notes:
            error.notes = tuple(dict.fromkeys(notes))  # recursion comes from one place again and again

    # what operations of users' classes come back to

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
            return Unbound("the enclosing function has not assigned it yet")

    def cell_ref(self, frame: Frame, name: str) -> CellRef:
        return CellRef(frame.cell_ids[name])


def _counts_at_run_time(iterator: Abstract) -> bool:
    return isinstance(iterator, Counter) and counter_items(iterator) is None


def _raised(values: list[Abstract]) -> str:
    """The name of what ``raise`` (nothing), ``raise exception`` or ``raise exception from cause`` raises."""
    if not values:
        return "RuntimeError"  # there is no active exception to raise again
    exception = values[0]
    if isinstance(exception, ExceptionOf):
        return exception.kind.__name__
    raised = exception.obj if isinstance(exception, Const) else None
    kind = raised if isinstance(raised, type) else type(raised)
    return kind.__name__ if issubclass(kind, BaseException) else "TypeError"


def TranslationErrorFor(value: Unbound, what: str) -> TranslationError:  # noqa: N802 - makes the exception
    """The error for using a variable that has no single value."""
    return UnsupportedSyntax(0, f"{what} can't be used here: {value.why}",
                             hints=("give it one value of one type on every path",))  # fmt: skip
