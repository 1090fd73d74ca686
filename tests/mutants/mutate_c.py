"""Changes of C source, over its tokens. Each rule looks at one token and what surrounds it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from c_tokens import Token, tokens
from mutant import Mutant

Change = tuple[int, int, str]

OPERATORS: Final = {
    "<": ("<=", ">"), "<=": ("<",), ">": (">=", "<"), ">=": (">",), "==": ("!=",), "!=": ("==",), "&&": ("||",),
    "||": ("&&",), "+": ("-",), "-": ("+",), "*": ("+",), "/": ("*",), "%": ("/",), "<<": (">>",), ">>": ("<<",),
    "&": ("|",), "|": ("&",), "^": ("&",), "+=": ("-=",), "-=": ("+=",), "|=": ("&=",), "&=": ("|=",), "^=": ("|=",),
    "<<=": (">>=",), ">>=": ("<<=",), "++": ("--",), "--": ("++",),
}  # fmt: skip
UNARY_TOO: Final = {"+", "-", "*", "&"}

TYPES: Final = {
    "uint8_t": "uint16_t", "uint16_t": "uint8_t", "uint32_t": "uint16_t", "uint64_t": "uint32_t", "int8_t": "uint8_t",
    "int16_t": "uint16_t", "int32_t": "uint32_t", "int64_t": "int32_t",
}  # fmt: skip
WORDS: Final = {"return", "case", "goto", "sizeof", "else", "do", "typedef"}
NO_EFFECT: Final = WORDS | {"if", "for", "while", "switch", "struct", "static", "const", "enum"}
"""What begins no statement that could be dropped."""
WIDTHS: Final = {1: 2, 2: 1, 4: 8, 8: 4, 16: 32, 32: 64, 64: 32}
"""Numbers that are mostly bytes or bits; every other grows by one."""
_NUMBER: Final = re.compile(r"(?:(0[xX])[0-9a-fA-F]+|\d+)[uUlL]*")
_TYPE_WORDS: Final = {"const", "struct", "void", "char", "unsigned", "int", "long", "size_t", "*", "##", "type"}


def _closing(piece: list[Token], at: int) -> int:
    """Where the parenthesis that opens at ``at`` closes; the piece's end when it doesn't."""
    depth = 0
    for i in range(at, len(piece)):
        depth += (piece[i].text in "([{") - (piece[i].text in ")]}")
        if depth == 0:
            return i
    return len(piece) - 1


def _opening(piece: list[Token], at: int) -> int:
    depth = 0
    for i in range(at, -1, -1):
        depth += (piece[i].text in ")]}") - (piece[i].text in "([{")
        if depth == 0:
            return i
    return 0


def _is_cast(piece: list[Token], closing: int) -> bool:
    inside = piece[_opening(piece, closing) + 1 : closing]
    typed = [t for t in inside if t.text in _TYPE_WORDS or t.text.endswith("_t")]
    return bool(typed) and (len(typed) == len(inside) or inside[0].text == "struct" or inside[0].text == "const")


def _is_operand(piece: list[Token], at: int) -> bool:
    """Whether a value ends with this token, so that an operator behind it has two sides."""
    if at < 0:
        return False
    token = piece[at]
    if token.text == ")":
        return not _is_cast(piece, at)
    return token.text == "]" or token.kind in ("number", "text") or (token.kind == "name" and token.text not in WORDS)


def _is_declaration(piece: list[Token], at: int) -> bool:
    """``type *name``: the star is no product."""
    before = piece[at - 1].text
    return before.endswith("_t") or before in _TYPE_WORDS or (at >= 2 and piece[at - 2].text in ("struct", "const"))


def operator(piece: list[Token], at: int) -> Iterator[Change]:
    token = piece[at]
    if token.text in UNARY_TOO and (not _is_operand(piece, at - 1) or _is_declaration(piece, at)):
        return
    for new in OPERATORS.get(token.text, ()):
        yield token.start, token.end, new


def negation(piece: list[Token], at: int) -> Iterator[Change]:
    """``!x`` becomes ``x``."""
    if piece[at].text == "!":
        yield piece[at].start, piece[at].end, ""


def number(piece: list[Token], at: int) -> Iterator[Change]:
    found = _NUMBER.fullmatch(piece[at].text)
    if found:
        value = int(found[0].rstrip("uUlL"), 16 if found[1] else 10)
        new = WIDTHS.get(value, value + 1)
        yield piece[at].start, piece[at].end, hex(new) if found[1] else str(new)


def width(piece: list[Token], at: int) -> Iterator[Change]:
    """The type in a cast or of a variable that is no pointer."""
    token = piece[at]
    following = piece[at + 1].text if at + 1 < len(piece) else ""
    if token.text in TYPES and following != "*":
        yield token.start, token.end, TYPES[token.text]


def guard(piece: list[Token], at: int) -> Iterator[Change]:
    """An if that never goes in."""
    if piece[at].text == "if" and at + 2 < len(piece):
        yield piece[at + 1].end, piece[_closing(piece, at + 1)].start, "0"


def statement(piece: list[Token], at: int) -> Iterator[Change]:
    """A call, or an assignment to what is no variable, that isn't done."""
    if at == 0 or piece[at - 1].text not in (";", "{", "}", ")", "else", ":") or piece[at].kind != "name":
        return
    if piece[at].text in NO_EFFECT:
        return
    if piece[at - 1].text == ")" and not _ends_condition(piece, at - 1):
        return
    end = _end_of_statement(piece, at)
    if end and piece[at + 1].text in ("(", "->", "[", "."):
        yield piece[at].start, piece[end].start, ""


def _ends_condition(piece: list[Token], closing: int) -> bool:
    before = _opening(piece, closing) - 1
    return before >= 0 and piece[before].text in ("if", "for", "while")


def _end_of_statement(piece: list[Token], at: int) -> int:
    depth = 0
    for i in range(at, len(piece)):
        depth += (piece[i].text in "([{") - (piece[i].text in ")]}")
        if depth < 0 or (depth == 0 and piece[i].text == ":"):
            return 0
        if depth == 0 and piece[i].text == ";":
            return i
    return 0


RULES: Final[tuple[Callable[[list[Token], int], Iterable[Change]], ...]] = (
    operator, negation, number, width, guard, statement,
)  # fmt: skip


def mutants(file: str, source: bytes) -> list[Mutant]:
    """All changes of a C file, from its beginning to its end. Some don't compile."""
    return [
        Mutant(file, piece[at].function, source.count(b"\n", 0, start) + 1, start, end, new, source)
        for piece in tokens(source)
        for at in range(len(piece))
        for rule in RULES
        for start, end, new in rule(piece, at)
    ]
