"""Text of an IR function, for golden tests, ``dis`` and PY2BPF_VERBOSE."""

from __future__ import annotations

import linecache
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, Final

from ...exception import Span
from .ops import ATTRIBUTES, Op
from .types import Void
from .values import Block, Function, Value

_SOURCE_COLUMN: Final = 24
"""The column of the source line beside a block's label, unless the label is longer."""
_OURS: Final = str(PurePath(__file__).parents[1])
"""The compiler's folder: it contains the function that calls methods, partials and the like."""


def to_text(fn: Function) -> str:
    """One line for each value, ``%3 = load i64 %1, offset=12, bytes=4, unsigned``; constants stand where they are used.
    Beside a block's label stands its first source line.

    Predecessors, and the phis' arguments with them, are in the order of the blocks, since the order in which they were
    made differs between versions of CPython.
    """
    return _Text(fn).render()


class _Text:
    def __init__(self, fn: Function) -> None:
        self.fn = fn
        self.labels = {block: f"b{i}" for i, block in enumerate(fn.blocks)}
        self.places = {block: i for i, block in enumerate(fn.blocks)}
        named = [value for block in fn.blocks for value in block.values() if not isinstance(value.type, Void)]
        self.names = {value: f"%{i}" for i, value in enumerate(named)}
        self.file = next((span.filename for block in fn.blocks if (span := _first_span(block))), "")

    def render(self) -> str:
        is_program = isinstance(self.fn.result, Void)
        kind = self.fn.hook.name if is_program else str(self.fn.result)
        lines = [f"{'program' if is_program else 'subprogram'} {self.fn} ({kind})"]
        for block in self.fn.blocks:
            lines += self._block(block)
        return "\n".join(lines) + "\n"

    def _block(self, block: Block) -> Iterator[str]:
        order = sorted(range(len(block.preds)), key=[self.places.get(pred, -1) for pred in block.preds].__getitem__)
        preds = ", ".join(self.labels.get(block.preds[i], "?") for i in order)
        label = f"{self.labels[block]}:" + (f"  ; from {preds}" if preds else "")
        span = _first_span(block)
        yield f"{label:<{_SOURCE_COLUMN}} | {self._source(span)}" if span else label
        for phi in block.phis:
            yield "  " + self._value(phi, [phi.args[i] for i in order])
        for value in block.body:
            yield "  " + self._value(value, value.args)

    def _source(self, span: Span) -> str:
        """A place as line number and source line, with the file's name if it isn't the function's own."""
        file = "" if span.filename == self.file else f"{PurePath(span.filename).name} "
        return f"{file}{span.line}: {linecache.getline(span.filename, span.line).strip()}".rstrip()

    def _value(self, value: Value, operands: list[Value]) -> str:
        named = value in self.names
        result, kind = (f"{self.names[value]} = ", f" {value.type}") if named else ("", "")
        args = [self._operand(arg) for arg in operands]
        args += self._attributes(value)
        return f"{result}{value.op.value}{kind}" + (" " + ", ".join(args) if args else "")

    def _operand(self, value: Value) -> str:
        return str(value.attr) if value.op is Op.CONST else self.names.get(value, f"?{value.op.value}")

    def _attributes(self, value: Value) -> Iterator[str]:
        """The parts of the compile-time operand by name; for a jump's target, only the label."""
        if value.attr is None:
            return
        names = ATTRIBUTES[value.op]
        parts = value.attr if len(names) > 1 or value.op is Op.JUMP else (value.attr,)
        for name, part in zip(names, parts, strict=True):
            if name == "signed":
                yield "signed" if part else "unsigned"
            elif value.op is Op.JUMP:
                yield self._attribute(part)
            else:
                yield f"{name}={self._attribute(part)}"

    def _attribute(self, part: Any) -> str:
        if isinstance(part, Block):
            return self.labels.get(part, "?")
        if isinstance(part, bool):
            return "yes" if part else "no"
        if isinstance(part, Op):
            return part.value
        return str(getattr(part, "name", part))


def _first_span(block: Block) -> Span | None:
    """The place of the first operation that has one in a user's function; else of the first such phi."""
    spans = (value.span for value in (*block.body, *block.phis))
    return next((span for span in spans if span is not None and not span.filename.startswith(_OURS)), None)
