"""Emits IR at the current place, and folds constant operations."""

from __future__ import annotations

from typing import Any, NoReturn

from ...exception import LimitExceeded, Span, UnsupportedSyntax
from ...spec import HookSpec, MapSpec, Target
from ...uapi.helpers import HELPERS
from ...uapi.map_types import LOSS_COUNTER
from ..ir.fold import fold
from ..ir.ops import INFO, Op, Raise
from ..ir.types import CTX, I64, STACK, U64, VOID, Int, Ptr, Region, Type
from ..ir.values import Block, Function, Value, append, connect, const

_STACK = 512
_LARGEST = 1 << 16
"""Bytes. Passes may remove objects that are larger than the stack, but none of more than this size."""

_CALLS = frozenset((Op.CALL, Op.PACKET))
_HARMLESS = {op for op, info in INFO.items() if info.pure or info.removable or info.terminator} | {Op.GUARD}
_LOCKED = "the kernel forbids calls of helpers while a spin lock is held, and this needs {}()"
_LOCKED_HINT = "do it before or after the with statement; only arithmetic and memory are allowed in it"

MASK64 = (1 << 64) - 1


class PathEnds(Exception):  # noqa: N818 - no error: control flow of the evaluator
    """The code that follows on this path is never reached."""


class Padding:
    """Types with padding. ``soiled``: some object's padding may not be zero; ``relied_on``: their objects were assumed
    to have zero padding. Both outlive a restart."""

    def __init__(self) -> None:
        self.soiled: set[Any] = set()
        self.relied_on: set[Any] = set()


class Builder:
    """A cursor into a function under construction.

    ``span`` is the source of the next operations, ``held`` the map entry whose spin lock is held, ``writes`` counts
    operations that may have changed memory. ``stand_ins`` are the numbers that missing keys of maps give, with the text
    and hints for messages about them.
    """

    def __init__(self, name: str, hook: HookSpec, target: Target, caller: Builder | None = None) -> None:
        self.target = target
        self.fn = Function(name, hook, target)
        self.span: Span | None = None
        self.held: Value | None = None
        self.writes = 0
        self.map_numbers: dict[int, int] = {}
        self.stand_ins: dict[Value, tuple[str, tuple[str, ...]]] = {}
        self.padding = Padding()
        if caller is not None:
            self.fn.belong_to(caller.fn)
            self.map_numbers = caller.map_numbers
            self.padding = caller.padding
        self.block = Block()
        self.start(self.block)
        self.context = self.emit(Op.CTX, [], CTX)

    def parameter(self, type: Type) -> Value:
        """The next parameter of a subprogram. It stands at the beginning, while its register still holds it."""
        self.fn.params += 1
        value = Value(Op.PARAM, [], type, 1 + self.fn.params, self.span)
        self.fn.blocks[0].body.insert(self.fn.params, value)
        return value

    # places

    def start(self, block: Block) -> None:
        """Emits the next operations at the end of ``block``."""
        self.fn.blocks.append(block)
        self.block = block
        self.checked: set[Value] = set()

    def jump(self, target: Block) -> None:
        connect(self.block, Op.JUMP, [], (target,), self.span)

    def branch(self, condition: Value, yes: Block, no: Block) -> None:
        connect(self.block, Op.BRANCH, [condition], (yes, no), self.span)

    def turn(self) -> None:
        """Marks the begin of a turn of a run-time loop."""
        append(self.block, Op.TURN, [], VOID, None, self.span)

    def ret(self, value: Value) -> None:
        append(self.block, Op.RETURN, [value], VOID, None, self.span)

    def exit(self, error: str) -> NoReturn:
        """Ends this path with the hook's fallback result, since Python would raise ``error`` here for every input."""
        if self.held is not None:
            self.unlock()
        append(self.block, Op.EXIT, [], VOID, Raise(error), self.span)
        raise PathEnds

    def guard(self, condition: Value, error: str, none: bool = False) -> None:
        """Ends the program unless ``condition``, where Python would raise ``error``; ``none``: since a value is None.
        """
        if condition.op is Op.CONST:
            if not condition.attr:
                self.exit(error)
            return
        if self.held is not None and not (condition.op is Op.NE and condition.args[0] is self.held):
            self._guard_locked(condition, error, none)  # (not for the test that the entry exists: no lock is held then)
            return
        append(self.block, Op.GUARD, [condition], VOID, Raise(error, none), self.span)

    def guard_size(self, size: Value, limit: int) -> None:
        """Guards that a run-time size is 1 to ``limit``. The tests are raw operations, which stay if the verifier can't
        prove the bounds itself."""
        self.guard(self.compare(Op.ULT, size, const(limit + 1)), "ValueError")
        self.guard(self.compare(Op.ULT, const(0), size), "ValueError")

    def guard_not_null(self, pointer: Value, error: str = "AttributeError") -> None:
        """Ends the program on None, where Python would raise AttributeError, or ``error`` for other operations."""
        if isinstance(pointer.type, Ptr) and pointer.type.nullable and pointer not in self.checked:
            self.guard(self.compare(Op.NE, pointer, const(0)), error, none=True)
            self.checked.add(pointer)

    # spin locks

    def lock_address(self, entry: Value) -> Value:
        """The address of the lock in a map entry that isn't null."""
        assert isinstance(entry.type, Ptr) and entry.type.spec is not None and entry.type.spec.lock_offset is not None
        offset = entry.type.spec.lock_offset
        pointer = Ptr(entry.type.region, False, entry.type.spec)
        return self.emit(Op.PTRADD, [entry, const(offset)], pointer) if offset else entry

    def lock(self, entry: Value) -> None:
        """Takes the lock of a map entry, if the entry exists."""
        self._if_there(entry, "spin_lock")
        self.held = entry

    def unlock(self) -> None:
        """Releases the lock that lock() took."""
        entry, self.held = self.held, None
        assert entry is not None
        self._if_there(entry, "spin_unlock")

    def _if_there(self, entry: Value, helper: str) -> None:
        there, after = Block(), Block()
        self.branch(entry, there, after)
        self.start(there)
        self.emit(Op.CALL, [self.lock_address(entry)], I64, HELPERS[helper])
        self.jump(after)
        self.start(after)

    def _guard_locked(self, condition: Value, error: str, none: bool) -> None:
        """A guard that releases the lock before the program ends, as the kernel requires."""
        passes, fails, held, checked = Block(), Block(), self.held, self.checked
        self.branch(condition, passes, fails)
        self.start(fails)
        self.unlock()
        append(self.block, Op.EXIT, [], VOID, Raise(error, none), self.span)
        self.start(passes)
        self.held, self.checked = held, checked

    # values

    def emit(self, op: Op, args: list[Value], type: Type = VOID, attr: Any = None) -> Value:
        if self.held is not None and op in _CALLS:
            called = attr.name if op is Op.CALL else "load_skb"
            raise UnsupportedSyntax(0, _LOCKED.format(called), hints=(_LOCKED_HINT,))
        if op not in _HARMLESS:
            self.writes += 1
        if INFO[op].pure and args and isinstance(type, Int):
            folded = fold(op, args, type, attr)
            if folded is not None:
                return folded
        return append(self.block, op, args, type, attr, self.span)

    def compare(self, op: Op, a: Value, b: Value) -> Value:
        return self.emit(op, [a, b], I64)

    def add(self, a: Value, b: Value) -> Value:
        return self.emit(Op.ADD, [a, b], I64 if _signed(a) and _signed(b) else U64)

    def phi(self, target: Block, args: list[Value], type: Type) -> Value:
        value = Value(Op.PHI, args, type, None, self.span)
        target.phis.append(value)
        return value

    # memory

    def alloca(self, size: int) -> Value:
        """Memory on the stack. Refuses hopeless sizes at once, before passes work on millions of bytes."""
        if size > _LARGEST:
            raise LimitExceeded(0, f"an object of {size} bytes is made here, and BPF's stack has {_STACK}",
                                hints=("keep large objects in a map",))  # fmt: skip
        return append(self.block, Op.ALLOCA, [], STACK, max(size, 1), self.span)

    def load(self, base: Value, offset: int, size: int, signed: bool) -> Value:
        self.guard_not_null(base)
        return self.emit(Op.LOAD, [base], U64 if size == 8 and not signed else I64, (offset, size, signed))

    def store(self, base: Value, offset: int, size: int, value: Value) -> None:
        self.guard_not_null(base)
        self.check_writable(base)
        self.emit(Op.STORE, [base, value], VOID, (offset, size))

    def check_writable(self, base: Value) -> None:
        """Raises UnsupportedSyntax for a packet that the hook can only read."""
        in_packet = isinstance(base.type, Ptr) and base.type.region is Region.PACKET
        if in_packet and not self.fn.hook.packet_stores:
            raise UnsupportedSyntax(
                0, f"a {self.fn.hook.name} program can't write to its packet", hints=("copy what shall change",)
            )

    def zero(self, base: Value, offset: int, size: int) -> None:
        self.emit(Op.ZERO, [base], VOID, (offset, size))

    def copy(self, to: Value, to_offset: int, source: Value, offset: int, size: int) -> None:
        self.guard_not_null(to)
        self.check_writable(to)
        self.guard_not_null(source)
        if size and not (to is source and to_offset == offset):
            self.emit(Op.COPY, [to, source], VOID, (to_offset, offset, size))

    def address(self, base: Value, offset: int) -> Value:
        """base + offset as one pointer."""
        if not offset:
            return base
        assert isinstance(base.type, Ptr)
        self.guard_not_null(base)
        return self.emit(Op.PTRADD, [base, const(offset)], Ptr(base.type.region, False, base.type.spec))

    def map_number(self, obj: Any, spec: MapSpec) -> int:
        """The program's number for a map, given at its first use."""
        number = self.map_numbers.setdefault(id(obj), len(self.fn.maps))
        if number == len(self.fn.maps):
            self.fn.maps.append(spec)
            self.fn.captures.append(obj)
        return number

    def loss_counter(self, obj: Any, spec: MapSpec) -> int:
        """The program's number for the map that counts records and entries that ``obj`` lost. The loader makes it."""
        of = self.map_number(obj, spec)
        if of not in self.fn.losses:
            self.fn.losses[of] = len(self.fn.maps)
            self.fn.maps.append(LOSS_COUNTER)
            self.fn.captures.append(None)
        return self.fn.losses[of]


def _signed(value: Value) -> bool:
    return isinstance(value.type, Int) and value.type.signed
