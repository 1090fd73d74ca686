"""The language of version modules: a table from opcode names to rules."""

from __future__ import annotations

import opcode
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ...exception import InternalCompilerError
from .canonical import Drafts, Op
from .emitter import Emitter

_BRANCH, _JUMP = Op.BRANCH, Op.JUMP  # looking up a member takes long on 3.11

RAW, CONST, NAME, LOCAL = range(4)
"""The source of a plain rule's operand: the number itself, co_consts, co_names, the fast locals."""

NOTHING: Sequence[None] = (None,) * 256
FLAG: Sequence[bool] = (False, True)


class Plain(NamedTuple):
    """One instruction becomes one. Its operand is looked up in RAW, CONST, NAME, LOCAL or the given table."""

    op: Op
    operands: int | Sequence[object] = NOTHING


class Jump(NamedTuple):
    """A jump: ``kind`` of BRANCH, '' when unconditional, 'iter' for FOR_ITER; forward (1) or backward (-1).

    ``keep`` says that TOS stays on the stack when the jump is taken and is popped otherwise.
    """

    kind: str
    direction: int = 1
    keep: bool = False


class Unsupported(NamedTuple):
    """The opcode belongs to a construct that compiled functions can't contain; ``text`` is the construct's name."""

    text: str


class Skip:
    """The opcode has no canonical instruction."""


SKIP = Skip()
Handler = Callable[[Emitter, int, int], None]
"""Called with the emitter, the operand and the code unit; emits canonical instructions."""

Rule = Plain | Jump | Unsupported | Skip | Handler
Rules = Mapping[str, Rule]

Suspending = Mapping[tuple[str, int], str]
"""(opcode, operand or ANY) that marks a generator or coroutine -> the user-level name of its construct."""

ANY = -1

Finish = Callable[[Drafts], None]
"""A last pass over the blocks of a function, before they are joined and ordered."""


def derive(base: Rules, gone: str, changed: Rules) -> Rules:
    """The rules of a version from its predecessor's: without the opcodes named in ``gone``, with ``changed``."""
    absent = gone.split()
    missing = [name for name in absent if name not in base]
    if missing:
        raise InternalCompilerError("bytecode", f"the predecessor has no {', '.join(missing)}")
    return {**{name: rule for name, rule in base.items() if name not in absent}, **changed}


class Version:
    """The rules of the running CPython version, indexed by opcode number.

    ``plain[opcode]`` is (operation, index of its operand table) or None; then ``handlers[opcode]`` is called,
    unless that is None too: such opcodes are skipped. ``tables`` are the operand tables after RAW to LOCAL.
    ``after_loop`` are the opcodes at the target of FOR_ITER that clean up the exhausted iterator. ``finish``
    is called with the decoded blocks.
    """

    def __init__(
        self,
        rules: Rules,
        suspending: Suspending,
        after_loop: tuple[str, ...] = (),
        finish: Finish | None = None,
    ) -> None:
        self.names = opcode.opname
        self.plain: list[tuple[Op, int] | None] = [None] * 256
        self.handlers: list[Handler | None] = [_unknown] * 256
        self.jumps: dict[int, Jump] = {}
        self.tables: list[Sequence[object]] = []
        self.cache = opcode.opmap["CACHE"]
        self.after_loop = bytes(opcode.opmap[name] for name in after_loop)
        self.suspending = {(opcode.opmap[name], arg): text for (name, arg), text in suspending.items()}
        self.finish = finish
        for name, rule in rules.items():
            self._add(opcode.opmap[name], rule)
        self.jump_pattern = re.compile(b"[" + b"".join(re.escape(bytes((jump,))) for jump in self.jumps) + b"]")

    def _add(self, number: int, rule: Rule) -> None:
        if isinstance(rule, Plain):
            self.plain[number] = (rule.op, self._table(rule.operands))
        elif isinstance(rule, Jump):
            self.jumps[number] = rule
            self.handlers[number] = _handler_of(rule)
        elif isinstance(rule, Unsupported):
            self.handlers[number] = _unsupported(rule.text)
        else:
            self.handlers[number] = None if isinstance(rule, Skip) else rule

    def _table(self, operands: int | Sequence[object]) -> int:
        if isinstance(operands, int):
            return operands
        if operands not in self.tables:
            self.tables.append(operands)
        return LOCAL + 1 + self.tables.index(operands)


def _unknown(emitter: Emitter, arg: int, unit: int) -> None:
    name = opcode.opname[emitter.ops[unit]]
    raise InternalCompilerError("bytecode", f"unknown opcode {name} {arg}", emitter.source.span(unit))


def _unsupported(text: str) -> Handler:
    def handler(emitter: Emitter, arg: int, unit: int) -> None:
        emitter.end(Op.UNSUPPORTED, text, unit)

    return handler


def _jump(emitter: Emitter, arg: int, unit: int) -> None:
    emitter.end(_JUMP, None, unit, emitter.targets[unit])


def _for_iter(emitter: Emitter, arg: int, unit: int) -> None:
    emitter.end(Op.FOR_ITER, None, unit, emitter.after_loop(unit), emitter.next_unit(unit))


def _branch(kind: str) -> Handler:
    def handler(emitter: Emitter, arg: int, unit: int) -> None:
        emitter.end(_BRANCH, kind, unit, emitter.targets[unit], emitter.next_unit(unit))

    return handler


def _branch_or_pop(kind: str) -> Handler:
    def handler(emitter: Emitter, arg: int, unit: int) -> None:
        emitter.emit(Op.COPY, 1, unit)
        emitter.end(_BRANCH, kind, unit, emitter.targets[unit], emitter.popping(unit))

    return handler


def _handler_of(jump: Jump) -> Handler:
    if not jump.kind:
        return _jump
    if jump.kind == "iter":
        return _for_iter
    return _branch_or_pop(jump.kind) if jump.keep else _branch(jump.kind)
