"""Writes BTF, for the kernel's listings of a program, and for its checks of callbacks and of maps with spin locks.

Format: Documentation/bpf/btf.rst. Numbers of types start at 1; 0 is void. Everything is in the host's byte order.
"""

from __future__ import annotations

import linecache
import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from ..asm import Kind as InsnKind
from ..spec import ProgramSpec
from ..uapi.hooks import row_of
from .types import Kind

_HEADER: Final = struct.Struct("=HBBIIIII")
_TYPE: Final = struct.Struct("=3I")
_PAIR: Final = struct.Struct("=2I")
_TRIPLE: Final = struct.Struct("=3I")
_WORD: Final = struct.Struct("=I")
_LINE: Final = struct.Struct("=4I")

_MAGIC: Final = 0xEB9F
_VERSION: Final = 1
_SIGNED: Final = 1 << 24
_STATIC, _GLOBAL = 0, 1
_NAME_MAX: Final = 127
_LINE_MAX: Final = (1 << 22) - 1
_COLUMN_BITS: Final = 10
_COLUMN_MAX: Final = (1 << _COLUMN_BITS) - 1

_LABEL: Final = InsnKind.LABEL
_REFERENCES: Final = (InsnKind.CALL_LOCAL, InsnKind.LD_FUNC)


class Writer:
    """Collects types and strings."""

    def __init__(self) -> None:
        self._types = bytearray()
        self._count = 0
        self._strings = bytearray(b"\0")
        self._offset_of: dict[str, int] = {"": 0}

    def string(self, text: str) -> int:
        """The offset of a text, which ends at its first NUL."""
        offset = self._offset_of.get(text)
        if offset is None:
            offset = self._offset_of[text] = len(self._strings)
            self._strings += text.partition("\0")[0].encode(errors="replace") + b"\0"
        return offset

    def add(self, kind: Kind, name: str, size: int, body: bytes = b"", count: int = 0) -> int:
        """Adds a type; ``size`` is its size or the type that it is made of. Returns its number."""
        self._types += _TYPE.pack(self.string(name), kind << 24 | count, size) + body
        self._count += 1
        return self._count

    def integer(self, name: str, size: int, signed: bool = False) -> int:
        """An integer of ``size`` bytes."""
        return self.add(Kind.INT, name, size, _WORD.pack((_SIGNED if signed else 0) | 8 * size))

    def pointer(self, target: int) -> int:
        return self.add(Kind.PTR, "", target)

    def array(self, element: int, index: int, length: int) -> int:
        return self.add(Kind.ARRAY, "", 0, _TRIPLE.pack(element, index, length))

    def struct(self, name: str, size: int, members: Sequence[tuple[str, int, int]] = ()) -> int:
        """A structure of ``size`` bytes; a member is its name, type and offset in bytes."""
        body = b"".join([_TRIPLE.pack(self.string(text), of, 8 * offset) for text, of, offset in members])
        return self.add(Kind.STRUCT, name, size, body, len(members))

    def function(self, name: str, result: int, params: Sequence[tuple[str, int]], linkage: int) -> int:
        """A function with its signature; a parameter is its name and type."""
        body = b"".join([_PAIR.pack(self.string(text), of) for text, of in params])
        proto = self.add(Kind.FUNC_PROTO, "", result, body, len(params))
        return self.add(Kind.FUNC, name, proto, count=linkage)

    def blob(self) -> bytes:
        """The BTF for BPF_BTF_LOAD."""
        size = len(self._types)
        header = _HEADER.pack(_MAGIC, _VERSION, 0, _HEADER.size, 0, size, size, len(self._strings))
        return b"".join((header, self._types, self._strings))


def identifier(name: str) -> str:
    """A name that the kernel accepts in types: letters, digits and underscores of ASCII, at most 127."""
    text = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name[:_NAME_MAX])
    return text if text[:1].isalpha() or text[:1] == "_" else f"_{text[: _NAME_MAX - 1]}"


class ProgramBtf(NamedTuple):
    """A program's BTF, and arrays of ``struct bpf_func_info`` and ``struct bpf_line_info`` that refer to it."""

    blob: bytes
    func_info: bytes
    line_info: bytes


def program(spec: ProgramSpec, slot_of: Sequence[int]) -> ProgramBtf:
    """The BTF of a program: its functions, and the Python line of every instruction.

    ``slot_of[i]`` is the slot where ``spec.code[i]`` begins. Callbacks and subprograms have static linkage, so that the
    verifier follows calls of them instead of trusting their signatures.
    """
    writer = Writer()
    number = writer.integer("long", 8, signed=True)
    row = row_of(spec.hook)
    argument = writer.pointer(writer.struct(row.context.btf, 0) if row is not None and row.context.btf else 0)
    main = writer.function(identifier(spec.name), number, [("ctx", argument)], _GLOBAL)
    funcs = [(0, main)]
    known = {fn.start: fn for fn in spec.functions}
    for start in _called(spec):
        name, args = (known[start].name, known[start].args) if start in known else (f"{spec.name}_{start}", 0)
        params = [(f"arg{i}", number) for i in range(args)]
        funcs.append((slot_of[start], writer.function(identifier(name), number, params, _STATIC)))
    funcs.sort()
    lines = _lines(writer, spec, slot_of, {slot for slot, _ in funcs})
    return ProgramBtf(writer.blob(), b"".join([_PAIR.pack(*row) for row in funcs]), lines)


def _called(spec: ProgramSpec) -> list[int]:
    """The labels of the functions to which the code refers: only these functions have to be described."""
    labels = {insn.ref for insn in spec.code if insn.kind in _REFERENCES}
    return [i for i, insn in enumerate(spec.code) if insn.kind == _LABEL and insn.ref in labels] if labels else []


def _lines(writer: Writer, spec: ProgramSpec, slot_of: Sequence[int], starts: set[int]) -> bytes:
    """The line info: a row for each change of the line, and for the start of each function, which must have one."""
    span = next((span for span in spec.lines if span is not None), None)
    if span is None:
        return b""
    rows = []
    sources: dict[str, tuple[int, list[str]]] = {}
    shown: tuple[int, str] | None = None
    for insn, slot, here in zip(spec.code, slot_of, spec.lines, strict=False):
        if insn.kind == _LABEL:
            continue
        span = here or span
        if (span.line, span.filename) == shown and slot not in starts:
            continue
        shown = span.line, span.filename
        if span.filename not in sources:
            sources[span.filename] = _source(writer, span.filename)
        file, lines = sources[span.filename]
        text = lines[span.line - 1].strip() if 0 < span.line <= len(lines) else ""
        place = min(span.line, _LINE_MAX) << _COLUMN_BITS | min((span.column or 0) + 1, _COLUMN_MAX)
        rows.append(_LINE.pack(slot, file, writer.string(text), place))
    return b"".join(rows)


def _source(writer: Writer, filename: str) -> tuple[int, list[str]]:
    """The offset of a file's name in the strings, and the file's present lines."""
    linecache.checkcache(filename)
    return writer.string(filename), linecache.getlines(filename)
