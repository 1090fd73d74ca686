"""The decisions that attempts make for the next one, and the exception that starts the next attempt."""

from __future__ import annotations

import types
from typing import Any, NoReturn

from .builder import Padding
from .plans import Plans

Name = tuple[types.CodeType, str]
"""A variable: the code of its function, and its name."""
Called = tuple[Any, ...]
"""A function, and the properties of arguments on which its subprogram is specialised."""


class Restart(Exception):  # noqa: N818 - no error: a decision has changed, evaluation begins again
    """A decision turned out wrong and has been changed; the argument says in words which one, for PY2BPF_VERBOSE."""


class Decisions:
    """The decisions with which an attempt begins. Each changes a bounded number of times, so that attempts end.

    ``inline``: make no subprograms. ``plans``: of loops. ``apart``: the paths of calls in which ways out of loops count
    as parts of the loops. ``addressed``: the variables whose address is taken. ``sites``: the places that call each
    possible subprogram. ``refused``: functions that can't be subprograms.
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
        """Starts another attempt, in which the function is inlined."""
        self.refused.add(key)
        raise Restart(f"{key[0].__name__}() can't be a subprogram")
