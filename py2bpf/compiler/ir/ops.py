"""The operations of the IR as a table: the operands of each, and whether it may be dropped, shared or moved.

Exact operations have Python's meaning, on signed and unsigned integers; the pass ``lower`` replaces each by raw
operations, which have the meaning of BPF instructions. ``attr`` is the operation's compile-time operand; ATTRIBUTES
names its parts.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple


class Op(Enum):
    """Every IR operation; the value is its printed name."""

    __hash__ = object.__hash__  # Enum's own is a Python function, and the passes look operations up all the time

    CONST = "const"  # attr: int
    CTX = "ctx"  # the program's context pointer
    PARAM = "param"  # attr: the register that a subprogram gets it in
    PHI = "phi"  # one argument per predecessor
    # exact integers
    FLOORDIV = "floordiv"
    MOD = "mod"
    LSHIFT = "lshift"
    RSHIFT = "rshift"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"
    # integers, wrapping: exact and raw alike
    ADD = "add"
    SUB = "sub"
    MUL = "mul"
    AND = "and"  # attr: BOUND where the mask keeps a result in its hook's range
    OR = "or"
    XOR = "xor"
    NEG = "neg"
    EQ = "eq"
    NE = "ne"
    SELECT = "select"  # condition, value if not 0, value if 0
    CAST = "cast"  # the same 64 bits as the other signedness
    TRUNC = "trunc"  # attr: (bytes, signed): the result of a store to such a field and a load from it
    BSWAP = "bswap"  # attr: bytes: reverse the order of the low bytes, clear the others
    # raw integers
    UDIV = "udiv"
    UMOD = "umod"
    SHL = "shl"
    LSHR = "lshr"
    ASHR = "ashr"
    ULT = "ult"
    ULE = "ule"
    UGT = "ugt"
    UGE = "uge"
    SLT = "slt"
    SLE = "sle"
    SGT = "sgt"
    SGE = "sge"
    # memory
    ALLOCA = "alloca"  # attr: bytes: a piece of stack, contents undefined
    LOAD = "load"  # pointer; attr: (offset, bytes, signed)
    STORE = "store"  # pointer, value; attr: (offset, bytes)
    ZERO = "zero"  # pointer; attr: (offset, bytes)
    COPY = "copy"  # destination, source; attr: (destination offset, source offset, bytes)
    ATOMIC = "atomic"  # pointer, value; attr: (offset, bytes, Op)
    PTRADD = "ptradd"  # pointer, integer
    MAP = "map"  # attr: number of the map
    MAPVALUE = "mapvalue"  # attr: number of an array map of one entry: the address of its value
    FUNC = "func"  # attr: a Function: the address of a subprogram, for the helper that calls it back
    CALL = "call"  # attr: HelperInfo
    CALL_SUB = "call_sub"  # the context, the other arguments; attr: the subprogram, a Function
    PACKET = "packet"  # context [, index]; attr: (bytes, offset): a load from the packet
    VIEW = "view"  # context [, offset]; attr: (bytes, offset, whether the sum is certainly in reach): the place in the
    # packet, null past its end; the pass ``views`` expands it
    EXTENT = "extent"  # context; attr: (end, start), names of context fields: the bytes in between
    TURN = "turn"  # a turn begins, after the tests at the loop's beginning; the pass ``loop_forms`` removes it
    # the kernel's iterator over numbers, Linux 6.4; the first argument is its 8 bytes of stack
    ITER_NEW = "iter_new"  # stack, count; its value is 0, which the verifier does not know
    ITER_NEXT = "iter_next"  # stack; null when it has been asked count times
    ITER_DESTROY = "iter_destroy"  # stack
    HIDE = "hide"  # integer, an ITER_NEW or UNSEEN: the same integer, but the verifier knows nothing of it
    # the helper bpf_loop, Linux 5.17
    LOOP = "loop"  # stack, count, stack objects that the function uses; attr: the callback, a Function
    UNSEEN = "unseen"  # 0, which the verifier does not know
    HELD = "held"  # constant: the same in a register, since the verifier remembers a number stored from a register
    # control
    GUARD = "guard"  # condition; attr: Raise: if the condition is 0, the program ends with the fallback result
    JUMP = "jump"  # attr: (block,)
    BRANCH = "branch"  # condition; attr: (block if not 0, block if 0)
    RETURN = "return"  # value
    EXIT = "exit"  # attr: Raise: ends the program with the fallback result


class Raise(NamedTuple):
    """The exception that Python would raise if a guard fails: its name, and whether it is for a use of None.

    Without a name, the guard can't fail, and only the kernel's verifier needs it.
    """

    error: str
    none: bool = False

    def __str__(self) -> str:
        return f"{self.error or 'impossible'}{' on None' if self.none else ''}"


class Info(NamedTuple):
    """Traits of an operation."""

    arity: int | None  # None: any
    pure: bool = False  # same arguments, same result, no effect: may be shared, dropped
    removable: bool = False  # may be dropped when unused (reads memory, say)
    terminator: bool = False
    compare: bool = False
    commutative: bool = False
    exact: bool = False  # must be gone after lowering
    hidden: bool = False  # the kernel's verifier knows nothing of its result


_EXACT: Final = Info(2, pure=True, exact=True)
_DIVIDES: Final = Info(2, pure=True, exact=True, hidden=True)
_DIVIDES_RAW: Final = Info(2, pure=True, hidden=True)
_EXACT_CMP: Final = Info(2, pure=True, exact=True, compare=True)
_PURE: Final = Info(2, pure=True)
_SWAPS: Final = Info(2, pure=True, commutative=True)
_CMP: Final = Info(2, pure=True, compare=True)
_END: Final = Info(0, terminator=True)

INFO: Final[dict[Op, Info]] = {
    Op.CONST: Info(0, pure=True),
    Op.CTX: Info(0, pure=True),
    Op.PHI: Info(None, removable=True),
    **dict.fromkeys((Op.FLOORDIV, Op.MOD), _DIVIDES),
    **dict.fromkeys((Op.LSHIFT, Op.RSHIFT), _EXACT),
    **dict.fromkeys((Op.LT, Op.LE, Op.GT, Op.GE), _EXACT_CMP),
    **dict.fromkeys((Op.ADD, Op.MUL, Op.AND, Op.OR, Op.XOR), _SWAPS),
    **dict.fromkeys((Op.SUB, Op.SHL, Op.LSHR, Op.ASHR), _PURE),
    **dict.fromkeys((Op.UDIV, Op.UMOD), _DIVIDES_RAW),
    Op.NEG: Info(1, pure=True, hidden=True),
    **dict.fromkeys((Op.EQ, Op.NE, Op.ULT, Op.ULE, Op.UGT, Op.UGE, Op.SLT, Op.SLE, Op.SGT, Op.SGE), _CMP),
    Op.SELECT: Info(3, pure=True),
    **dict.fromkeys((Op.CAST, Op.TRUNC), Info(1, pure=True)),
    Op.BSWAP: Info(1, pure=True, hidden=True),
    Op.ALLOCA: Info(0, removable=True),
    Op.LOAD: Info(1, removable=True),
    Op.STORE: Info(2),
    Op.ZERO: Info(1),
    Op.COPY: Info(2),
    Op.ATOMIC: Info(2),
    Op.PTRADD: Info(2, pure=True),
    Op.MAP: Info(0, pure=True),
    Op.FUNC: Info(0, pure=True),
    Op.PARAM: Info(0),
    Op.MAPVALUE: Info(0, pure=True),
    Op.CALL: Info(None, hidden=True),
    Op.CALL_SUB: Info(None),
    Op.PACKET: Info(None, hidden=True),
    Op.VIEW: Info(None, removable=True),
    Op.EXTENT: Info(1, removable=True, hidden=True),
    Op.TURN: Info(0, exact=True),
    Op.ITER_NEW: Info(2, hidden=True),
    Op.ITER_NEXT: Info(1),
    Op.ITER_DESTROY: Info(1),
    Op.HIDE: Info(2, removable=True, hidden=True),  # not shared: the verifier would take two variables for one
    Op.LOOP: Info(None),
    Op.UNSEEN: Info(0, removable=True, hidden=True),
    Op.HELD: Info(1, removable=True),
    Op.GUARD: Info(1),
    Op.JUMP: _END,
    Op.BRANCH: Info(1, terminator=True),
    Op.RETURN: Info(1, terminator=True),
    Op.EXIT: _END,
}

BOUND: Final = "result"
"""The attribute of a mask that bounds a result: dropped only if the verifier itself sees the bound."""

ATTRIBUTES: Final[dict[Op, tuple[str, ...]]] = {
    Op.PARAM: ("register",),
    Op.TRUNC: ("bytes", "signed"),
    Op.BSWAP: ("bytes",),
    Op.AND: ("bounds",),
    Op.ALLOCA: ("bytes",),
    Op.LOAD: ("offset", "bytes", "signed"),
    Op.STORE: ("offset", "bytes"),
    Op.ZERO: ("offset", "bytes"),
    Op.COPY: ("to_offset", "from_offset", "bytes"),
    Op.ATOMIC: ("offset", "bytes", "op"),
    Op.MAP: ("map",),
    Op.MAPVALUE: ("map",),
    Op.FUNC: ("function",),
    Op.CALL: ("helper",),
    Op.CALL_SUB: ("function",),
    Op.PACKET: ("bytes", "offset"),
    Op.VIEW: ("bytes", "offset", "in_reach"),
    Op.EXTENT: ("end", "start"),
    Op.LOOP: ("callback",),
    Op.GUARD: ("raises",),
    Op.EXIT: ("raises",),
    Op.JUMP: ("to",),
    Op.BRANCH: ("then", "else"),
}
"""The name of an operation's ``attr``, or the names of its parts if it is a tuple."""

NEGATED: Final[dict[Op, Op]] = {}
"""The comparison that holds if the given one doesn't."""
MIRRORED: Final[dict[Op, Op]] = {}
"""The comparison that holds with the operands exchanged."""

for _a, _b in [
    (Op.EQ, Op.NE), (Op.LT, Op.GE), (Op.GT, Op.LE),
    (Op.ULT, Op.UGE), (Op.UGT, Op.ULE), (Op.SLT, Op.SGE), (Op.SGT, Op.SLE),
]:  # fmt: skip
    NEGATED[_a], NEGATED[_b] = _b, _a
for _a, _b in [
    (Op.EQ, Op.EQ), (Op.NE, Op.NE), (Op.LT, Op.GT), (Op.LE, Op.GE),
    (Op.ULT, Op.UGT), (Op.ULE, Op.UGE), (Op.SLT, Op.SGT), (Op.SLE, Op.SGE),
]:  # fmt: skip
    MIRRORED[_a], MIRRORED[_b] = _b, _a
