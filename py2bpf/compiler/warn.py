"""What compiles and yet is likely not what was meant: found in the IR, shown with a caret.

%4 = call value*? ...            entry = m[key]
guard %4, AttributeError on None     entry.count += 1      <- PossiblyNone, as long as no test dominates it
"""

from __future__ import annotations

import types
import warnings
from collections.abc import Callable
from typing import Final, NamedTuple

from ..exception import MixedSigns, PossiblyNone, Span
from .diagnostics import render_warning
from .ir.ops import INFO, Op
from .ir.types import U64, Ptr, Region
from .ir.values import Function, Value


class Found(NamedTuple):
    """A place, and what to say of it."""

    kind: type[UserWarning]
    span: Span
    msg: str
    hints: tuple[str, ...]


_ON_NONE: Final = {
    "AttributeError": "this may be None, which has no attributes",
    "TypeError": "this may be None, where a value is needed",
}
_TEST: Final = "test it first, as by `if x is None: return 0`"


def possibly_none(fn: Function) -> list[Found]:
    """The uses of what may be None that lowering couldn't prove away."""
    return [
        Found(PossiblyNone, value.span, f"{_ON_NONE[value.attr.error]}: the program would end here", _hints(value))
        for block in fn.blocks
        for value in block.body
        if value.op in (Op.GUARD, Op.EXIT) and value.attr.none and value.span is not None
    ]


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


def mixed_signs(fn: Function) -> list[Found]:
    """Operations that see the sign of a number which is a negative constant on one path, and so huge since the
    number is a u64 on another path."""
    phis = {phi: arg.attr for block in fn.blocks for phi in block.phis if phi.type == U64
            for arg in phi.args if arg.op is Op.CONST and arg.span is not None}  # fmt: skip
    if not phis:
        return []
    return [
        _mixed(value.span, phis[arg])
        for block in fn.blocks
        for value in block.body
        if INFO[value.op].compare or value.op in _SEES_SIGN
        for arg in value.args
        if arg in phis and value.span is not None
    ]


def _mixed(span: Span, number: int) -> Found:
    return Found(
        MixedSigns, span,
        f"a number in here is unsigned with 64 bits on one path, and so the {number - (1 << 64)} of another path "
        f"has become {number}",
        ("mark what is missing by another number, 0 say, or by a second variable",),
    )  # fmt: skip


CHECKS: Final[dict[str, Callable[[Function], list[Found]]]] = {"clean": mixed_signs, "lower": possibly_none}
"""What is looked for after which pass."""


def show(found: list[Found], fn: types.FunctionType) -> None:
    """Warns once of each place, as from the user's own line: filters by file, line and category work."""
    registry = fn.__globals__.setdefault("__warningregistry__", {})
    for warning in dict.fromkeys(found):
        text = render_warning(warning.span, warning.msg, warning.hints)
        warnings.warn_explicit(
            warning.kind(text), None, warning.span.filename, warning.span.line, fn.__module__, registry
        )
