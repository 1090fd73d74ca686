"""Checks the IR's rules after every pass in tests, so that a broken pass is found at once."""

from __future__ import annotations

from enum import Enum

from ...exception import InternalCompilerError
from .dominators import dominators
from .ops import INFO, Op
from .types import Int, Ptr, Void
from .values import Block, Function, Value


class Rules(Enum):
    """The operations that the IR may contain, besides the rules that always hold."""

    EXACT = "Python's and BPF's operations"
    RAW = "BPF's operations alone"


def check(fn: Function, stage: str, rules: Rules = Rules.EXACT) -> None:
    """Raises InternalCompilerError naming ``stage`` if a rule is broken."""
    _Checker(fn, stage, rules).run()


class _Checker:
    def __init__(self, fn: Function, stage: str, rules: Rules) -> None:
        self.fn = fn
        self.stage = stage
        self.rules = rules
        self.home: dict[Value, tuple[Block, int]] = {}

    def fail(self, value: Value | None, what: str) -> None:
        raise InternalCompilerError(self.stage, f"{what}: {value!r}", value.span if value else None)

    def run(self) -> None:
        known = set(self.fn.blocks)
        for block in self.fn.blocks:
            for position, value in enumerate(block.values()):
                if value in self.home:
                    self.fail(value, "a value stands in two places")
                self.home[value] = (block, position)
        for block in self.fn.blocks:
            self.edges(block, known)
        self.dom = dominators(self.fn)
        for block in self.fn.blocks:
            for value in block.values():
                self.shape(block, value)
                self.operands(block, value)

    def edges(self, block: Block, known: set[Block]) -> None:
        if not block.body or not INFO[block.body[-1].op].terminator:
            self.fail(None, "a block without terminator")
        if any(INFO[value.op].terminator for value in block.body[:-1]):
            self.fail(block.body[-1], "a terminator inside a block")
        for succ in block.succs:
            if succ not in known or succ.preds.count(block) != block.succs.count(succ):
                self.fail(block.end, "an edge that its target does not know")
        for pred in block.preds:
            if pred not in known or block not in pred.succs:
                self.fail(None, "a predecessor that has no such successor")

    def shape(self, block: Block, value: Value) -> None:
        info = INFO[value.op]
        if info.arity is not None and info.arity != len(value.args):
            self.fail(value, f"{len(value.args)} arguments")
        if (value.op is Op.PHI) != (value in block.phis):
            self.fail(value, "a phi outside the phis")
        if value.op is Op.PHI and len(value.args) != len(block.preds):
            self.fail(value, "a phi that does not match the predecessors")
        if self.rules is Rules.RAW and info.exact:
            self.fail(value, "an exact operation after lowering")
        if info.compare and not isinstance(value.type, Int):
            self.fail(value, "a comparison that is no integer")
        if value.op in (Op.LOAD, Op.STORE, Op.ZERO, Op.ATOMIC, Op.PTRADD) and not isinstance(value.args[0].type, Ptr):
            self.fail(value, "an address that is no pointer")

    def operands(self, block: Block, value: Value) -> None:
        for i, arg in enumerate(value.args):
            if arg.op is Op.CONST:
                continue
            if isinstance(arg.type, Void):
                self.fail(value, "an argument that has no value")
            if arg not in self.home:
                self.fail(value, f"an argument that stands nowhere ({arg!r})")
            home, position = self.home[arg]
            if value.op is Op.PHI:
                if not self.dom.dominates(home, block.preds[i]):
                    self.fail(value, "a phi argument that does not reach its predecessor")
            elif home is block:
                if position >= self.home[value][1]:
                    self.fail(value, "used before it is computed")
            elif not self.dom.dominates(home, block):
                self.fail(value, "used where it may not have been computed")
