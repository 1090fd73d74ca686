"""CPython 3.13: pairs of local accesses in one opcode, CALL_KW, f-string opcodes, TO_BOOL before branches."""

from __future__ import annotations

from . import v311, v312
from .canonical import Op
from .emitter import Emitter
from .rules import SKIP, Plain, Rules, Version, derive

AFTER_LOOP = ("END_FOR", "POP_TOP")


def _load(emitter: Emitter, index: int, unit: int) -> None:
    name = emitter.locals[index]
    emitter.emit(Op.LOAD_CLOSURE if name in emitter.cells else Op.LOAD_FAST, name, unit)


def _store(emitter: Emitter, index: int, unit: int) -> None:
    emitter.emit(Op.STORE_FAST, emitter.locals[index], unit)


def load_fast(emitter: Emitter, arg: int, unit: int) -> None:
    """The slot of a cell or free variable holds the cell itself, which only the making of a closure loads."""
    _load(emitter, arg, unit)


def load_fast_load_fast(emitter: Emitter, arg: int, unit: int) -> None:
    _load(emitter, arg >> 4, unit)
    _load(emitter, arg & 15, unit)


def store_fast_load_fast(emitter: Emitter, arg: int, unit: int) -> None:
    _store(emitter, arg >> 4, unit)
    _load(emitter, arg & 15, unit)


def store_fast_store_fast(emitter: Emitter, arg: int, unit: int) -> None:
    _store(emitter, arg >> 4, unit)
    _store(emitter, arg & 15, unit)


def call_kw(emitter: Emitter, arg: int, unit: int) -> None:
    """The names are the constant that was pushed last."""
    emitter.keywords = emitter.out.pop().arg
    v311.call(emitter, arg, unit)


def set_function_attribute(emitter: Emitter, arg: int, unit: int) -> None:
    """One opcode for each flag of older versions' MAKE_FUNCTION; the operands are on the stack in the same order."""
    made = emitter.out[-1]
    flags = [flag for bit, flag in enumerate(v311.FUNCTION_FLAGS) if arg >> bit & 1]
    made.arg = made.arg.union(flags)


def convert_value(emitter: Emitter, arg: int, unit: int) -> None:
    """``!r`` and the like. The next opcode formats the converted string, which changes nothing without a spec."""
    emitter.emit(Op.FORMAT_VALUE, (v311.CONVERSIONS[arg], False), unit)


def _converted(emitter: Emitter, index: int) -> bool:
    """Whether the instruction at ``index`` of the block is a conversion."""
    instr = emitter.out[index] if len(emitter.out) >= -index else None
    return instr is not None and instr.op is Op.FORMAT_VALUE and instr.arg[0] != "" and not instr.arg[1]


def format_simple(emitter: Emitter, arg: int, unit: int) -> None:
    if not _converted(emitter, -1):
        emitter.emit(Op.FORMAT_VALUE, ("", False), unit)


def format_with_spec(emitter: Emitter, arg: int, unit: int) -> None:
    """A conversion right before a constant spec becomes part of the formatting."""
    conversion = ""
    if emitter.last is Op.LOAD_CONST and _converted(emitter, -2):
        conversion = emitter.out.pop(-2).arg[0]
    emitter.emit(Op.FORMAT_VALUE, (conversion, True), unit)


RULES: Rules = derive(
    v312.RULES,
    "FORMAT_VALUE KW_NAMES LOAD_CLOSURE",
    {
        "CALL_KW": call_kw,
        "COMPARE_OP": Plain(Op.COMPARE, tuple(name for name in v311.COMPARISONS for _ in range(32))),
        "CONVERT_VALUE": convert_value,
        "FORMAT_SIMPLE": format_simple,
        "FORMAT_WITH_SPEC": format_with_spec,
        "LOAD_FAST": load_fast,
        "LOAD_FAST_LOAD_FAST": load_fast_load_fast,
        "MAKE_FUNCTION": Plain(Op.MAKE_FUNCTION, (frozenset(),)),
        "SET_FUNCTION_ATTRIBUTE": set_function_attribute,
        "STORE_FAST_LOAD_FAST": store_fast_load_fast,
        "STORE_FAST_STORE_FAST": store_fast_store_fast,
        "TO_BOOL": SKIP,
    },
)


def version() -> Version:
    """The rules, ready for use on CPython 3.13."""
    return Version(RULES, v311.SUSPENDING, AFTER_LOOP)
