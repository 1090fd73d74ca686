"""Joins a program's functions: numbers labels through the program, makes calls by label, and checks the stack."""

from __future__ import annotations

from typing import Final, NamedTuple

from ... import asm
from ...asm import Insn, Kind
from ...exception import Span
from ...spec import FunctionSpec
from ..ir.values import Function
from .frame import SIZE

Lines = tuple[Span | None, ...]
_LABELLED: Final = (Kind.LABEL, Kind.JUMP)
_FUNCTIONS: Final = (Kind.CALL_LOCAL, Kind.LD_FUNC)
_FRAME_STEP: Final = 32
"""The kernel counts frames in steps of this many bytes, at least one step for each function."""
MAX_FRAMES: Final = 8


class FrameSizeError(Exception):
    """The frames of subprograms that call each other don't fit the stack, so the program must do without them."""


class Compiled(NamedTuple):
    """One function's code; ``stack`` is its frame in bytes."""

    fn: Function
    insns: tuple[Insn, ...]
    lines: Lines
    stack: int


def join(functions: list[Compiled]) -> tuple[tuple[Insn, ...], Lines, tuple[FunctionSpec, ...]]:
    """The code of all functions, and the places of the subprograms. Raises FrameSizeError."""
    main, *subprograms = functions
    if not subprograms:
        return main.insns, main.lines, ()
    _check_stack(functions)
    first = [0]
    for function in functions:
        first.append(first[-1] + _labels(function))
    insns: list[Insn] = []
    lines: list[Span | None] = []
    specs: list[FunctionSpec] = []
    for number, function in enumerate(functions):
        if number:
            specs.append(FunctionSpec(function.fn.name, len(insns), 1 + function.fn.params))
            insns.append(asm.label(first[-1] + number - 1))
            lines.append(None)
        insns += [_shift(insn, first[number], first[-1]) for insn in function.insns]
        lines += function.lines
    return tuple(insns), tuple(lines), tuple(specs)


def _labels(function: Compiled) -> int:
    return sum(insn.kind == Kind.LABEL for insn in function.insns)


def _shift(insn: Insn, labels: int, entries: int) -> Insn:
    """The instruction with labels numbered through the program: first those of jumps, then those of subprograms."""
    if insn.kind in _LABELLED:
        return insn._replace(ref=insn.ref + labels)
    return insn._replace(ref=insn.ref + entries) if insn.kind in _FUNCTIONS else insn


def _check_stack(functions: list[Compiled]) -> None:
    size, frames = _depth(functions[0], functions[1:])
    if size > SIZE or frames > MAX_FRAMES:
        raise FrameSizeError


def _depth(function: Compiled, subprograms: list[Compiled]) -> tuple[int, int]:
    """The most bytes of stack and frames that are in use while the function runs."""
    inner = [_depth(subprograms[ref], subprograms) for ref in
             {insn.ref for insn in function.insns if insn.kind in _FUNCTIONS}]  # fmt: skip
    own = max(_FRAME_STEP, -(-function.stack // _FRAME_STEP) * _FRAME_STEP)
    return own + max((size for size, _ in inner), default=0), 1 + max((count for _, count in inner), default=0)
