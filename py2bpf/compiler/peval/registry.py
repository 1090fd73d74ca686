"""The subprograms that an attempt has made, and the comparisons that it has evaluated."""

from __future__ import annotations

from ...exception import Span
from ..ir.values import Function
from .decisions import Called

Notice = tuple[str, tuple[str, ...]]
Places = dict[tuple[Span, bytes | None], Notice | None]
"""The notice of each comparison, by its place and constant; None if the comparison may hold."""


class Registry:
    """``made``: the subprograms, None for one that is being made. ``booleans``: whether each returns a bool.
    ``compared``: the places of comparisons."""

    def __init__(self) -> None:
        self.made: dict[Called, Function | None] = {}
        self.booleans: dict[Called, bool | None] = {}
        self.compared: Places = {}
