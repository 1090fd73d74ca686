"""Warnings about code that compiles but is likely a mistake: found in the IR, shown with a caret.

%4 = call value*? ...            entry = m[key]
guard %4, AttributeError on None     entry.count += 1      <- PossiblyNone, as long as no test dominates it
"""

from __future__ import annotations

import functools
import types
import warnings
from collections.abc import Callable
from typing import Final, NamedTuple

from ..exception import MixedSigns, PossiblyNone, Span, TranslationError
from .analysis.intervals import FULL, Range, compute
from .ir.ops import INFO, Op
from .ir.types import I64, U64, Int, Ptr, Region
from .ir.values import Function, Value


class Found(NamedTuple):
    """A warning and its place."""

    kind: type[UserWarning]
    span: Span
    msg: str
    hints: tuple[str, ...]


def noticed(fn: Function) -> list[Found]:
    """The warnings that the evaluator found."""
    return [Found(*notice) for notice in fn.notices]


_ON_NONE: Final = {
    "AttributeError": "this may be None, which has no attributes",
    "TypeError": "this may be None, where a value is needed",
}
_TEST: Final = "test it first, as by `if x is None: return 0`"


def possibly_none(fn: Function) -> list[Found]:
    """Uses of values that may be None, whose guards lowering could not remove."""
    return [
        Found(
            PossiblyNone, _suspect(value, value.span),
            f"{_ON_NONE[value.attr.error]}: the program would end here", _hints(value),
        )
        for block in fn.blocks
        for value in block.body
        if value.op in (Op.GUARD, Op.EXIT) and value.attr.none and value.span is not None
    ]  # fmt: skip


def _suspect(guard: Value, use: Span) -> Span:
    """The place of the value that may be None. In ``m[1] = m[2]``, the store has the place of its target, so if the
    value was read elsewhere on the same line, the value's own place is used.
    """
    found = guard.args[0].span if guard.args else None
    if found is None or found.end_line != found.line or (found.filename, found.line) != (use.filename, use.line):
        return use
    if None in (found.column, found.end_column, use.column, use.end_column) or use.end_line != use.line:
        return use
    apart = (found.column or 0) >= (use.end_column or 0) or (found.end_column or 0) <= (use.column or 0)
    return found if apart else use


def _hints(guard: Value) -> tuple[str, ...]:
    kind = guard.args[0].type if guard.args else None
    if isinstance(kind, Ptr) and kind.region is Region.PACKET:
        return (f"{_TEST}: so it is where the packet ends before",)
    if isinstance(kind, Ptr) and kind.region is Region.RECORD:
        return (f"{_TEST}: so it is where the ring is full",)
    if not isinstance(kind, Ptr) or kind.region is not Region.VALUE:
        return (_TEST,)
    if guard.attr.error == "TypeError":
        return (_TEST, "m.get(key, 0) gives a number for every key")
    return (_TEST, "m.setdefault(key, value) makes the entry of a hash where it is missing")


_SEES_SIGN: Final = frozenset({Op.FLOORDIV, Op.MOD, Op.RSHIFT})
_PASSES_ON: Final = frozenset({Op.ADD, Op.SUB, Op.MUL, Op.NEG, Op.OR, Op.XOR, Op.LSHIFT, Op.SELECT, Op.PHI})
"""The operations whose result is huge if an argument is."""


def mixed_signs(fn: Function) -> list[Found]:
    """Operations that depend on the sign of a number that is negative on one path, but became huge, since it is a u64
    on another path."""
    huge = _huge(fn)
    if not huge:
        return []
    return [
        _mixed(value.span, huge[arg])
        for block in fn.blocks
        for value in block.body
        if INFO[value.op].compare or value.op in _SEES_SIGN
        for arg in value.args
        if arg in huge and value.span is not None
    ]


def _huge(fn: Function) -> dict[Value, int | None]:
    """The numbers that may be a negative number plus 2**64, because they are a u64 on another path: with the negative
    constant, or None if unknown."""
    huge: dict[Value, int | None] = {}
    for block in fn.blocks:
        for choice in block.values():
            chosen = choice.args if choice.op is Op.PHI else choice.args[1:] if choice.op is Op.SELECT else ()
            for arg in chosen if choice.type == U64 else ():
                if arg.op is Op.CONST and arg.span is not None:
                    huge[choice] = arg.attr
                elif choice.op is Op.PHI and arg.op is Op.CAST and arg.args[0].type == I64 and _lowest(arg.args[0]) < 0:
                    huge.setdefault(choice, None)
    known = -1
    while huge and len(huge) != known:
        known = len(huge)
        for block in fn.blocks:
            for value in block.values():
                if value.op in _PASSES_ON and value.type == U64:
                    found = next((arg for arg in value.args if arg in huge), None)
                    if found is not None:
                        huge.setdefault(value, huge[found])
    return huge


def _mixed(span: Span, number: int | None) -> Found:
    if number is None:
        what = "so a negative one of another path has become 2**64 more"
    else:
        what = f"so the {number - (1 << 64)} of another path has become {number}"
    return Found(
        MixedSigns, span, f"a number in here is unsigned with 64 bits on one path, and {what}",
        ("mark what is missing by another number, 0 say, or by a second variable",) if number else _SIGNED,
    )  # fmt: skip


_DIVIDED: Final = (
    "a number that may be negative and an unsigned one of 64 bits meet in a division, "
    "and the negative one counts as 2**64 more"
)
_SIGNED: Final = (
    "let both be signed, as fields of type c_int64 are",
    "or keep the one from being negative, as by max(n, 0)",
)


def mixed_divisions(fn: Function) -> list[Found]:
    """Divisions of a number that may be negative by a u64, or the reverse. The result is unsigned, so the negative
    number counts as 2**64 more."""
    return [
        Found(MixedSigns, value.span, _DIVIDED, _SIGNED)
        for block in fn.blocks
        for value in block.body
        if value.op in (Op.FLOORDIV, Op.MOD) and value.type == U64 and value.span is not None
        and any(arg.type == I64 and _lowest(arg) < 0 for arg in value.args)
    ]


_DEPTH: Final = 6


def _lowest(value: Value) -> int:
    """The least value of a number, as far as the operations just before tell, if none overflows 64 bits."""

    @functools.cache
    def of(value: Value, depth: int = _DEPTH) -> Range:
        assert isinstance(value.type, Int)
        full = FULL[value.type.signed]
        if value.op is Op.CONST:
            return value.attr, value.attr
        if not depth:
            return full
        if value.op is Op.ADD:
            return max(full[0], sum(of(arg, depth - 1)[0] for arg in value.args)), full[1]
        return compute(value, lambda arg: of(arg, depth - 1))

    return of(value)[0]


CHECKS: Final[dict[str, Callable[[Function], list[Found]]]] = {
    "prune": mixed_divisions,
    "clean": mixed_signs,
    "lower": possibly_none,
}
"""The checks that run after passes, by the pass's name."""


def show(found: list[Found], fn: types.FunctionType) -> None:
    """Shows each warning once, at the user's own line, so that filters by file, line and category work."""
    registry = fn.__globals__.setdefault("__warningregistry__", {})
    for warning in dict.fromkeys(found):
        text = str(TranslationError(warning.span.line, warning.msg, span=warning.span, hints=warning.hints))
        warnings.warn_explicit(
            warning.kind(text), None, warning.span.filename, warning.span.line, fn.__module__, registry
        )
