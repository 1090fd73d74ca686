"""What an attempt knows of the functions that a program calls, and of the comparisons that it makes."""

from __future__ import annotations

from ...exception import Span
from ..ir.values import Function
from .decisions import Called

Notice = tuple[str, tuple[str, ...]]
Places = dict[tuple[Span, bytes | None], Notice | None]
"""The comparisons that were made: where, and with what constant. None for one that may hold."""


class Registry:
    """``made`` are the subprograms, None for one that is being made; ``booleans`` tells which of them return a bool.
    ``compared`` are the places of comparisons that may never hold."""

    def __init__(self) -> None:
        self.made: dict[Called, Function | None] = {}
        self.booleans: dict[Called, bool | None] = {}
        self.compared: Places = {}
