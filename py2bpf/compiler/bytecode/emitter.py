"""The emitter, to which handlers of opcodes write the canonical instructions of the block that is being decoded."""

from __future__ import annotations

import opcode
from collections.abc import Sequence
from types import CodeType
from typing import Any, Final

from ...exception import InternalCompilerError
from .canonical import Instr, Op, Source

_COPY: Final = Op.COPY
_CACHE: Final = opcode.opmap["CACHE"]
_EXTENDED: Final = opcode.opmap["EXTENDED_ARG"]


class Emitter:
    """The state of decoding ``code``; handlers of version modules call ``emit``, ``end`` and look at ``out``.

    ``clean_up`` are the opcodes at the target of FOR_ITER that clean up the exhausted iterator.
    """

    def __init__(self, code: CodeType, clean_up: bytes) -> None:
        raw = code.co_code  # without specialised and instrumented opcodes, unlike _co_code_adaptive
        self.code = code
        self.clean_up = clean_up
        self.ops = raw[::2]
        positions = list(code.co_positions())
        positions += [(None,) * 4] * (len(self.ops) - len(positions))  # generated code may have no line table
        self.source = Source(code.co_filename, code.co_qualname, code.co_firstlineno, positions)
        self.args: Sequence[int] = raw[1::2]
        if _EXTENDED in self.ops:
            self.args = _widen(self.ops, self.args)
        self.cells = frozenset(code.co_cellvars + code.co_freevars)
        self.locals = _fast_locals(code)
        self.names = code.co_names
        self.constants = code.co_consts
        self.keywords: tuple[str, ...] = ()
        self.out: list[Instr] = []
        self.succ: tuple[int, ...] | None = None
        self.targets: dict[int, int] = {}
        self.popped: dict[int, int] = {}

    def emit(self, op: Op, arg: Any, unit: int) -> None:
        """Append an instruction to the current block."""
        self.out.append(Instr(op, arg, unit, self.source))

    def begin(self) -> list[Instr]:
        """Begin a block; return its list of instructions."""
        self.out = []
        self.succ = None
        return self.out

    def end(self, op: Op, arg: Any, unit: int, *succ: int) -> None:
        """End the current block."""
        self.out.append(Instr(op, arg, unit, self.source))
        self.succ = succ

    @property
    def last(self) -> Op | None:
        """The operation before the current one; None at a block's beginning, where several paths may meet."""
        return self.out[-1].op if self.out else None

    def copies(self, count: int) -> bool:
        """Whether the block so far ends in ``count`` times COPY(count)."""
        out = self.out
        if not out or out[-1].op is not _COPY:  # nearly always
            return False
        return len(out) >= count and all(instr.op is _COPY and instr.arg == count for instr in out[-count:])

    def next_unit(self, unit: int) -> int:
        """The unit after the one at ``unit`` and its inline caches."""
        unit += 1
        while unit < len(self.ops) and self.ops[unit] == _CACHE:
            unit += 1
        return unit

    def after_loop(self, unit: int) -> int:
        """The unit where an exhausted FOR_ITER continues: after the clean-up of its iterator."""
        target, cleanup = self.targets[unit], self.clean_up
        if self.ops[target : target + len(cleanup)] != cleanup:
            raise InternalCompilerError("bytecode", "a loop ends in an unknown way", self.source.span(unit))
        return target + len(cleanup)

    def popping(self, unit: int) -> int:
        """The key of a block that pops TOS and goes on after the jump at ``unit``."""
        key = ~self.next_unit(unit)
        self.popped[key] = unit
        return key


def _widen(ops: bytes, args: Sequence[int]) -> list[int]:
    """Put the bits of EXTENDED_ARG prefixes into the operands of the instructions that they precede."""
    result = []
    prefix = 0
    for number, arg in zip(ops, args, strict=True):
        arg |= prefix
        prefix = arg << 8 if number == _EXTENDED else 0
        result.append(arg)
    return result


def _fast_locals(code: CodeType) -> tuple[str, ...]:
    """The names by index of CPython's frame slots: locals, cells that aren't arguments, free variables."""
    names = code.co_varnames
    return names + tuple(cell for cell in code.co_cellvars if cell not in names) + code.co_freevars
