"""C source as tokens that know where they stand, and in which function."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_PATTERN = re.compile(
    rb"""
      (?P<space>   (?: \s | \\\n | /\*.*?\*/ | //[^\n]* )+ )
    | (?P<text>    "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' )
    | (?P<number>  \.?\d (?: [eEpP][+-] | [\w.] )* )
    | (?P<name>    [A-Za-z_]\w* )
    | (?P<sign>    <<= | >>= | \.\.\. | -> | \+\+ | -- | << | >> | <= | >= | == | != | && | \|\| | \#\#
                 | [-+*/%&|^]= | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_DIRECTIVE = re.compile(rb"^[ \t]*#[ \t]*(\w+)((?:\\\n|[^\n])*)", re.MULTILINE)
_DEFINE = re.compile(rb"\s*(\w+)(\([^)]*\))?")


class Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int
    function: str
    """Also a macro, a table or a struct; "" where there is no name."""


def tokens(source: bytes) -> Iterator[list[Token]]:
    """The pieces of a file, each a list without spaces: the body of a macro, or what stands between directives."""
    depth, at = _Place(), 0
    for directive in _DIRECTIVE.finditer(source):
        yield list(depth.walk(source, at, directive.start()))
        at = directive.end()
        if directive[1] == b"define" and (name := _DEFINE.match(directive[2])):
            begin = directive.start(2) + name.end()
            yield [token._replace(function=name[1].decode()) for token in _scan(source, begin, directive.end())]
    yield list(depth.walk(source, at, len(source)))


def _scan(source: bytes, start: int, end: int) -> Iterator[Token]:
    for match in _PATTERN.finditer(source, start, end):
        if match.lastgroup != "space":
            assert match.lastgroup is not None
            yield Token(match.lastgroup, match[0].decode(), match.start(), match.end(), "")


class _Place:
    """Follows braces through the pieces of a file, to know the name of what a token belongs to."""

    def __init__(self) -> None:
        self.braces = self.parentheses = 0
        self.name = self.candidate = ""

    def walk(self, source: bytes, start: int, end: int) -> Iterator[Token]:
        for token in _scan(source, start, end):
            self._follow(token)
            yield token._replace(function=self.name)

    def _follow(self, token: Token) -> None:
        outside = self.braces == 0 and self.parentheses == 0
        if outside and token.kind == "name":
            self.candidate = token.text
        if outside and token.text == "(":  # a function's parameters, or a macro's arguments
            self.name = self.candidate
        if outside and token.text in ("{", "="):
            self.name = self.name or self.candidate
        self.parentheses += (token.text == "(") - (token.text == ")")
        self.braces += (token.text == "{") - (token.text == "}")
        if self.braces == 0 and self.parentheses == 0 and token.text in ("}", ";"):
            self.name = self.candidate = ""
