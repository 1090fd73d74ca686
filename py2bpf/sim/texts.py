"""Texts in maps: bytes that a program can also write to.

ctypes assigns only bytes to char arrays, so a map's text is a subclass of bytes. Its methods read the map's memory. The
bytes of the object itself, which ctypes reads directly, are updated whenever the program may have changed that memory.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from typing import Any, Final

from .. import padding

_CONTENT: Final = bytes.__basicsize__ - 1
"""Where the characters of CPython's bytes are: at the end, before a NUL."""


class Text(bytes):
    """A char array in a map. ``array`` is the ctypes array there; ``live`` are all texts of the same map."""

    array: Any
    live: list[Text]

    def __new__(cls, array: Any, live: list[Text]) -> Text:
        made = super().__new__(cls, array.raw)
        made.array, made.live = array, live
        live.append(made)
        return made

    def refresh(self) -> None:
        """Copies the map's memory into this object's bytes, which no other object shares."""
        ctypes.memmove(id(self) + _CONTENT, self.array, len(self.array))

    def copied(self) -> Text:
        """A text that is in no map."""
        return Text(type(self.array).from_buffer_copy(self.array), self.live)

    @property
    def value(self) -> bytes:
        found: bytes = self.array.value
        return found

    @value.setter
    def value(self, text: bytes) -> None:
        self.array.value = text
        padding.end_text(self.array, 0, len(self.array), text)
        refresh(self.live)

    def _set_raw(self, content: bytes) -> None:
        self.array.raw = content
        refresh(self.live)

    raw = property(fset=_set_raw, doc="What programs can assign, and not read.")

    def __bytes__(self) -> bytes:
        return self.value

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, slice):
            return self.array[key][0]
        chosen = range(len(self.array))[key]
        kind = ctypes.c_char * len(chosen)
        if chosen and chosen.step == 1:
            return Text(kind.from_buffer(self.array, chosen.start), self.live)
        return Text(kind(*self.array[key]), self.live)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.array[key] = value
        refresh(self.live)

    def __len__(self) -> int:
        return len(self.array)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __eq__(self, other: object) -> bool:
        return self.value == (other.encode() if isinstance(other, str) else getattr(other, "value", other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        return repr(self.value)

    __str__ = __repr__

    def startswith(self, *args: Any) -> bool:
        return self.value.startswith(*args)

    def endswith(self, *args: Any) -> bool:
        return self.value.endswith(*args)


def refresh(texts: Iterable[Text]) -> None:
    """Updates texts after the memory of maps may have changed."""
    for text in texts:
        text.refresh()


def place(value: Any) -> Any:
    """The array in the map for a text; any other value unchanged."""
    return value.array if isinstance(value, Text) else value
