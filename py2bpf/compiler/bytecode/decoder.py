"""Decodes one code object with the rules of a version: finds the blocks, decodes the reachable ones, orders them."""

from __future__ import annotations

import inspect
from types import CodeType
from typing import Any

from ...exception import InternalCompilerError
from . import stored
from .canonical import STORES, Block, Draft, Drafts, Function, Instr, Loop, Op
from .emitter import Emitter
from .graph import IrreducibleError, arrange
from .protected import try_statements
from .rules import ANY, Version
from .turns import Beginning, give_block, join_continues

_INTEGERS = range(1 << 31)
_SUSPENDING = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


class Decoder(Emitter):
    """Decodes ``code`` block by block, as the rules of a version say."""

    def __init__(self, code: CodeType, version: Version) -> None:
        super().__init__(code, version.after_loop)
        self.version = version
        self.tables = (_INTEGERS, self.constants, self.names, self.locals, *version.tables)

    def find_targets(self) -> list[int]:
        """Fill ``targets`` and return the first unit of every block, in order."""
        jumps = self.version.jumps
        leaders = {0}
        for match in self.version.jump_pattern.finditer(self.ops):
            unit = match.start()
            kind, direction, _ = jumps[self.ops[unit]]
            after = self.next_unit(unit)
            self.targets[unit] = target = after + direction * self.args[unit]
            leaders.update((after, self.after_loop(unit) if kind == "iter" else target))
        return sorted(leaders - {len(self.ops)})

    def drafts(self) -> Drafts:
        """Decode the blocks that are reachable from the entry."""
        leaders = self.find_targets()
        tries = try_statements(self.code, self.ops, self.version.names) if self.code.co_exceptiontable else {}
        if tries:
            leaders = sorted({*leaders, *tries})
        ends = dict(zip(leaders, [*leaders[1:], len(self.ops)], strict=True))
        done: Drafts = {}
        pending = [0]
        while pending:
            key = pending.pop()
            if key in done:
                continue
            if key in tries:
                done[key] = self.single(Op.UNSUPPORTED, *tries[key])
            elif key < 0:
                unit = self.popped[key]
                jump = Instr(Op.JUMP, None, unit, self.source)
                done[key] = Draft([Instr(Op.POP_TOP, None, unit, self.source), jump], (~key,))
            else:
                done[key] = self.block(key, ends[key])
            pending += done[key].succ
        return done

    def single(self, op: Op, arg: Any, unit: int) -> Draft:
        """A block of one terminator without successors."""
        return Draft([Instr(op, arg, unit, self.source)], ())

    def block(self, start: int, end: int) -> Draft:
        """Decode the units from ``start`` up to a terminator, at most to ``end``."""
        tables, source, version, instruction = self.tables, self.source, self.version, Instr
        plain, handlers, cache = version.plain, version.handlers, version.cache
        out = self.begin()
        append = out.append
        for unit, number, arg in zip(range(start, end), self.ops[start:end], self.args[start:end], strict=True):
            if number == cache:
                continue
            rule = plain[number]
            if rule is not None:
                op, table = rule
                append(instruction(op, tables[table][arg], unit, source))
            elif (handler := handlers[number]) is not None:
                handler(self, arg, unit)
                if self.succ is not None:
                    return Draft(out, self.succ)
        if end == len(self.ops):
            raise InternalCompilerError("bytecode", "the code has no end", source.span(end - 1))
        self.end(Op.JUMP, None, end - 1, end)
        return Draft(out, (end,))

    def function(self) -> Function:
        """Decode the whole code object."""
        if self.code.co_flags & _SUSPENDING and not self.is_generator_expression():
            return _function(self.code, {0: self.single(Op.UNSUPPORTED, *self.suspender())})
        drafts = self.drafts()
        if self.version.finish:
            self.version.finish(drafts)
        _thread(drafts)
        join_continues(drafts)
        _merge(drafts)
        stored.find(drafts)
        try:
            return _function(self.code, drafts)
        except IrreducibleError as error:
            unit = drafts[list(drafts)[error.node]].instrs[0].unit
            raise InternalCompilerError("bytecode", "a loop with two entries", self.source.span(unit)) from None

    def is_generator_expression(self) -> bool:
        """Whether the code is a plain ``(x for ...)``, which its consumer can run as a loop."""
        return self.code.co_name == "<genexpr>" and self.code.co_flags & _SUSPENDING == inspect.CO_GENERATOR

    def suspender(self) -> tuple[str, int]:
        """The construct that makes the code a generator or coroutine, and its code unit."""
        suspending = self.version.suspending
        for unit, (number, arg) in enumerate(zip(self.ops, self.args, strict=True)):
            text = suspending.get((number, arg)) or suspending.get((number, ANY))
            if text:
                return ("generator expression" if self.code.co_name == "<genexpr>" else text), unit
        return ("yield" if self.code.co_flags & inspect.CO_GENERATOR else "async def"), 0


def _thread(drafts: Drafts) -> None:
    """Redirect edges around blocks that only jump, which not all versions of CPython do themselves."""
    ways = {key: draft.succ[0] for key, draft in drafts.items() if len(draft.instrs) == 1 == len(draft.succ) and key}
    if not ways:
        return
    for key, way in ways.items():
        passed = {key}
        while way in ways and way not in passed:
            passed.add(way)
            way = ways[way]
        ways[key] = way
    for key, (instrs, succ) in drafts.items():
        threaded = tuple([ways.get(target, target) for target in succ])
        if threaded != succ and len(set(threaded)) == len(succ):  # a BRANCH keeps two ways
            drafts[key] = Draft(instrs, threaded)
    for key in ways.keys() - {target for draft in drafts.values() for target in draft.succ}:
        del drafts[key]


def _merge(drafts: Drafts) -> None:
    """Join a block that ends in a jump with its target, if no other edge leads to the target."""
    entering = dict.fromkeys(drafts, 0)
    for draft in drafts.values():
        for key in draft.succ:
            entering[key] += 1
    for key in list(drafts):
        if key not in drafts:
            continue
        instrs, succ = drafts[key]
        while len(succ) == 1 and entering[succ[0]] == 1 and succ[0] not in (key, 0):
            target = drafts.pop(succ[0])
            instrs, succ = drafts[key] = Draft(instrs[:-1] + target.instrs, target.succ)


def _function(code: CodeType, drafts: Drafts) -> Function:
    """Number and order the blocks, find the loops."""
    number = {key: index for index, key in enumerate(drafts)}
    graph = [tuple([number[key] for key in draft.succ]) for draft in drafts.values()]
    order, loops, loop_of = arrange(graph)
    position = [0] * len(order)
    for index, node in enumerate(order):
        position[node] = index
    instrs = [draft.instrs for draft in drafts.values()]
    blocks = []
    for index, node in enumerate(order):
        succ = tuple([position[other] for other in graph[node]])
        if succ:
            instrs[node][-1].target = succ[0]
        blocks.append(Block(index, instrs[node], succ))
    found = []
    headers = {position[loop.header] for loop in loops}
    for loop in loops:
        body = frozenset(position[node] for node in loop.body)
        beginning = Beginning(blocks, position[loop.header], body, headers)
        if beginning.shared:
            keys = list(drafts)
            give_block(drafts, keys[order[beginning.turn]], [keys[order[index]] for index in beginning.shared])
            return _function(code, drafts)
        found.append(Loop(beginning.header, body, loop.parent, _stored(blocks, body), beginning.turn))
    positional = code.co_argcount
    named = positional + code.co_kwonlyargcount
    rest = list(code.co_varnames[named:])
    return Function(
        name=code.co_name,
        qualname=code.co_qualname,
        filename=code.co_filename,
        firstlineno=code.co_firstlineno,
        argnames=code.co_varnames[:positional],
        posonly=code.co_posonlyargcount,
        kwonly=code.co_varnames[positional:named],
        varargs=rest.pop(0) if code.co_flags & inspect.CO_VARARGS else None,
        varkw=rest.pop(0) if code.co_flags & inspect.CO_VARKEYWORDS else None,
        local_names=code.co_varnames,
        cellvars=code.co_cellvars,
        freevars=code.co_freevars,
        blocks=blocks,
        loops=found,
        loop_of=[loop_of[node] for node in order],
    )


def _stored(blocks: list[Block], body: frozenset[int]) -> frozenset[str]:
    """The names of the locals and cells that the blocks change."""
    return frozenset(instr.arg for index in body for instr in blocks[index].instrs if instr.op in STORES)
