"""CPython 3.13: pairs of local accesses in one opcode, CALL_KW, f-string opcodes, TO_BOOL before branches."""

from __future__ import annotations

from . import v311, v312
from .canonical import Op
from .decoder import Decoder
from .rules import SKIP, Plain, Rules, Version, derive

AFTER_LOOP = ("END_FOR", "POP_TOP")


def _load(decoder: Decoder, index: int, unit: int) -> None:
    name = decoder.locals[index]
    decoder.emit(Op.LOAD_CLOSURE if name in decoder.cells else Op.LOAD_FAST, name, unit)


def _store(decoder: Decoder, index: int, unit: int) -> None:
    decoder.emit(Op.STORE_FAST, decoder.locals[index], unit)


def load_fast(decoder: Decoder, arg: int, unit: int) -> None:
    """The slot of a cell or free variable holds the cell itself, which only the making of a closure loads."""
    _load(decoder, arg, unit)


def load_fast_load_fast(decoder: Decoder, arg: int, unit: int) -> None:
    _load(decoder, arg >> 4, unit)
    _load(decoder, arg & 15, unit)


def store_fast_load_fast(decoder: Decoder, arg: int, unit: int) -> None:
    _store(decoder, arg >> 4, unit)
    _load(decoder, arg & 15, unit)


def store_fast_store_fast(decoder: Decoder, arg: int, unit: int) -> None:
    _store(decoder, arg >> 4, unit)
    _store(decoder, arg & 15, unit)


def call_kw(decoder: Decoder, arg: int, unit: int) -> None:
    """The names are the constant that was pushed last."""
    decoder.keywords = decoder.out.pop().arg
    v311.call(decoder, arg, unit)


def set_function_attribute(decoder: Decoder, arg: int, unit: int) -> None:
    """One for each flag that older versions gave MAKE_FUNCTION; what they set lies on the stack in the same order."""
    made = decoder.out[-1]
    flags = [flag for bit, flag in enumerate(v311.FUNCTION_FLAGS) if arg >> bit & 1]
    made.arg = made.arg.union(flags)


def convert_value(decoder: Decoder, arg: int, unit: int) -> None:
    """``!r`` and the like. What follows formats the converted string, which changes nothing without a spec."""
    decoder.emit(Op.FORMAT_VALUE, (v311.CONVERSIONS[arg], False), unit)


def _converted(decoder: Decoder, index: int) -> bool:
    """Whether the instruction at ``index`` of the block is a conversion."""
    instr = decoder.out[index] if len(decoder.out) >= -index else None
    return instr is not None and instr.op is Op.FORMAT_VALUE and instr.arg[0] != "" and not instr.arg[1]


def format_simple(decoder: Decoder, arg: int, unit: int) -> None:
    if not _converted(decoder, -1):
        decoder.emit(Op.FORMAT_VALUE, ("", False), unit)


def format_with_spec(decoder: Decoder, arg: int, unit: int) -> None:
    """A conversion right before a constant spec becomes part of the formatting."""
    conversion = ""
    if decoder.last is Op.LOAD_CONST and _converted(decoder, -2):
        conversion = decoder.out.pop(-2).arg[0]
    decoder.emit(Op.FORMAT_VALUE, (conversion, True), unit)


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
