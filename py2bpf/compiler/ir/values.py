"""IR data: values in static single assignment form, basic blocks, functions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...exception import Span
from ...spec import HookSpec, MapSpec, Target
from .ops import Op
from .types import I64, U64, VOID, Type


class Value:
    """An instruction and the value that it computes."""

    __slots__ = ("args", "attr", "op", "span", "type")

    def __init__(self, op: Op, args: list[Value], type: Type, attr: Any = None, span: Span | None = None) -> None:
        self.op = op
        self.args = args
        self.type = type
        self.attr = attr
        self.span = span

    def __repr__(self) -> str:
        return f"<{self.op.value} {self.attr if self.attr is not None else ''} {self.type}>"


def const(number: int, type: Type | None = None) -> Value:
    """A constant of the given type, or else i64 unless only u64 can hold it. The number must fit 64 bits."""
    return Value(Op.CONST, [], type or (I64 if number < 1 << 63 else U64), number)


def is_zero(value: Value) -> bool:
    """Whether a value is the constant 0, or null."""
    return value.op is Op.CONST and not value.attr


def plain(value: Value) -> Value:
    """The value without casts around it."""
    while value.op is Op.CAST:
        value = value.args[0]
    return value


class Block:
    """A basic block: phis, then a body that ends in one terminator. ``preds`` is in the order of phi arguments."""

    __slots__ = ("body", "phis", "preds")

    def __init__(self) -> None:
        self.phis: list[Value] = []
        self.body: list[Value] = []
        self.preds: list[Block] = []

    @property
    def end(self) -> Value:
        return self.body[-1]

    @property
    def succs(self) -> tuple[Block, ...]:
        end = self.body[-1]
        return end.attr if end.op is Op.JUMP or end.op is Op.BRANCH else ()

    def values(self) -> Iterator[Value]:
        yield from self.phis
        yield from self.body


class Function:
    """A program in IR. ``blocks[0]`` is the entry; every block stands after its forward predecessors, and the blocks of
    a loop stand together. ``edges``: the offsets of the context's pointers to the packet. ``locked``: the headers of
    loops that run while a spin lock is held. ``losses``: by the number of a map, the number of the map that counts its
    losses. ``notices``: warnings of the evaluator, as class, place, text and hints.

    A subprogram has ``params`` parameters besides the context, and a ``result`` type. It stores 1 where its raise flag
    ``flag`` points if the program must end. A ``callback`` is called by bpf_loop, with the number of the call and its
    own parameter; it returns 0 to be called again, 1 to end the loop."""

    __slots__ = (
        "blocks", "callback", "captures", "edges", "flag", "hook", "kfuncs", "locked", "losses", "maps", "name",
        "notices", "params", "result", "subprograms", "target",
    )  # fmt: skip

    def __init__(self, name: str, hook: HookSpec, target: Target | None = None) -> None:
        self.name = name
        self.hook = hook
        self.target = target or Target()
        self.blocks: list[Block] = []
        self.maps: list[MapSpec] = []
        self.captures: list[Any] = []
        self.losses: dict[int, int] = {}
        self.edges: dict[str, int] = {}
        self.kfuncs: list[str] = []
        self.notices: list[tuple[type[UserWarning], Span, str, tuple[str, ...]]] = []
        self.locked: set[Block] = set()
        self.subprograms: list[Function] = []
        self.params = 0
        self.result: Type = VOID
        self.flag: Value | None = None
        self.callback = False

    def __str__(self) -> str:
        return self.name

    def belong_to(self, program: Function) -> None:
        """Makes this function a subprogram, which shares the program's maps and kernel functions."""
        self.maps, self.captures, self.edges = program.maps, program.captures, program.edges
        self.kfuncs, self.subprograms, self.losses = program.kfuncs, program.subprograms, program.losses
        self.notices = program.notices
        self.subprograms.append(self)

    def kfunc(self, name: str) -> int:
        """The program's number for a kernel function, given at its first use."""
        if name not in self.kfuncs:
            self.kfuncs.append(name)
        return self.kfuncs.index(name)


def append(block: Block, op: Op, args: list[Value], type: Type = VOID, attr: Any = None,
           span: Span | None = None) -> Value:  # fmt: skip
    """Adds an instruction to the end of a block."""
    value = Value(op, args, type, attr, span)
    block.body.append(value)
    return value


def connect(block: Block, op: Op, args: list[Value], targets: tuple[Block, ...], span: Span | None = None) -> None:
    """Ends a block with a jump or branch and enters it as a predecessor of its targets."""
    append(block, op, args, VOID, targets, span)
    for target in targets:
        target.preds.append(block)


def split_block(block: Block, at: int) -> Block:
    """Moves the end of a block, from index ``at`` on, to a new block, which the caller puts into the function. The old
    block is left without a terminator."""
    rest = Block()
    rest.body = block.body[at:]
    del block.body[at:]
    for succ in dict.fromkeys(rest.succs):
        succ.preds = [rest if pred is block else pred for pred in succ.preds]
    return rest


def remove_edge(source: Block, target: Block) -> None:
    """Removes one edge from the target's predecessors, with its phi arguments."""
    index = target.preds.index(source)
    del target.preds[index]
    for phi in target.phis:
        del phi.args[index]


def prune(fn: Function) -> None:
    """Drops unreachable blocks and their edges; keeps the order of the others."""
    seen: set[Block] = {fn.blocks[0]}
    stack = [fn.blocks[0]]
    while stack:
        for succ in stack.pop().succs:
            if succ not in seen:
                seen.add(succ)
                stack.append(succ)
    if len(seen) == len(fn.blocks):
        return
    for dead in fn.blocks:
        if dead not in seen:
            for succ in dead.succs:
                if succ in seen:
                    remove_edge(dead, succ)
    fn.blocks = [block for block in fn.blocks if block in seen]


def replace_all(fn: Function, new: dict[Value, Value]) -> None:
    """Replaces values by others everywhere, following chains."""
    if not new:
        return
    for block in fn.blocks:
        for value in block.values():
            args = value.args
            for i, arg in enumerate(args):
                while arg in new:
                    arg = new[arg]
                args[i] = arg
