"""What attempts to evaluate a function have found out, and the exception by which the next attempt begins."""

from __future__ import annotations

import types
from typing import Any, NoReturn

from .builder import Padding
from .plans import Plans

Name = tuple[types.CodeType, str]
"""A variable: the function that has it, and its name."""
Called = tuple[Any, ...]
"""A function, and what its subprogram is specialised on."""


class Restart(Exception):  # noqa: N818 - no error: a decision has changed, evaluation begins again
    """A decision turned out wrong and has been changed; its argument tells which, in words, for PY2BPF_VERBOSE."""


class Decisions:
    """An attempt begins with them and changes them; each changes a bounded number of times, so that attempts end.

    ``inline``: make no subprograms. ``plans`` of loops; ``apart`` the paths of calls in which ways out of loops count
    as parts of them; ``addressed`` the variables whose address is taken. ``sites`` are the places from where each
    function is called that may become a subprogram, ``refused`` those that can't.
    """

    def __init__(self, inline: bool = False) -> None:
        self.inline = inline
        self.plans: Plans = {}
        self.apart: set[Any] = set()
        self.addressed: set[Name] = set()
        self.sites: dict[Called, set[Any]] = {}
        self.refused: set[Called] = set()
        self.padding = Padding()

    def refuse(self, key: Called) -> NoReturn:
        """The function can only be inlined: all begins again."""
        self.refused.add(key)
        raise Restart(f"{key[0].__name__}() can't be a subprogram")
