"""Makes untrusted text safe to show on a terminal: names of processes, paths, contents of captured packets.

Such a text must not move the cursor, colour or hide other text, or make the terminal answer. So control characters of
both sets (ECMA-48), separators of lines and paragraphs, and characters that change the direction of writing (UAX #9)
are shown as escapes. Files and JSON take the text as it is.
"""

from __future__ import annotations

from typing import Final

_CONTROLS: Final = (*range(32), *range(0x7F, 0xA0))
_OTHERS: Final = (
    0x61C, *range(0x200B, 0x2010), *range(0x2028, 0x202F), *range(0x2060, 0x2065), *range(0x2066, 0x2070), 0xFEFF,
)  # fmt: skip
"""Invisible characters, characters that end lines, and characters that change the direction of writing."""

_ESCAPES: Final = {number: f"\\x{number:02x}" for number in _CONTROLS} | {
    number: f"\\u{number:04x}" for number in _OTHERS
}


def printable(text: str) -> str:
    """A text that is safe on one line of a terminal."""
    return text.translate(_ESCAPES)
