"""Places in the user's source, and how messages show them.

count.py:12: can't iterate over a map
   12 |     for key in counts:
      |                ^^^^^^
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """A piece of source text: a file, and 1-based lines with 0-based columns (UTF-8 bytes, as CPython counts)."""

    filename: str
    line: int
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None
    function: str = ""

    @property
    def place(self) -> str:
        """The file and the line."""
        return f"{self.filename}:{self.line}"


def source_line(span: Span) -> str:
    """The source text of the span's first line; empty if the source is not available."""
    import linecache  # needed by few

    return linecache.getline(span.filename, span.line).rstrip("\n")


def excerpt(span: Span) -> list[str]:
    """The source line with a caret under the expression."""
    text = source_line(span)
    if not text:
        return []
    number = f"{span.line:5}"
    lines = [f"{number} | {text}"]
    if span.column is not None:
        start = _characters(text, span.column)
        end = len(text)
        if span.end_line == span.line and span.end_column is not None:
            end = _characters(text, span.end_column)
        pad = "".join("\t" if c == "\t" else " " for c in text[:start])
        lines.append(f"{' ' * len(number)} | {pad}{'^' * max(1, end - start)}")
    else:
        lines.append(f"{' ' * len(number)} | {' ' * (len(text) - len(text.lstrip()))}{'^' * len(text.strip())}")
    return lines


def _characters(text: str, column: int) -> int:
    """Converts a column from UTF-8 bytes, as CPython counts, to characters."""
    return len(text.encode()[:column].decode(errors="ignore"))
