"""Error messages that point at the user's own code.

count.py:12: can't iterate over a map
   12 |     for key in counts:
      |                ^^^^^^
  help: programs can't iterate over maps; user space can, with m.items()
"""

from __future__ import annotations

import linecache

from ..exception import Span, TranslationError, VerifierError, VmFault

_LOG_LINES = 12


def source_line(span: Span) -> str:
    """The source text of the span's first line; empty where the source is not to be had."""
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
    """A column in UTF-8 bytes, as CPython counts, in characters."""
    return len(text.encode()[:column].decode(errors="ignore"))


def _place(span: Span) -> str:
    return f"{span.filename}:{span.line}"


def render(error: TranslationError) -> str:
    """The whole message."""
    head = f"{_place(error.span)}: " if error.span else (f"line {error.line}: " if error.line else "")
    lines = [head + error.msg]
    if error.span:
        lines += excerpt(error.span)
    lines += [f"  help: {hint}" for hint in error.hints]
    for span, text in error.notes:
        lines.append(f"  {_place(span)}: {text}")
        lines += excerpt(span)
    return "\n".join(lines)


def render_warning(span: Span, msg: str, hints: tuple[str, ...]) -> str:
    """A warning's whole message, as of an error."""
    return render(TranslationError(span.line, msg, span=span, hints=hints))


def render_verifier(error: VerifierError) -> str:
    """The verifier's verdict: its reason, the Python line, the end of its log."""
    lines = [error.strerror or "the kernel's verifier refused the program"]
    if error.span:
        lines.append(f"{_place(error.span)}: the refused instruction comes from here")
        lines += excerpt(error.span)
    log = [line for line in error.log.splitlines() if line.strip()]
    if log:
        lines.append("  the end of the verifier's log (all of it is in .log):")
        lines += [f"    {line}" for line in log[-_LOG_LINES:]]
    return "\n".join(lines)


def render_fault(error: VmFault) -> str:
    """What the program did, at which instruction, and the Python line of that."""
    lines = [f"{error.what}: {error.reason} (instruction {error.index}, {error.value & (1 << 64) - 1:#x})"]
    if error.span:
        lines.append(f"{_place(error.span)}: the instruction comes from here")
        lines += excerpt(error.span)
    return "\n".join(lines)
