"""What is known of the functions that a program calls, and of the comparisons that it makes."""

from __future__ import annotations

from typing import Any, NoReturn

from ...exception import Span
from ..ir.values import Function
from .frames import Restart

Key = tuple[Any, ...]
"""A function, and what its subprogram is specialised on."""
Notice = tuple[str, tuple[str, ...]]
Places = dict[tuple[Span, bytes | None], Notice | None]
"""The comparisons that were made: where, and with what constant. None for one that may hold."""


class Registry:
    """What is known of the functions that are called. ``sites`` and ``refused`` outlive a restart; ``made`` are this
    attempt's subprograms, None for one that is being made; ``booleans`` tells which of them return a bool.
    ``compared`` are the places of this attempt's comparisons that may never hold."""

    def __init__(self, inline: bool) -> None:
        self.inline = inline
        self.sites: dict[Key, set[Any]] = {}
        self.refused: set[Key] = set()
        self.made: dict[Key, Function | None] = {}
        self.booleans: dict[Key, bool | None] = {}
        self.compared: Places = {}

    def refuse(self, key: Key) -> NoReturn:
        """The function can only be inlined: all begins again."""
        self.refused.add(key)
        raise Restart
