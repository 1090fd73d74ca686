"""Text that comes from others, on a terminal: names of processes, paths, what captured packets hold.

Nothing in it may move the cursor, colour or hide what else is shown, or have the terminal answer: control characters of
both sets (ECMA-48), separators of lines and paragraphs, and what turns the direction of writing around (UAX #9) are
shown as escapes. Files and JSON take the text as it is.
"""

from __future__ import annotations

from typing import Final

_CONTROLS: Final = (*range(32), *range(0x7F, 0xA0))
_OTHERS: Final = (
    0x61C, *range(0x200B, 0x2010), *range(0x2028, 0x202F), *range(0x2060, 0x2065), *range(0x2066, 0x2070), 0xFEFF,
)  # fmt: skip
"""Invisible ones, those that end lines, and those that turn the direction."""

_ESCAPES: Final = {number: f"\\x{number:02x}" for number in _CONTROLS} | {
    number: f"\\u{number:04x}" for number in _OTHERS
}


def printable(text: str) -> str:
    """A text on one line of a terminal, whatever is in it."""
    return text.translate(_ESCAPES)
