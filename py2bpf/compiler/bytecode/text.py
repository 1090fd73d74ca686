"""Decoded functions as text, for people and golden files."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType

from .canonical import Block, Function, Instr


def render(function: Function, *, spans: bool = False) -> str:
    """One line for an instruction, with its line and columns when ``spans`` is true."""
    return "\n".join(_lines(function, spans)) + "\n"


def _lines(function: Function, spans: bool) -> Iterator[str]:
    for block in function.blocks:
        yield f"{block.index}:{_loop(function, block)}"
        for instr in block.instrs:
            text = f"    {_instruction(instr, block)}"
            yield f"{text:<40} {_place(instr)}" if spans else text


def _loop(function: Function, block: Block) -> str:
    index = function.loop_of[block.index]
    if index < 0:
        return ""
    loop = function.loops[index]
    if loop.header != block.index:
        return f"  in loop {index}"
    parent = f" in loop {loop.parent}" if loop.parent >= 0 else ""
    return f"  head of loop {index}{parent}, stores {', '.join(sorted(loop.stored)) or 'nothing'}"


def _instruction(instr: Instr, block: Block) -> str:
    arg = instr.arg
    if isinstance(arg, CodeType):
        operand = f" code {arg.co_name}"
    elif isinstance(arg, frozenset):
        operand = "".join(f" {flag}" for flag in sorted(arg))
    elif instr.op.name == "LOAD_CONST":
        operand = f" {arg!r}"
    else:
        operand = "" if arg is None else f" {arg}"
    targets = " -> " + ", ".join(map(str, block.succ)) if block.succ and instr is block.instrs[-1] else ""
    return f"{instr.op.name}{operand}{targets}"


def _place(instr: Instr) -> str:
    span = instr.span
    return f"{span.line}:{span.column}-{span.end_line}:{span.end_column}"
